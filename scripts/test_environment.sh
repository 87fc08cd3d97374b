#!/bin/sh
# An environment of its own, .venv-NAME, from lock files: its dependencies must not meet ours. A second run does nothing.
# usage: test_environment.sh NAME [FURTHER LOCK FILE]   (the first is requirements/NAME.txt)
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
name=$1 lock=requirements/$1.txt further=${2:-}

[ ! -e ".venv-$name/.done" ] || [ "$lock" -nt ".venv-$name/.done" ] || [ "${further:-$lock}" -nt ".venv-$name/.done" ] || exit 0
rm -rf ".venv-$name"
export UV_SYSTEM_CERTS=1
index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
.venv/bin/uv venv -q --python .venv/bin/python ".venv-$name"
.venv/bin/uv pip install -q --compile-bytecode --python ".venv-$name/bin/python" --require-hashes -r "$lock" ${further:+-r "$further"}
touch ".venv-$name/.done"
