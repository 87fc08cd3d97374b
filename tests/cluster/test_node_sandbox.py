"""What a container may not do. Each attack is tried from inside, with the node and a second pod as its victims."""

import contextlib
import os
from pathlib import Path

import pytest

from cluster.node_support import NodeCluster, cluster, ns, once, shell, state
from sympozium.testing.resources import POD
from sympozium.testing.waiting import until

__all__ = ["cluster", "ns"]


def attempt(cluster: NodeCluster, ns: str, script: str, **more: object) -> str:
    """Output of a shell script in a pod."""
    cluster.run_pod("attacker", ns, once(shell(script, **more)))
    cluster.ended("attacker", ns)
    return cluster.logs("attacker", ns)


def test_sees_nothing_of_the_host(cluster: NodeCluster, ns: str) -> None:
    home = Path.home()
    out = attempt(cluster, ns, f"ls -A {home} /home /var/lib /sys /boot /work 2>/dev/null; cat /etc/shadow {cluster.node_config}; "
                  "cat /etc/passwd")  # fmt: skip
    lines = out.splitlines()
    assert "app:x:1000:1000::/tmp:/bin/sh" in lines
    assert not any(".ssh" in line or "client-key" in line for line in lines)
    assert len([line for line in lines if ":x:" in line]) == 3


def test_sees_only_its_own_processes(cluster: NodeCluster, ns: str) -> None:
    out = attempt(cluster, ns, "ls -d /proc/[0-9]* | wc -l; cat /proc/1/cmdline | tr '\\0' ' '")
    count, first = out.splitlines()
    assert int(count) < 8
    assert "bwrap" in first
    assert "client-key" not in first


def test_has_no_powers(cluster: NodeCluster, ns: str) -> None:
    out = attempt(
        cluster,
        ns,
        """
        grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
        mount -t tmpfs none /tmp && echo MOUNTED
        unshare -U true && echo USERNS
        unshare -n true && echo NETNS
        python -c 'import ctypes; print("ptrace", ctypes.CDLL(None).ptrace(0, 0, 0, 0))'
        echo x > /usr/x && echo WROTE
        kill -9 1 && echo KILLED; true
    """,
    )
    assert "CapEff:\t0000000000000000" in out
    assert "CapBnd:\t0000000000000000" in out
    assert "NoNewPrivs:\t1" in out
    assert "Seccomp:\t2" in out
    assert "ptrace -1" in out
    for word in ("MOUNTED", "USERNS", "NETNS", "WROTE"):
        assert word not in out


@pytest.mark.skipif(os.geteuid() != 0, reason="users of their own need a node that runs as root")
def test_another_pod_is_another_user(cluster: NodeCluster, ns: str) -> None:
    """Even with both volumes in reach, modes keep two pods apart; and the environment is not in `ps`."""
    spec = once(shell("umask 077; echo secret > /w/f; echo up; exec sleep 60", volumeMounts=[{"name": "w", "mountPath": "/w"}],
                      env=[{"name": "SECRET", "value": f"hunter2-{ns}"}]),
                volumes=[{"name": "w", "emptyDir": {}}], terminationGracePeriodSeconds=1)  # fmt: skip
    victim = cluster.run_pod("victim", ns, spec)
    until(lambda: cluster.http.get(POD.path(ns, "victim", "log")).text == "up\n", "the victim has started")
    volume = cluster.directory / "node" / "pods" / victim["metadata"]["uid"] / "volumes" / "emptyDir" / "w"
    owner = (volume / "f").stat().st_uid
    out = attempt(cluster, ns, f"ls {volume}; cat /proc/[0-9]*/environ | tr '\\0' '\\n'; touch /tmp/mine")
    assert "hunter2" not in out
    assert "f" not in out.split()
    assert owner > 1000
    lines = _command_lines()
    assert not any(f"hunter2-{ns}".encode() in line for line in lines)
    cluster.delete(POD, "victim", ns)


def _command_lines() -> list[bytes]:
    """Of all processes of the machine that do not end while we look."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes())
    return lines


def test_memory_limit(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod(
        "p",
        ns,
        once(shell("exec python -c 'bytearray(300 << 20)'", resources={"limits": {"memory": "64Mi"}})),
    )
    ended = state(cluster.ended("p", ns))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


def test_fork_bomb_is_contained(cluster: NodeCluster, ns: str) -> None:
    out = attempt(cluster, ns, "python - <<'E'\nimport os, time\nn = 0\ntry:\n    while True:\n        if os.fork() == 0:\n"
                  "            time.sleep(60)\n            os._exit(0)\n        n += 1\nexcept BlockingIOError:\n    print('stopped at', n)\nE")  # fmt: skip
    assert 900 < int(out.split()[-1]) < 1024


def test_read_only_root(cluster: NodeCluster, ns: str) -> None:
    script = "touch /x && echo ROOT; touch /etc/x && echo ETC; touch /tmp/x && echo tmp"
    out = attempt(cluster, ns, script, securityContext={"readOnlyRootFilesystem": True})
    assert "ROOT" not in out
    assert "tmp" in out


def test_sub_path_cannot_leave_its_volume(cluster: NodeCluster, ns: str) -> None:
    """A container plants a link where the next one's subPath is: it must not lead to the host."""
    plant = {**shell("ln -s /etc /w/sub", volumeMounts=[{"name": "w", "mountPath": "/w"}]), "name": "plant"}
    main = shell("ls /m", volumeMounts=[{"name": "w", "mountPath": "/m", "subPath": "sub"}])
    cluster.run_pod("p", ns, once(main, initContainers=[plant], volumes=[{"name": "w", "emptyDir": {}}]))
    pod = cluster.wait(POD, "p", lambda p: "symbolic link" in str(state(p)), ns)
    assert state(pod)["waiting"]["reason"] == "CreateContainerConfigError"
    cluster.delete(POD, "p", ns)


def test_sub_path(cluster: NodeCluster, ns: str) -> None:
    main = shell("echo x > /m/f; cat /w/a/b/f", volumeMounts=[{"name": "w", "mountPath": "/m", "subPath": "a/b"},
                                                             {"name": "w", "mountPath": "/w"}])  # fmt: skip
    cluster.run_pod("p", ns, once(main, volumes=[{"name": "w", "emptyDir": {}}]))
    cluster.ended("p", ns)
    assert cluster.logs("p", ns) == "x\n"


def test_run_as_user(cluster: NodeCluster, ns: str) -> None:
    out = attempt(cluster, ns, "id -u; id -g; touch /tmp/f && ls -n /tmp/f | cut -d' ' -f3",
                  securityContext={"runAsUser": 0, "runAsGroup": 7})  # fmt: skip
    assert out == "0\n7\n0\n"
