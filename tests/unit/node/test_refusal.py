"""Every thing that is not done is refused by name."""

from typing import Any

import pytest

from sympozium.node import refusal
from sympozium.node.objects import Object


def pod(container: Object | None = None, **spec: Any) -> Object:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "main", **(container or {})}], **spec},
    }


@pytest.mark.parametrize(("made", "word"), [
    (pod(hostPID=True), "hostPID"),
    (pod(hostIPC=True), "hostIPC"),
    (pod(shareProcessNamespace=True), "shareProcessNamespace"),
    (pod(dnsConfig={"nameservers": ["1.1.1.1"]}), "dnsConfig"),
    (pod(securityContext={"sysctls": [{}]}), "sysctls"),
    (pod(securityContext={"supplementalGroups": [5]}), "supplementalGroups"),
    (pod(volumes=[{"name": "v", "nfs": {}}]), "volume v: nfs"),
    (pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "--allow-host-path"),
    (pod(volumes=[{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {}}]}}]), "clusterTrustBundle"),
    (pod({"securityContext": {"privileged": True}}), "privileged"),
    (pod({"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}), "capabilities.add"),
    (pod({"securityContext": {"procMount": "Unmasked"}}), "procMount"),
    (pod({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}), "Unconfined"),
    (pod({"securityContext": {"seccompProfile": {"type": "Localhost"}}}), "RuntimeDefault"),
    (pod({"volumeMounts": [{"mountPropagation": "Bidirectional"}]}), "mountPropagation"),
    (pod({"resources": {"limits": {"nvidia.com/gpu": "1"}}}), "nvidia.com/gpu"),
])  # fmt: skip
def test_refused(made: Object, word: str) -> None:
    lines = refusal.unsupported(made, allow_host_path=False)
    assert len(lines) == 1
    assert word in lines[0]


def test_what_is_done_is_not_refused() -> None:
    security = {"runAsUser": 5, "runAsNonRoot": True, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}, "privileged": False,
                "procMount": "Default"}  # fmt: skip
    container = {"securityContext": security, "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "tty": False,
                 "livenessProbe": {"exec": {}}, "volumeMounts": [{"mountPropagation": "None"}]}  # fmt: skip
    kinds = ["emptyDir", "configMap", "secret", "downwardAPI", "hostPath"]
    volumes = [{"name": kind, kind: {}} for kind in kinds]
    assert refusal.unsupported(pod(container, volumes=volumes, hostPID=False), allow_host_path=True) == []
