"""The node killed and started again: nothing is left behind, nothing is run twice, nothing is made up."""

import os
import signal
from pathlib import Path

from cluster.node_support import NodeCluster, cluster, ns, once, phase, shell, state
from sympozium.testing.resources import POD
from sympozium.testing.waiting import until

__all__ = ["cluster", "ns"]

LOOP = "echo up; while :; do sleep 0.05; done"


def processes_with(marker: str) -> list[str]:
    """Processes of the machine whose command line has `marker`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue  # it has just ended
    return found


def _running(cluster: NodeCluster, ns: str, *names: str) -> None:
    for name in names:
        cluster.wait(POD, name, lambda pod: "running" in state(pod), ns)


def test_kill_and_start_again(cluster: NodeCluster, ns: str) -> None:
    marker = f"marker-{ns}"
    work = [{"name": "w", "mountPath": "/w"}]
    volumes = [{"name": "w", "emptyDir": {}}]
    init = {**shell("echo init >> /w/log", volumeMounts=work), "name": "init"}
    never = once(shell(f": {marker}; {LOOP}"))
    always = {
        **once(shell(f": {marker}; echo main >> /w/log; cat /w/log; {LOOP}", volumeMounts=work), volumes=volumes),
        "initContainers": [init], "restartPolicy": "Always", "terminationGracePeriodSeconds": 1,
    }  # fmt: skip
    cluster.run_pod("never", ns, never)
    cluster.run_pod("always", ns, always)
    _running(cluster, ns, "never", "always")
    assert processes_with(marker)
    address = cluster.get(POD, "always", ns)["status"]["podIP"]

    cluster.stop("node", signal.SIGKILL)
    until(lambda: not processes_with(marker), "the containers have ended with their node")
    cluster.start_node()

    lost = cluster.ended("never", ns)
    assert phase(lost) == "Failed"
    ended = state(lost)["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")
    again = cluster.wait(POD, "always", lambda p: "running" in state(p)
                         and p["status"]["containerStatuses"][0]["restartCount"] == 1, ns)  # fmt: skip
    assert (
        again["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"]
        == "ContainerStatusUnknown"
    )
    until(lambda: cluster.logs("always", ns, container="main").startswith("init\nmain\nmain\n"),
          "the volume is kept and the init container not run again")  # fmt: skip
    assert again["status"]["podIP"] == address
    for name in ("never", "always"):
        cluster.delete(POD, name, ns)
        cluster.wait_gone(POD, name, ns)
    until(lambda: not list((cluster.directory / "node" / "pods").iterdir()), "their directories are removed")


def test_pods_deleted_meanwhile_leave_nothing(cluster: NodeCluster, ns: str) -> None:
    pod = cluster.run_pod("p", ns, once(shell(LOOP)))
    _running(cluster, ns, "p")
    directory = cluster.directory / "node" / "pods" / pod["metadata"]["uid"]
    assert directory.is_dir()
    cluster.stop("node", signal.SIGKILL)
    cluster.request("DELETE", POD.path(ns, "p"), {"gracePeriodSeconds": 0})
    cluster.start_node()
    until(lambda: not directory.exists(), "the directory of the gone pod is removed")
    assert not list(Path("/sys/fs/cgroup").glob(f"**/pod{pod['metadata']['uid']}"))


def test_sigterm_stops_containers_gracefully(cluster: NodeCluster, ns: str) -> None:
    spec = once(shell("trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done"))
    cluster.run_pod("p", ns, spec)
    until(lambda: cluster.http.get(POD.path(ns, "p", "log")).text == "up\n", "the container has started")
    assert cluster.stop("node") == 0
    pod = cluster.get(POD, "p", ns)
    assert (phase(pod), state(pod)["terminated"]["exitCode"]) == ("Failed", 4)
    cluster.start_node()


def test_a_node_that_ends_leaves_no_control_group(cluster: NodeCluster, ns: str) -> None:
    def groups() -> list[Path]:
        return sorted(Path("/sys/fs/cgroup").glob(f"**/pod{uid}"))

    # One that would be started again is still this node's when it ends.
    cluster.run_pod(
        "p", ns, {**once(shell(LOOP)), "restartPolicy": "Always", "terminationGracePeriodSeconds": 1}
    )
    _running(cluster, ns, "p")
    uid = cluster.get(POD, "p", ns)["metadata"]["uid"]
    assert groups() or os.geteuid() != 0
    cluster.stop("node")
    try:
        assert groups() == []
    finally:
        cluster.start_node()
