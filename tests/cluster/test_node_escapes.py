"""Escapes, tried from inside real containers, with canaries outside: `attacker.py` is what runs in them.

Limits that hold a bomb are here too; what bubblewrap's flags look like is test_node_sandbox's.
"""

import contextlib
import json
import os
import shlex
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.node_support import FETCH, NodeCluster, cluster, ns, once, phase, policy, shell, state, web
from sympozium.testing.client import Object
from sympozium.testing.resources import NODE, POD
from sympozium.testing.waiting import until

__all__ = ["cluster", "ns", "web"]

ATTACKER = Path(__file__).with_name("attacker.py").read_text()
ROOT = os.geteuid() == 0
CANARY = "canary-5f2d"


@pytest.fixture
def victim(cluster: NodeCluster, ns: str) -> Iterator[dict[str, Any]]:
    """A pod with a secret in a file, in its environment, in its token and in its log."""
    mounts = [{"name": "w", "mountPath": "/w"}]
    script = f"echo {CANARY} | tee /w/f; exec sleep 60"
    spec = {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "volumes": [{"name": "w", "emptyDir": {}}],
        "containers": [shell(script, volumeMounts=mounts, env=[{"name": "SECRET", "value": CANARY}])],
    }  # fmt: skip
    pod = cluster.run_pod("victim", ns, spec)
    until(
        lambda: cluster.http.get(POD.path(ns, "victim", "log")).text == f"{CANARY}\n",
        "the victim has started",
    )
    yield pod
    cluster.delete(POD, "victim", ns)


@pytest.fixture
def machine() -> Iterator[dict[str, Any]]:
    """Services of the machine that nobody in a pod may reach: TCP, UDP, and an abstract unix socket."""
    name = f"sympozium-test-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind("\0" + name)
        unix.listen()
        thread = threading.Thread(target=_echo, args=(udp,))
        thread.start()
        yield {"ports": [tcp.getsockname()[1]], "udp": udp.getsockname()[1], "abstract": name}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", udp.getsockname())
        thread.join()


def _holds_oom_scores() -> bool:
    """Whether the machine lets root set a score that an ordinary user cannot lower again (CAP_SYS_RESOURCE)."""
    line = next(t for t in Path("/proc/self/status").read_text().splitlines() if t.startswith("CapEff"))
    return bool(int(line.split()[1], 16) >> 24 & 1)


def _parents() -> set[str]:
    """Names of the directories above what an image of these tests binds."""
    return {part for path in (sys.prefix, sys.base_prefix) for part in Path(path).parts}


def _echo(udp: socket.socket) -> None:
    while True:
        data, sender = udp.recvfrom(16)
        if data == b"end":
            return
        udp.sendto(data, sender)


def attack(cluster: NodeCluster, ns: str, asked: dict[str, Any], **metadata: Any) -> dict[str, str]:
    command = ["python", "-c", ATTACKER, json.dumps(asked)]
    cluster.run_pod("attacker", ns, once({**shell(""), "command": command}), **metadata)
    cluster.ended("attacker", ns, timeout=60)
    found: dict[str, str] = json.loads(cluster.logs("attacker", ns))
    return {name: what for name, what in found.items() if what != "-"}


@pytest.mark.skipif(not ROOT, reason="networks of pods' own need a node that runs as root")
@pytest.mark.parametrize("restricted", [False, True], ids=["free", "denied"])
def test_nothing_of_the_machine_is_in_reach(
    cluster: NodeCluster, ns: str, victim: Object, machine: dict[str, Any], restricted: bool
) -> None:
    pods = cluster.directory / "node" / "pods"
    other = pods / victim["metadata"]["uid"]
    node = cluster.get(NODE, "n1")["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    asked = {
        "paths": [
            str(Path.home()), "/home", "/root", "/work", "/var/lib", "/etc/shadow", "/run/sympozium-node", "/oldroot", "/newroot",
            str(cluster.directory), str(cluster.directory / "api" / "state.db"), str(cluster.node_config), str(pods), str(other),
            str(other / "volumes/emptyDir/w/f"), str(other / "logs/main/0.log"), str(other / "state.json"),
        ],
        "addresses": [f"127.0.0.1:{node}", "127.96.200.1:80", "10.244.200.1:80"],
        **machine,
    }  # fmt: skip
    if restricted:
        cluster.create(policy(ns, []))
    gained = attack(cluster, ns, asked, labels={"net": "own"} if restricted else {})
    assert CANARY not in str(gained)
    for name, what in list(gained.items()):
        if (
            name.startswith("read ")
            and what.startswith("[")
            and set(json.loads(what.replace("'", '"'))) <= _parents()
        ):
            del gained[name]  # made by bubblewrap, to hold what the image has below
    if not _holds_oom_scores():
        gained.pop("write /proc/1/oom_score_adj", None)
    assert gained == {}


