#!/bin/sh
# Every test, in the order of what fails soonest. What the tests need beside .venv is set up here.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
.venv/bin/python scripts/web.py build
.venv/bin/python scripts/web.py test
sh scripts/test_tools.sh
# Two workers on two cores; each worker has control planes of its own.
.venv/bin/pytest -q -n 2 --dist loadgroup --durations 15 tests --ignore tests/browser "$@"
# Apart: the driver of the browser keeps an event loop in its thread, beside which no other test can have one.
exec .venv/bin/pytest -q -n 2 --dist loadscope --durations 5 tests/browser "$@"
