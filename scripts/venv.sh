#!/bin/sh
# Makes the virtual environment and installs one locked list of packages and this checkout into it.
# usage: venv.sh PYTHON VENV UV_VERSION LOCKFILE
set -eu
python=$1 venv=$2 uv_version=$3 lock=$4

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  echo "error: Sympozium needs Python 3.11 or newer, and '$python' is not: set PYTHON=/path/to/python3.11" >&2
  exit 1
}
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  rm -rf "$venv"
  if ! "$python" -m venv "$venv" 2>/tmp/sympozium-venv.$$; then
    # Debian ships venv apart from Python.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
      "$python" -m venv "$venv"
    else
      cat /tmp/sympozium-venv.$$ >&2
      echo "error: '$python -m venv' failed; on Debian and Ubuntu: sudo apt install python3-venv" >&2
      rm -f /tmp/sympozium-venv.$$
      exit 1
    fi
  fi
  rm -f /tmp/sympozium-venv.$$
fi
[ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install -q --disable-pip-version-check "uv==$uv_version"
# uv knows neither pip's settings nor the system's certificates unless it is told; behind a company's mirror
# or proxy both matter.
export UV_SYSTEM_CERTS=1
index=${PIP_INDEX_URL:-$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
# Hashes are required: what was locked is what runs. The build of this checkout takes hatchling from the lock.
# Byte code is compiled now: containers see the environment read-only, and would compile openai and mcp
# (half a second each) at every start.
"$venv/bin/uv" pip install -q --compile-bytecode --python "$venv/bin/python" --require-hashes -r "$lock"
"$venv/bin/uv" pip install -q --python "$venv/bin/python" --no-deps -e .
"$venv/bin/python" -m compileall -q src