@pytest.mark.skipif(not ROOT, reason="the service needs a network of the pod's own")
def test_names_are_not_resolved_when_denied(cluster: NodeCluster, ns: str) -> None:
    cluster.create(policy(ns, []))
    script = "python -c 'import socket; socket.getaddrinfo(\"example.com\", 80)' 2>&1 | tail -1"
    cluster.run_pod("p", ns, once(shell(script)), labels={"net": "own"})
    cluster.ended("p", ns, timeout=60)
    assert "gaierror" in cluster.logs("p", ns)


def test_the_nodes_own_writes_follow_no_link(cluster: NodeCluster, ns: str) -> None:
    """A container turns what the node writes or mounts into links to a canary of the machine."""
    canary = cluster.directory / "canary"
    canary.mkdir(mode=0o777)
    (canary / "f").write_text(CANARY)
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": ns},
            "data": {"f": "x"},
        }
    )
    mounts = [{"name": "w", "mountPath": "/w"}, {"name": "c", "mountPath": "/c"}]
    tricks = "; ".join([
        "ln -sfn /oldroot/tmp /w/d", f"ln -sfn /oldroot{canary} /w/e", "rm -f /dev/termination-log",
        f"ln -s {canary}/f /dev/termination-log", "ln -sfn / /c/..data", "rm -rf /c/..data", "mv /c/f /c/g",
    ])  # fmt: skip
    plant = {**shell(f"{tricks}; true", volumeMounts=mounts), "name": "plant"}
    nested = [*mounts, {"name": "c", "mountPath": "/w/e/new", "readOnly": True}]
    main = shell("cat /w/e/new/f /w/e/f; true", volumeMounts=nested, terminationMessagePath="/w/d/told")
    spec = once(
        main,
        initContainers=[plant],
        volumes=[{"name": "w", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}],
    )
    cluster.run_pod("p", ns, spec)
    pod = cluster.wait(
        POD,
        "p",
        lambda p: phase(p) in {"Failed", "Succeeded"} or "message" in state(p).get("waiting", {}),
        ns,
    )
    assert [p.name for p in canary.iterdir()] == ["f"]
    assert (canary / "f").read_text() == CANARY
    assert CANARY not in json.dumps(pod["status"])
    assert not (Path("/tmp") / "told").exists()
    assert phase(pod) != "Succeeded"
    cluster.delete(POD, "p", ns)


def alive(cluster: NodeCluster, ns: str) -> None:
    """The node still runs pods."""
    cluster.run_pod("alive", ns, once(shell("echo alive")))
    assert phase(cluster.ended("alive", ns, timeout=60)) == "Succeeded"


def outcome(cluster: NodeCluster, ns: str, program: str, **container: Any) -> tuple[int, str]:
    """Exit code and reason of a Python program in a container."""
    cluster.run_pod("bomb", ns, once({**shell(""), "command": ["python", "-c", program], **container}))
    ended = state(cluster.ended("bomb", ns, timeout=90))["terminated"]
    return ended["exitCode"], ended["reason"]


@pytest.mark.skipif(not ROOT, reason="control groups are root's here; test_node_rootless has the fallback")
@pytest.mark.parametrize("directory", ["/tmp", "/dev/shm", "/run"])
def test_files_in_memory_count(cluster: NodeCluster, ns: str, directory: str) -> None:
    fill = f"f = open('{directory}/x', 'wb')\nwhile True: f.write(bytes(1 << 20))"
    limits = {"limits": {"memory": "64Mi"}}
    assert outcome(cluster, ns, fill, resources=limits) == (137, "OOMKilled")
    alive(cluster, ns)


@pytest.mark.skipif(not ROOT, reason="control groups are root's here")
def test_all_pods_together_are_bounded(cluster: NodeCluster) -> None:
    allocatable = cluster.get(NODE, "n1")["status"]["allocatable"]["memory"]
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    offered = int(allocatable.removesuffix("Ki")) * 1024
    assert offered < total
    groups = [*Path("/sys/fs/cgroup/memory").glob("**/sympozium-*/memory.limit_in_bytes"),
              *Path("/sys/fs/cgroup").glob("sympozium-*/memory.max")]  # fmt: skip
    assert offered in {int(g.read_text()) for g in groups if g.read_text().strip() != "max"}


def test_who_goes_first_when_memory_is_short(cluster: NodeCluster, ns: str) -> None:
    """Those without requests, and nobody may change his place."""
    script = "cat /proc/self/oom_score_adj; echo 0 > /proc/self/oom_score_adj; cat /proc/self/oom_score_adj"
    cluster.run_pod("p", ns, once(shell(script)))
    cluster.ended("p", ns)
    first, *rest = (line for line in cluster.logs("p", ns).splitlines() if line.lstrip("-").isdigit())
    assert first == "1000"
    assert rest == ["1000"] or not _holds_oom_scores()


