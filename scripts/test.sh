#!/bin/sh
# Every test, in the order of what fails soonest. What the tests need beside .venv is set up here.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
# Tests are compiled once and not by each worker at each run, whatever the machine prefers.
unset PYTHONDONTWRITEBYTECODE
.venv/bin/python scripts/web.py build
.venv/bin/python scripts/web.py test
sh scripts/test_tools.sh
# Three workers on two cores, since a third of the time is waiting; each worker has control planes of its own. A module stays
# on one worker, so that what it sets up for all its tests is set up once; the unit tests come last, since many short modules
# fill all workers to the end.
.venv/bin/pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations 15 tests --ignore tests/browser "$@"
# Apart: the driver of the browser keeps an event loop in its thread, beside which no other test can have one.
exec .venv/bin/pytest -q -n 2 --dist loadscope --durations 5 tests/browser "$@"
