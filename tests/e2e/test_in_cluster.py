"""Parts of the control plane as pods: they find the API by their ServiceAccount, and their probes come from the node."""

import sys
from collections.abc import Iterator

import pytest

from sympozium.testing import Cluster
from sympozium.testing.client import Object
from sympozium.testing.resources import POD

SYSTEM = "sympozium-system"


def pod(name: str, *command: str) -> Object:
    """As the chart has them: no root, nothing to write to but /tmp, no home."""
    probe = {"httpGet": {"path": "/readyz", "port": 8081}, "periodSeconds": 1, "failureThreshold": 60}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": f"{name}-", "namespace": SYSTEM},
        "spec": {
            "serviceAccountName": f"sympozium-{name}", "automountServiceAccountToken": True,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532},
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "containers": [{
                "name": name, "image": "localhost/host:latest",
                "command": [sys.executable, "-m", "sympozium", "serve", *command,
                            "--health-host", "0.0.0.0", "--health-port", "8081"],
                "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}], "readinessProbe": probe,
            }],
        },
    }  # fmt: skip


@pytest.fixture
def pods(sympozium_cluster: Cluster) -> Iterator[list[str]]:
    """An egress component, and two webhooks that begin at once."""
    made = [
        pod("egress", "egress", "--port", "8889"), *(pod("webhook", "webhook", "--port", "9443") for _ in range(2)),
    ]  # fmt: skip
    names = [sympozium_cluster.create(one)["metadata"]["name"] for one in made]
    yield names
    for name in names:
        sympozium_cluster.delete(POD, name, SYSTEM)


def test_they_become_ready_by_what_is_mounted(sympozium_cluster: Cluster, pods: list[str]) -> None:
    for name in pods:
        found = sympozium_cluster.wait(
            POD, name, lambda obj: any(c["type"] == "Ready" and c["status"] == "True" for c in obj["status"].get("conditions") or ()),
            SYSTEM, timeout=90,
        )  # fmt: skip
        assert found["status"]["containerStatuses"][0]["restartCount"] == 0