def test_killing_all_ends_the_container_alone(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod("p", ns, once(shell("kill -9 -1; sleep 5; echo survived")))
    pod = cluster.ended("p", ns, timeout=60)
    assert phase(pod) in {"Failed", "Succeeded"}
    alive(cluster, ns)


def test_fork_bomb_leaves_others_alone(cluster: NodeCluster, ns: str, victim: Object) -> None:
    bomb = "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.01)"
    cluster.run_pod("bomb", ns, once({**shell(""), "command": ["python", "-c", bomb]}, activeDeadlineSeconds=60,
                                     terminationGracePeriodSeconds=1))  # fmt: skip
    cluster.wait(POD, "bomb", lambda p: "running" in state(p), ns)
    alive(cluster, ns)
    assert "running" in state(cluster.get(POD, "victim", ns))
    cluster.delete(POD, "bomb", ns)
    cluster.wait_gone(POD, "bomb", ns, timeout=60)


def test_zombies_are_reaped(cluster: NodeCluster, ns: str) -> None:
    script = "i=0; while [ $i -lt 50 ]; do (setsid true &) ; i=$((i+1)); done; sleep 0.5; grep -l 'State:.Z' /proc/[0-9]*/status | wc -l"
    cluster.run_pod("p", ns, once(shell(script)))
    cluster.ended("p", ns)
    assert cluster.logs("p", ns).strip() == "0"


def test_a_flood_of_output_is_bounded(cluster: NodeCluster, ns: str) -> None:
    flood = "head -c 60000000 /dev/zero | tr '\\0' x; yes 0123456789012345678901234567890123456789 | head -c 60000000"
    pod = cluster.run_pod("p", ns, once(shell(flood)))
    cluster.ended("p", ns, timeout=120)
    logs = cluster.directory / "node" / "pods" / pod["metadata"]["uid"] / "logs"
    assert sum(f.stat().st_size for f in logs.rglob("*") if f.is_file()) <= 51 << 20
    assert cluster.logs("p", ns, tailLines="1").startswith("0123456789")
    alive(cluster, ns)


def test_a_full_volume_evicts(cluster: NodeCluster, ns: str) -> None:
    main = shell(
        "head -c 3000000 /dev/zero > /w/f; exec sleep 60", volumeMounts=[{"name": "w", "mountPath": "/w"}]
    )
    cluster.run_pod("p", ns, once(main, volumes=[{"name": "w", "emptyDir": {"sizeLimit": "1Mi"}}]))
    pod = cluster.ended("p", ns, timeout=60)
    assert (phase(pod), pod["status"]["reason"]) == ("Failed", "Evicted")
    assert pod["status"]["message"] == 'Usage of EmptyDir volume "w" exceeds the limit "1Mi". '
    assert ("DisruptionTarget", "TerminationByKubelet") in {
        (c["type"], c.get("reason")) for c in pod["status"]["conditions"]
    }
    assert "Evicted" in cluster.told("p", ns, "Evicted")


def test_many_files(cluster: NodeCluster, ns: str) -> None:
    make = "import os\nfor i in range(20000): os.close(os.open(f'/w/{i}', os.O_CREAT))"
    mounts = [{"name": "w", "mountPath": "/w"}]
    container = {**shell(""), "command": ["python", "-c", make], "volumeMounts": mounts}
    cluster.run_pod("p", ns, once(container, volumes=[{"name": "w", "emptyDir": {"sizeLimit": "1Gi"}}]))
    assert phase(cluster.ended("p", ns, timeout=120)) == "Succeeded"
    alive(cluster, ns)


def test_a_token_of_another_pod(cluster: NodeCluster, ns: str, victim: Object) -> None:
    """Not even the same user inside, with the path known: each pod is another user of the machine."""
    uid = victim["metadata"]["uid"]
    base = cluster.directory / "node" / "pods" / uid / "volumes" / "projected"
    words = shlex.quote(f"{base}/*/token")
    cluster.run_pod("p", ns, once(shell(f"cat {words} /proc/*/root/var/run/secrets/kubernetes.io/serviceaccount/token; true",
                                        securityContext={"runAsUser": 1000})))  # fmt: skip
    cluster.ended("p", ns)
    assert "eyJ" not in cluster.logs("p", ns)


@pytest.mark.skipif(not ROOT, reason="networks of pods' own need a node that runs as root")
def test_a_sandbox_that_an_offline_container_has(cluster: NodeCluster, ns: str, web: int) -> None:
    """Its pod may reach a service of the machine, and it may not."""
    allowed = {"node.sympozium.ai/egress": f"localhost:{web}", "node.sympozium.ai/offline": "main"}
    fetch = f"{FETCH} http://127.0.0.1:{web}/ 2>&1 | tail -1"
    other = {**shell(fetch), "name": "other"}
    cluster.run_pod("p", ns, once(shell(fetch), other), annotations=allowed)
    cluster.ended("p", ns)
    assert cluster.logs("p", ns, container="other") == "hello\n"
    assert "hello" not in cluster.logs("p", ns, container="main")
