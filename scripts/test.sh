#!/bin/sh
# Every test, in the order of what fails soonest. What the tests need beside .venv is set up here.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
.venv/bin/python scripts/web.py build
.venv/bin/python scripts/web.py test
sh scripts/test_tools.sh
# Two workers on two cores; each worker has control planes of its own.
exec .venv/bin/pytest -q -n 2 --dist loadgroup --durations 15 tests "$@"
