"""`sympozium top` at a real terminal: a run is followed, decided about and stopped with keys."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.support import agent, finished, policy, run, say
from e2e.terminal import Terminal
from sympozium.testing import APPROVAL_REQUEST, Cluster, ScriptedModel, phase
from sympozium.testing.resources import AGENT_RUN

SCRIPT = say(
    {"id": "a", "call": [{"tool": "execute_command", "arguments": {"command": "echo approved-and-done"}}]},
    {"id": "b", "say": "All is done."},
)
ASKS = {"toolGating": {"defaultAction": "ask", "rules": []}}
REDRAW = "\x0c"


@pytest.fixture
def asking(sympozium_cluster: Cluster, namespace: str) -> Iterator[tuple[Cluster, str]]:
    with ScriptedModel(SCRIPT) as model:
        policy(sympozium_cluster, namespace, **ASKS)
        agent(sympozium_cluster, namespace, model.base_url)
        yield sympozium_cluster, namespace


class Top(Terminal):
    def __init__(self, cluster: Cluster, *arguments: str, rows: int = 30, columns: int = 140) -> None:
        environ = {**cluster.environ, "KUBECONFIG": str(cluster.data.kubeconfig), "LC_ALL": "C.UTF-8"}
        environ.pop("NO_COLOR", None)
        super().__init__(
            [sys.executable, "-m", "sympozium", "top", *arguments], environ, rows=rows, columns=columns
        )

    def shows(self, words: str, *, bound: int = 60) -> str:
        """Until one whole drawing of the screen has the words: the terminal itself gets differences alone."""
        for _ in range(bound * 2):
            self.seen = len(self.text)
            self.send(REDRAW)
            found = self.quiet(0.5)
            if words in found:
                return found
        raise AssertionError(f"{words!r} is not on the screen:\n{found}")


def test_a_call_is_approved_and_its_run_followed(asking: tuple[Cluster, str]) -> None:
    cluster, namespace = asking
    with Top(cluster, "-n", namespace) as top:
        top.shows("no runs yet")
        run(cluster, namespace, name="wants")
        top.shows("asks: execute_command in shell")
        top.shows("1 waiting for a person")
        top.send("a")
        page = top.shows("APPROVE this call, once")
        assert "command: echo approved-and-done" in page
        assert "sha256:" in page
        top.send("y")
        top.shows("Succeeded")
        asked = cluster.items(APPROVAL_REQUEST, namespace)[0]
        assert asked["status"]["decision"] == "Approved"
        top.send("\r")
        transcript = top.shows("■ Succeeded")
        assert "approved-and-done" in transcript
        assert "All is done." in transcript
        top.resize(20, 60)
        top.shows("esc back")
        top.send("q")
        top.shows("q quit")
        top.resize(4, 20)
        top.shows("too small")
        top.resize(30, 140)
        top.send("q")
        assert top.wait() == 0
        assert top.raw.rstrip().endswith(b"\x1b[?1l\x1b>") or b"\x1b[?1049l" in top.raw[-200:]


def test_a_call_is_denied_and_a_run_stopped_and_let_go_on(asking: tuple[Cluster, str]) -> None:
    cluster, namespace = asking
    run(cluster, namespace, name="wants")
    with Top(cluster, "-n", namespace) as top:
        top.shows("asks: execute_command in shell")
        top.send("s")
        top.shows("no step begins in it? y/n")
        top.send("n")
        top.shows("nothing was changed")
        top.send("s")
        top.shows("y/n")
        top.send("y")
        top.shows("AwaitingApproval*")
        assert cluster.get(AGENT_RUN, "wants", namespace)["spec"]["suspend"] is True
        top.shows("it stands still")
        top.send("s")
        top.shows("go on? y/n")
        top.send("y")
        cluster.wait(AGENT_RUN, "wants", lambda r: not r["spec"].get("suspend"), namespace)
        top.send("d")
        top.shows("DENY this call")
        top.send("y")
        assert phase(finished(cluster, namespace, "wants")) == "Succeeded"
        assert cluster.items(APPROVAL_REQUEST, namespace)[0]["status"]["decision"] == "Denied"
        top.send("\x03")
        assert top.wait() == 0


def test_what_is_no_terminal_gets_one_table(asking: tuple[Cluster, str]) -> None:
    cluster, namespace = asking
    run(cluster, namespace, name="wants")
    cluster.wait(AGENT_RUN, "wants", lambda r: phase(r) == "AwaitingApproval", namespace)
    said = cluster.sympozium("top", "-n", namespace).stdout
    assert "1 waiting for a person" in said
    assert "\x1b" not in said
    assert [line.split()[0] for line in said.splitlines()[1:]] == ["RUN", "wants"]
    everywhere = cluster.sympozium("top", "-A").stdout
    assert f"\n{namespace} " in everywhere


def test_a_terminal_that_cannot_be_drawn_on(
    sympozium_cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    environ = {**sympozium_cluster.environ, "KUBECONFIG": str(sympozium_cluster.data.kubeconfig)}
    argv = ["env", "TERM=nonsense", sys.executable, "-m", "sympozium", "top", "-n", namespace]
    with Terminal(argv, environ) as terminal:
        terminal.expect("one table instead")
        terminal.expect("today (UTC): 0 runs")
        assert terminal.wait() == 0
