"""Each component of `up` is somebody of its own, with the rights that the chart will give it."""

from pathlib import Path

import pytest

from sympozium.testing import Cluster
from sympozium.up.state import read

WHO = {
    "controllers": "system:serviceaccount:sympozium-system:sympozium-controller",
    "webhook": "system:serviceaccount:sympozium-system:sympozium-webhook",
    "node": "system:node:sympozium",
}


def _kubeconfig(cluster: Cluster, component: str) -> Path:
    """What the running process was given."""
    state = read(cluster.data)
    assert state is not None
    environ = Path(f"/proc/{state.children[component].pid}/environ").read_bytes().split(b"\0")
    (value,) = [entry.partition(b"=")[2] for entry in environ if entry.startswith(b"KUBECONFIG=")]
    return Path(value.decode())


def _as(cluster: Cluster, component: str, *arguments: str) -> str:
    return cluster.kubectl("--kubeconfig", str(_kubeconfig(cluster, component)), *arguments, check=False)


@pytest.mark.parametrize("component", WHO)
def test_it_is_who_it_should_be_and_no_administrator(sympozium_cluster: Cluster, component: str) -> None:
    assert _kubeconfig(sympozium_cluster, component) != sympozium_cluster.data.kubeconfig
    assert WHO[component] in _as(sympozium_cluster, component, "auth", "whoami")
    for question in (("*", "*"), ("list", "secrets"), ("create", "clusterrolebindings.rbac.authorization.k8s.io/x"),
                     ("delete", "namespaces"), ("impersonate", "users")):  # fmt: skip
        if component == "controllers" and question[0] == "create":
            continue  # it makes them for skills, within sympozium-grantable: the next test
        assert "no" in _as(sympozium_cluster, component, "auth", "can-i", *question, "-A"), question


def test_the_controllers_cannot_grant_what_the_administrator_did_not(sympozium_cluster: Cluster) -> None:
    answer = _as(
        sympozium_cluster,
        "controllers",
        "create",
        "clusterrole",
        "too-much",
        "--verb=list",
        "--resource=secrets",
    )
    assert "forbidden" in answer.lower()
    assert "attempting to grant RBAC permissions not currently held" in answer


def test_no_controller_decides_an_approval(sympozium_cluster: Cluster) -> None:
    for component in ("webhook", "node"):
        question = ("update", "approvalrequests.sympozium.ai", "--subresource=status")
        assert "no" in _as(sympozium_cluster, component, "auth", "can-i", *question, "-A")
