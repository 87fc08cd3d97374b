"""`sympozium stop` and `resume`, with real controllers: what is said is what is so."""

import pytest

from cluster.control_support import Control, control, ns
from cluster.test_live_policy import found, frozen, under_way
from cluster.tool_server import LISTS, ToolServer
from sympozium.cli.main import run_app
from sympozium.testing.client import phase
from sympozium.testing.resources import AGENT_RUN, JOB

__all__ = ["control", "ns"]


@pytest.fixture(autouse=True)
def _access(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(control.kubeconfig))


def test_runs_of_a_label_are_frozen_and_resumed(
    control: Control, ns: str, capsys: pytest.CaptureFixture[str]
) -> None:
    control.instance(ns)
    for name in ("a", "b", "other"):
        under_way(control, ns, name)
    for name in ("a", "b"):
        control.patch(AGENT_RUN, name, {"metadata": {"labels": {"team": "x"}}}, ns)
    with ToolServer(control, "a", ns, in_flight=[LISTS]), ToolServer(control, "b", ns):
        assert run_app(["stop", "-l", "team=x", "-n", ns]) == 0
        said = capsys.readouterr().out
        assert "frozen: 2 of 2 runs in " in said
        assert "1 with a call in flight" in said
        assert f"{ns}/a: execute_command in shell for 2.1 s" in said
        assert not frozen(control.get(AGENT_RUN, "other", ns))
        assert run_app(["resume", "-l", "team=x", "-n", ns]) == 0
        assert "resumed: 2 of 2 runs" in capsys.readouterr().out
        assert found(control.get(AGENT_RUN, "a", ns), "Frozen")["status"] == "False"


def test_a_run_that_does_not_answer_is_named(
    control: Control, ns: str, capsys: pytest.CaptureFixture[str]
) -> None:
    control.instance(ns)
    for name in ("answers", "silent"):
        under_way(control, ns, name)
    with ToolServer(control, "answers", ns):
        assert run_app(["stop", "answers", "silent", "-n", ns, "--timeout", "5"]) == 1
    said = capsys.readouterr().out
    assert "frozen: 1 of 2 runs" in said
    assert f"not known whether it stands still after 5 s: {ns}/silent: spec.suspend is true" in said


def test_without_controllers_nothing_is_claimed_and_kill_ends_the_pods(
    control: Control, ns: str, capsys: pytest.CaptureFixture[str]
) -> None:
    control.instance(ns)
    under_way(control, ns)
    with ToolServer(control, "r", ns):
        control.stop_controllers()
        try:
            assert run_app(["stop", "r", "-n", ns, "--timeout", "1"]) == 1
            assert f"{ns}/r: Running" in capsys.readouterr().out
            assert run_app(["stop", "r", "-n", ns, "--kill", "--timeout", "1"]) == 1
            assert control.get(JOB, "r", ns)["spec"]["suspend"] is True
        finally:
            control.start_controllers()
    control.reap(ns, "r")
    assert control.wait_run("r", ns, "Cancelled")["status"]["reason"] == "Cancelled"


def test_all_stops_the_installation_and_leaves_what_was_stopped_by_name(
    control: Control, ns: str, capsys: pytest.CaptureFixture[str]
) -> None:
    control.instance(ns)
    under_way(control, ns)
    with ToolServer(control, "r", ns):
        control.run(ns, "mine", suspend=True)
        control.wait_run("mine", ns, "Queued")
        # Runs of other tests may be there, whose tool servers are not.
        run_app(["stop", "--all", "--timeout", "10"])
        assert "the installation is stopped" in capsys.readouterr().out
        assert frozen(control.get(AGENT_RUN, "r", ns))
        control.run(ns, "later")
        control.wait_run("later", ns, "Queued")
        run_app(["resume", "--all", "--timeout", "10"])
        assert f"{ns}/mine stays suspended" in capsys.readouterr().out
        control.wait_run("later", ns, lambda run: bool((run.get("status") or {}).get("jobName")))
        assert not frozen(control.get(AGENT_RUN, "r", ns))
        assert phase(control.get(AGENT_RUN, "mine", ns)) == "Queued"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["stop"], "one of the three"), (["stop", "--all", "r"], "one of the three"), (["stop", "r", "-A"], "-A goes with"),
     (["stop", "nobody", "-n", "default"], "no agentrun nobody in namespace default; nothing was changed")],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(
    control: Control, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(arguments) != 0
    assert words in capsys.readouterr().err
