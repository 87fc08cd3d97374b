"""`sympozium top` at a real terminal: a run is followed, decided about and stopped with keys."""

import sys
from pathlib import Path

from e2e.support import agent, finished, policy, run, say
from e2e.terminal import Terminal
from sympozium.testing import APPROVAL_REQUEST, Cluster, ScriptedModel, phase
from sympozium.testing.client import Object
from sympozium.testing.resources import AGENT_RUN

SCRIPT = say(
    {"id": "a", "call": [{"tool": "execute_command", "arguments": {"command": "echo approved-and-done"}}]},
    {"id": "b", "call": [{"tool": "list_directory", "arguments": {"path": "never"}}]},
    {"id": "c", "say": "All is done."},
)
ASKS = {"toolGating": {"defaultAction": "ask", "rules": []}}
REDRAW = "\x0c"


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


def test_one_run_is_followed_decided_about_and_stopped(sympozium_cluster: Cluster, namespace: str) -> None:
    cluster = sympozium_cluster
    with ScriptedModel(SCRIPT) as model, Top(cluster, "-n", namespace) as top:
        policy(cluster, namespace, **ASKS)
        agent(cluster, namespace, model.base_url)
        top.shows("no runs yet")
        run(cluster, namespace, name="wants")
        top.shows("asks: execute_command in shell", bound=90)
        top.shows("1 waiting for a person")
        what_is_no_terminal_gets_one_table(cluster, namespace)
        a_run_is_stopped_and_let_go_on(cluster, namespace, top)
        a_call_is_approved(cluster, namespace, top)
        a_call_is_denied(cluster, namespace, top)
        its_transcript_is_read(top)
        any_size_of_terminal_will_do(top)
        top.send("q")
        assert top.wait() == 0
        assert top.raw.rstrip().endswith(b"\x1b[?1l\x1b>") or b"\x1b[?1049l" in top.raw[-200:]


def what_is_no_terminal_gets_one_table(cluster: Cluster, namespace: str) -> None:
    said = cluster.sympozium("top", "-n", namespace).stdout
    assert "1 waiting for a person" in said
    assert "\x1b" not in said
    assert [line.split()[0] for line in said.splitlines()[1:]] == ["RUN", "wants"]
    everywhere = cluster.sympozium("top", "-A").stdout
    assert f"\n{namespace} " in everywhere


def a_run_is_stopped_and_let_go_on(cluster: Cluster, namespace: str, top: Top) -> None:
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


def a_call_is_approved(cluster: Cluster, namespace: str, top: Top) -> None:
    top.send("a")
    page = top.shows("APPROVE this call, once")
    assert "command: echo approved-and-done" in page
    assert "sha256:" in page
    top.send("y")
    cluster.wait_any(
        APPROVAL_REQUEST, lambda a: _decision(a) == "Approved", namespace, what="an approved call"
    )


def a_call_is_denied(cluster: Cluster, namespace: str, top: Top) -> None:
    top.shows("asks: list_directory")
    top.send("d")
    page = top.shows("DENY this call")
    assert "path: never" in page
    top.send("y")
    cluster.wait_any(APPROVAL_REQUEST, lambda a: _decision(a) == "Denied", namespace, what="a denied call")
    assert phase(finished(cluster, namespace, "wants")) == "Succeeded"


def its_transcript_is_read(top: Top) -> None:
    top.shows("Succeeded")
    top.send("\r")
    transcript = top.shows("■ Succeeded")
    assert "approved-and-done" in transcript
    assert "All is done." in transcript


def any_size_of_terminal_will_do(top: Top) -> None:
    """From a run's page to the list."""
    top.resize(20, 60)
    top.shows("esc back")
    top.send("q")
    top.shows("q quit")
    top.resize(4, 20)
    top.shows("too small")
    top.resize(30, 140)


def _decision(asked: Object) -> str:
    return str((asked.get("status") or {}).get("decision") or "")


def test_ctrl_c_ends_it(sympozium_cluster: Cluster, namespace: str) -> None:
    with Top(sympozium_cluster, "-n", namespace) as top:
        top.shows("no runs yet")
        top.send("\x03")
        assert top.wait() == 0


def test_a_terminal_that_cannot_be_drawn_on(
    sympozium_cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    environ = {**sympozium_cluster.environ, "KUBECONFIG": str(sympozium_cluster.data.kubeconfig)}
    argv = ["env", "TERM=nonsense", sys.executable, "-m", "sympozium", "top", "-n", namespace]
    with Terminal(argv, environ) as terminal:
        terminal.expect("one table instead")
        terminal.expect("today (UTC): 0 runs")
        assert terminal.wait() == 0
