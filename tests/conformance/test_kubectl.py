"""The real kubectl, in every version that is here: what a person types works."""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

BESIDE = Path(sys.executable).with_name("kubectl")
BINARIES = list(
    dict.fromkeys(
        str(path) for path in (BESIDE, Path(shutil.which("kubectl", path="/usr/bin") or "")) if path.is_file()
    )
)

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}, labels: {{app: x}}}}
data: {{a: "{value}"}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: main, image: i, command: [sleep, "1"]}}]
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.kubectl.dev}}
spec:
  group: kubectl.dev
  scope: Namespaced
  names: {{plural: {plural}, kind: {kind}}}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{{name: Count, type: integer, jsonPath: .spec.count}}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: what is wanted
            properties:
              count: {{type: integer, description: how many there are}}
"""


class Kubectl:
    def __init__(self, binary: str, server, namespace: str, home: Path) -> None:
        self._argv = [binary, f"--kubeconfig={server.data / 'kubeconfig'}", f"--namespace={namespace}"]
        self._env = {**os.environ, "HOME": str(home), "KUBECACHEDIR": str(home / "cache")}

    def try_(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._argv, *arguments],
            input=stdin,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        done = self.try_(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout


@pytest.fixture(params=BINARIES)
def kubectl(request, server, ns, tmp_path):
    return Kubectl(request.param, server, ns, tmp_path)


def test_apply_from_both_sides(kubectl):
    first = MANIFEST.format(name="one", value="1")
    assert "configmap/one created" in kubectl("apply", "-f", "-", stdin=first)
    assert "configmap/one unchanged" in kubectl("apply", "-f", "-", stdin=first)
    changed = MANIFEST.format(name="one", value="2")
    assert kubectl.try_("diff", "-f", "-", stdin=changed).returncode == 1
    assert "configmap/one configured" in kubectl("apply", "-f", "-", stdin=changed)
    assert kubectl("get", "cm", "one", "-o", "jsonpath={.data.a}") == "2"
    server_side = MANIFEST.format(name="two", value="1")
    assert "configmap/two serverside-applied" in kubectl(
        "apply", "--server-side", "-f", "-", stdin=server_side
    )
    conflict = kubectl.try_(
        "apply",
        "--server-side",
        "--field-manager=other",
        "-f",
        "-",
        stdin=MANIFEST.format(name="two", value="3"),
    )
    assert 'conflict with "kubectl": .data.a' in conflict.stderr


def test_create_and_look(kubectl):
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    kubectl("create", "secret", "generic", "s", "--from-literal=k=v")
    kubectl("create", "serviceaccount", "bot")
    kubectl("create", "role", "r", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "rb", "--role=r", "--serviceaccount=x:bot")
    assert kubectl("get", "cm", "c").split("\n")[0].split() == ["NAME", "DATA", "AGE"]
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.k}") == "dg=="
    assert "Role/r" in kubectl("get", "rolebinding", "rb", "-o", "wide")
    assert "Type:  Opaque" in kubectl("describe", "secret", "s")
    assert kubectl("get", "cm", "c", "-o", "yaml").startswith("apiVersion: v1\n")
    assert len(kubectl("create", "token", "bot").strip().split(".")) == 3
    kubectl("label", "cm", "c", "x=y")
    assert kubectl("get", "cm", "-l", "x=y", "-o", "name") == "configmap/c\n"


def test_wait_and_delete(kubectl):
    kubectl("create", "configmap", "c")
    waiting = kubectl.try_("wait", "--for=jsonpath={.metadata.labels.done}=yes", "cm/c", "--timeout=1s")
    assert "timed out" in waiting.stderr
    kubectl("label", "cm", "c", "done=yes")
    kubectl("wait", "--for=jsonpath={.metadata.labels.done}=yes", "cm/c", "--timeout=20s")
    assert 'configmap "c" deleted' in kubectl("delete", "cm", "c", "--timeout=20s")
    assert "NotFound" in kubectl.try_("get", "cm", "c").stderr
    kubectl("wait", "--for=delete", "cm/c", "--timeout=20s")


def test_custom_resources(kubectl):
    kind = f"Gadget{uuid.uuid4().hex[:6]}"
    plural = kind.lower() + "s"
    kubectl("apply", "-f", "-", stdin=CRD.format(plural=plural, kind=kind))
    kubectl("wait", "--for=condition=Established", f"crd/{plural}.kubectl.dev", "--timeout=20s")
    thing = f"apiVersion: kubectl.dev/v1\nkind: {kind}\nmetadata: {{name: g}}\nspec: {{count: 3}}\n"
    kubectl("apply", "-f", "-", stdin=thing)
    assert kubectl("get", plural).split() == ["NAME", "COUNT", "g", "3"]
    kubectl("patch", plural, "g", "--type=merge", "-p", '{"spec":{"count":4}}')
    assert kubectl("get", plural, "g", "-o", "jsonpath={.spec.count}") == "4"
    refused = kubectl.try_("apply", "-f", "-", stdin=thing.replace("count: 3", "many: 3"))
    assert 'unknown field "spec.many"' in refused.stderr
    assert "how many there are" in kubectl("explain", f"{plural}.spec.count")
    kubectl("delete", "crd", f"{plural}.kubectl.dev", "--timeout=30s")


def test_discovery_and_rights(kubectl, server):
    resources = kubectl("api-resources")
    assert "configmaps" in resources
    assert "batch/v1" in kubectl("api-versions")
    assert kubectl("auth", "can-i", "delete", "nodes").strip() == "yes"
    alice = kubectl.try_("auth", "can-i", "list", "pods", "--as=alice")
    assert alice.stdout.strip() == "no"
    assert "ConfigMap" in kubectl("explain", "configmap.data")
    assert "restartPolicy" in kubectl("explain", "job.spec.template.spec")
    kubectl("get", "all")
    assert "ok" in kubectl("get", "--raw", "/readyz")


def test_watching(kubectl):
    kubectl("create", "configmap", "c")
    process = subprocess.Popen(
        [*kubectl._argv, "get", "cm", "c", "-w", "--no-headers", "-o", "custom-columns=L:.metadata.labels.n"],
        env=kubectl._env,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "<none>"
        kubectl("label", "cm", "c", "n=1")
        assert process.stdout.readline().strip() == "1"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
