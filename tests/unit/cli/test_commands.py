"""The command line without a cluster: help, usage, exit codes, and where the kubeconfig comes from."""

import subprocess
import sys
from pathlib import Path

import pytest

from sympozium.cli import session
from sympozium.cli.main import run_app
from sympozium.cli.reference import markdown

HEAVY = (
    "pydantic",
    "httpx2",
    "nats",
    "openai",
    "mcp",
    "rich",
    "yaml",
    "asyncio",
    "sympozium.kube",
    "sympozium.bus",
)


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SYMPOZIUM_HOME", str(tmp_path / "machine"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def test_help_loads_nothing_that_is_slow() -> None:
    code = (
        "import sys; from sympozium.cli.main import run_app; run_app(['--help']);"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "approvals" in done.stdout
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["get"], "Missing argument 'TYPE[/NAME]'"),
        (["get", "pods", "-o"], "requires an argument"),
        (["apply", "--nope"], "No such option: --nope (see: sympozium apply --help)"),
        (["apply"], "name a manifest"),
        (["logs", "r", "-o", "yaml"], "choose json"),
        (
            ["serve", "controller", "--bus-replicas", "2"],
            "an even number survives no more than the odd one below",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert words in said.err


def test_a_group_without_a_command_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["approvals"]) == 2
    assert "approve" in capsys.readouterr().out
    assert run_app(["approvals", "--help"]) == 0


@pytest.mark.parametrize(
    "arguments", [["get", "pods"], ["status"], ["logs", "r"], ["run", "i", "t"], ["pack", "list"]]
)
def test_without_a_cluster_the_cure_is_named(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "sympozium up" in said


def test_this_machines_kubeconfig_is_used_where_there_is_no_other_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "machine" / "kubeconfig"
    assert session._own_kubeconfig() is None
    own.parent.mkdir()
    own.touch()
    assert session._own_kubeconfig() == own
    assert str(own) in capsys.readouterr().err
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    assert session._own_kubeconfig() is None
    (tmp_path / ".kube" / "config").unlink()
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    assert session._own_kubeconfig() is None
    assert capsys.readouterr().err == ""


def test_crds_prints_every_custom_resource(capsys: pytest.CaptureFixture[str]) -> None:
    from sympozium import yamlio

    assert run_app(["crds"]) == 0
    kinds = {d["spec"]["names"]["kind"] for d in yamlio.load_all(capsys.readouterr().out, "crds")}
    assert {"AgentRun", "SympoziumInstance", "ApprovalRequest"} <= kinds


def test_the_reference_has_every_command_with_its_options() -> None:
    text = markdown()
    for heading in ("run", "logs", "approvals approve", "pack enable", "serve webhook", "up", "down"):
        assert f"## sympozium {heading}\n" in text
    assert "| `--watch` | Follow it; the exit code tells the result. |" in text
    assert "| `INSTANCE` | SympoziumInstance that does it. |" in text
    assert "Default: `7443`" in text
    assert text == markdown()
