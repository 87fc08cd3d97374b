"""Real kubectl, the newest and an older one, against `sympozium up`."""

import json
import subprocess
from pathlib import Path

import pytest

from sympozium.testing import CONFIG_MAP, Cluster
from sympozium.up.components import HOST_IMAGE, tool

OLD = Path(__file__).parents[2] / ".tools" / "kubectl-1.32"
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, namespace: {namespace}}}
data: {{colour: {colour}}}
"""
INSTANCE = """
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumInstance
metadata: {{name: helper, namespace: {namespace}}}
spec:
  agents: {{default: {{model: {model}}}}}
"""
POD = f"""
apiVersion: v1
kind: Pod
metadata: {{{{name: talker, namespace: {{namespace}}}}}}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: {HOST_IMAGE}
    command: [/bin/sh, -c, "echo first line; echo second line"]
"""


@pytest.fixture(params=["1.37", "1.32"])
def kubectl(request: pytest.FixtureRequest) -> str:
    return tool("kubectl") if request.param == "1.37" else str(OLD)


@pytest.mark.parametrize("mode", [(), ("--server-side",)])
def test_apply_creates_changes_and_leaves_alone(
    sympozium_cluster: Cluster, namespace: str, kubectl: str, mode: tuple[str, ...]
) -> None:
    def apply(text: str) -> str:
        return sympozium_cluster.kubectl("apply", *mode, "-f", "-", program=kubectl, stdin=text)

    apply(
        CONFIG.format(namespace=namespace, colour="red")
        + "---"
        + INSTANCE.format(namespace=namespace, model="one")
    )
    apply(
        CONFIG.format(namespace=namespace, colour="blue")
        + "---"
        + INSTANCE.format(namespace=namespace, model="two")
    )
    before = sympozium_cluster.get(CONFIG_MAP, "settings", namespace)
    assert before["data"] == {"colour": "blue"}
    answer = apply(CONFIG.format(namespace=namespace, colour="blue"))
    assert "unchanged" in answer or mode
    assert (
        sympozium_cluster.get(CONFIG_MAP, "settings", namespace)["metadata"]["resourceVersion"]
        == before["metadata"]["resourceVersion"]
    )
    model = sympozium_cluster.kubectl(
        "get",
        "sinst",
        "helper",
        "-n",
        namespace,
        "-o",
        "jsonpath={.spec.agents.default.model}",
        program=kubectl,
    )
    assert model == "two"


def test_get_describe_and_delete(sympozium_cluster: Cluster, namespace: str, kubectl: str) -> None:
    run = lambda *a, **k: sympozium_cluster.kubectl(*a, "-n", namespace, program=kubectl, **k)  # noqa: E731
    run("apply", "-f", "-", stdin=INSTANCE.format(namespace=namespace, model="m"))
    table = run("get", "sympoziuminstances").splitlines()
    assert table[0].split()[0] == "NAME"
    assert "AGE" in table[0].split()
    assert table[1].split()[0] == "helper"
    assert "model: m" in run("get", "sinst/helper", "-o", "yaml")
    assert run("get", "sympozium", "-o", "name").splitlines()[0] == "sympoziuminstance.sympozium.ai/helper"
    described = run("describe", "sinst", "helper")
    assert "Kind:         SympoziumInstance" in described
    assert "deleted" in run("delete", "sinst", "helper")
    assert "NotFound" in run("get", "sinst", "helper", check=False)


def test_watch_prints_changes(sympozium_cluster: Cluster, namespace: str, kubectl: str) -> None:
    argv = [
        kubectl,
        "--kubeconfig",
        str(sympozium_cluster.data.kubeconfig),
        "get",
        "configmaps",
        "-n",
        namespace,
        "-w",
        "--no-headers",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        sympozium_cluster.kubectl("apply", "-f", "-", stdin=CONFIG.format(namespace=namespace, colour="red"))
        for line in watching.stdout:  # kube-root-ca.crt comes first; the pytest timeout bounds this
            if line.startswith("settings"):
                break
        watching.terminate()
        watching.stdout.read()
    assert line.split()[:2] == ["settings", "1"]


def test_logs_and_wait(sympozium_cluster: Cluster, namespace: str, kubectl: str) -> None:
    run = lambda *a, **k: sympozium_cluster.kubectl(*a, "-n", namespace, program=kubectl, **k)  # noqa: E731
    run("apply", "-f", "-", stdin=POD.format(namespace=namespace))
    run("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/talker", "--timeout=30s")
    assert run("logs", "-f", "talker").splitlines() == ["first line", "second line"]
    assert run("logs", "talker", "--tail=1").splitlines() == ["second line"]


def test_wait_for_condition_of_a_custom_resource(
    sympozium_cluster: Cluster, namespace: str, kubectl: str
) -> None:
    run = lambda *a, **k: sympozium_cluster.kubectl(*a, "-n", namespace, program=kubectl, **k)  # noqa: E731
    run("apply", "-f", "-", stdin=INSTANCE.format(namespace=namespace, model="m"))
    assert "condition met" in run("wait", "--for=condition=Ready", "sinst/helper", "--timeout=30s")


def test_explain_and_discovery(sympozium_cluster: Cluster, kubectl: str) -> None:
    explained = sympozium_cluster.kubectl("explain", "agentrun.spec", program=kubectl)
    assert "instanceRef" in explained
    assert "<string> -required-" in explained
    resources = sympozium_cluster.kubectl("api-resources", program=kubectl)
    assert any(line.split()[:2] == ["agentruns", "arun"] for line in resources.splitlines())


def test_create_and_can_i(sympozium_cluster: Cluster, namespace: str, kubectl: str) -> None:
    run = lambda *a, **k: sympozium_cluster.kubectl(*a, "-n", namespace, program=kubectl, **k)  # noqa: E731
    run("create", "secret", "generic", "key", "--from-literal=word=open")
    run("create", "sa", "worker")
    run("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    run("create", "rolebinding", "worker-reads", "--role=reader", f"--serviceaccount={namespace}:worker")
    secret = json.loads(run("get", "secret", "key", "-o", "json"))
    assert secret["data"] == {"word": "b3Blbg=="}
    as_worker = f"--as=system:serviceaccount:{namespace}:worker"
    assert run("auth", "can-i", "list", "configmaps", as_worker).strip() == "yes"
    assert "no" in run("auth", "can-i", "delete", "configmaps", as_worker, check=False)
    assert "Forbidden" in run("get", "secrets", as_worker, check=False)
