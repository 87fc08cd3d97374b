"""A disk that runs full: the pod that fills it goes, the others and the node stay. On a small file system of its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.node_support import NodeCluster, ns, once, phase, shell, state
from sympozium.testing.client import Object
from sympozium.testing.resources import NODE, POD

__all__ = ["ns"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a file system")
MIB = 1 << 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeCluster]:
    directory = tmp_path_factory.mktemp("node")
    data = directory / "node"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(data)], check=True)
    try:
        with NodeCluster(directory, "--eviction-period", "1s") as made:
            yield made
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)


def conditions(node: Object) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in node["status"]["conditions"]}


def filling(mebibytes: int) -> Object:
    mounts = [{"name": "w", "mountPath": "/w"}]
    main = shell(f"head -c {mebibytes * MIB} /dev/zero > /w/f; echo done; exec sleep 60", volumeMounts=mounts)
    return once(main, volumes=[{"name": "w", "emptyDir": {}}], terminationGracePeriodSeconds=0)


def test_a_full_disk(cluster: NodeCluster, ns: str) -> None:
    before = conditions(cluster.get(NODE, "n1"))
    assert before == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"), "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"), "Ready": ("True", "KubeletReady"),
    }  # fmt: skip
    cluster.run_pod("small", ns, filling(2))
    cluster.wait(POD, "small", lambda p: "running" in state(p), ns)
    cluster.run_pod("big", ns, filling(70))
    gone = cluster.ended("big", ns, timeout=60)
    assert (phase(gone), gone["status"]["reason"]) == ("Failed", "Evicted")
    assert gone["status"]["message"].startswith(
        "The node was low on resource: ephemeral-storage. Threshold quantity: "
    )
    assert "running" in state(cluster.get(POD, "small", ns))
    cluster.wait(NODE, "n1", lambda n: conditions(n)["DiskPressure"][0] == "False")
    cluster.run_pod("next", ns, once(shell("echo next")))
    assert phase(cluster.ended("next", ns, timeout=60)) == "Succeeded"
    cluster.delete(POD, "small", ns)


def test_new_pods_wait_for_space(cluster: NodeCluster, ns: str) -> None:
    ballast = cluster.directory / "node" / "ballast"
    ballast.write_bytes(bytes(61 * MIB))
    try:
        cluster.wait(
            NODE,
            "n1",
            lambda n: conditions(n)["DiskPressure"] == ("True", "KubeletHasDiskPressure"),
            timeout=60,
        )
        key = "node.kubernetes.io/disk-pressure"
        cluster.wait(NODE, "n1", lambda n: key in {t["key"] for t in n["spec"].get("taints") or ()})
        # Bound past the scheduler, which would not choose a node like this.
        cluster.run_pod("late", ns, {**once(shell("echo late")), "nodeName": "n1"})
        pod = cluster.ended("late", ns)
        assert (pod["status"]["reason"], pod["status"]["message"]) == (
            "Evicted",
            "The node had condition: [DiskPressure]. ",
        )
    finally:
        ballast.unlink()
    cluster.wait(NODE, "n1", lambda n: conditions(n)["DiskPressure"][0] == "False")
    assert Path(cluster.directory / "node").is_dir()
