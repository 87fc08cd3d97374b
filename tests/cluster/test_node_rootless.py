"""The node as an ordinary user without any delegated control group: less strong, still a sandbox, still honest."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import sympozium
from cluster.node_support import FETCH, IMAGE, NodeCluster, ns, once, policy, shell, state, web
from sympozium.testing.resources import NODE, POD

__all__ = ["ns", "web"]

NOBODY = 65534
PYTHON = "/usr/bin/python3"  # the one of a virtual environment may lie where nobody else can go


def _same_python() -> bool:
    if os.geteuid() != 0 or not Path(PYTHON).exists():
        return False
    done = subprocess.run([PYTHON, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.startswith(f"Python {sys.version_info[0]}.{sys.version_info[1]}.")


pytestmark = pytest.mark.skipif(
    not _same_python(), reason=f"needs root to become nobody, and {PYTHON} of this version"
)


class RootlessCluster(NodeCluster):
    """The API as before, the node as the user nobody."""

    def _spawn_node(self, module: list[str]) -> None:
        self.images.write_text(json.dumps({"images": [{"name": IMAGE}]}))
        shutil.copy(self.authority.certificate_path, self.directory / "ca.crt")
        for path in self.directory.iterdir():
            if path.name != "api":
                os.chown(path, NOBODY, NOBODY)
        module = [
            str(self.directory / "ca.crt") if a == str(self.authority.certificate_path) else a for a in module
        ]
        packages = [
            str(Path(sympozium.__file__).parent.parent),
            *(p for p in sys.path if p.endswith("site-packages")),
        ]
        environment = {"KUBECONFIG": str(self.node_config), "PYTHONPATH": ":".join(packages), "PATH": os.defpath,
                       "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        with (self.directory / "node.log").open("ab") as log:
            self.processes["node"] = subprocess.Popen(
                [PYTHON, "-m", *module],
                stderr=log,
                env=environment,
                cwd="/",
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
            )


@pytest.fixture(scope="module")
def cluster() -> Iterator[NodeCluster]:
    with tempfile.TemporaryDirectory(prefix="node-") as name:
        directory = Path(name)
        directory.chmod(0o777)
        with RootlessCluster(directory) as made:
            yield made


def test_says_what_it_cannot(cluster: NodeCluster) -> None:
    node = cluster.get(NODE, "n1")
    assert node["metadata"]["labels"]["node.sympozium.ai/sandbox"] == "medium"
    facts = node["metadata"]["annotations"]["node.sympozium.ai/sandbox-facts"]
    assert "not started by root" in facts
    assert "approximate" in facts


def test_a_pod_lives_and_is_probed(cluster: NodeCluster, ns: str) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1}
    script = "id -u; grep CapEff /proc/self/status; touch /tmp/up; trap 'exit 0' TERM; while :; do sleep 0.05; done"
    cluster.run_pod("p", ns, once(shell(script, readinessProbe=probe)))
    cluster.wait(
        POD, "p", lambda p: any(s.get("ready") for s in p["status"].get("containerStatuses", ())), ns
    )
    assert cluster.logs("p", ns) == "1000\nCapEff:\t0000000000000000\n"
    cluster.delete(POD, "p", ns)
    cluster.wait_gone(POD, "p", ns)


def test_memory_limit_is_held(cluster: NodeCluster, ns: str) -> None:
    grow = "python3 -c 'import time; x = bytearray(300 << 20); time.sleep(60)'"
    cluster.run_pod("p", ns, once(shell(grow, resources={"limits": {"memory": "64Mi"}})))
    ended = state(cluster.ended("p", ns))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


def test_fork_bomb_is_contained(cluster: NodeCluster, ns: str) -> None:
    bomb = ("import os, time\nn = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            time.sleep(60)\n"
            "        n += 1\nexcept BlockingIOError:\n    print(n)\n")  # fmt: skip
    cluster.run_pod("p", ns, once({**shell(""), "command": ["python3", "-c", bomb]}))
    cluster.ended("p", ns)
    assert 900 < int(cluster.logs("p", ns)) <= 1024


def test_egress_policy(cluster: NodeCluster, ns: str, web: int) -> None:
    """As under root, by other means: what is allowed is reached, nothing else; probes go into the pod's network."""
    denied = web + 1 if web < 65535 else web - 1
    rule = {"to": [{"ipBlock": {"cidr": "127.0.0.1/32"}}], "ports": [{"port": web}]}
    cluster.create(policy(ns, [rule]))
    fetch = FETCH.replace("python ", "python3 ")
    probe = {"exec": {"command": ["grep", "-q", "lo:", "/proc/net/dev"]}, "periodSeconds": 1}
    tcp = {"tcpSocket": {"port": 8000}, "periodSeconds": 1, "failureThreshold": 30}
    side = {**shell("exec python3 -m http.server --bind 127.0.0.1 8000"), "name": "side", "restartPolicy": "Always",
            "startupProbe": tcp}  # fmt: skip
    script = f"{fetch} http://127.0.0.1:{web}/; {fetch} http://127.0.0.1:{denied}/ 2>&1 | tail -1; wc -l < /proc/net/dev"
    spec = once(shell(script, startupProbe=probe), initContainers=[side], terminationGracePeriodSeconds=1)
    cluster.run_pod("p", ns, spec, labels={"net": "own"})
    cluster.ended("p", ns)
    out = cluster.logs("p", ns, container="main").splitlines()
    assert out[0] == "hello"
    assert "refused" in out[1]
    assert out[2] == "3"  # two lines of heading, and lo
