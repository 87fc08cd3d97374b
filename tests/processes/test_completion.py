"""Completion: what may stand in the place of the last word, and the scripts that ask."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from sympozium.cli import completing
from sympozium.cli.completion import SOURCES, complete
from sympozium.cli.main import app, run_app

ROOT = typer.main.get_command(app)


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SYMPOZIUM_HOME", str(tmp_path / "machine"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def values(*words: str) -> list[str]:
    return [value for value, _ in complete(ROOT, list(words))]


def test_commands_and_options_with_their_help() -> None:
    assert dict(complete(ROOT, ["appr"])) == {"approvals": "What waits for a person, and the person's..."}
    assert values("approvals", "") == ["list", "show", "approve", "deny"]
    assert "--watch" in values("run", "--w")
    assert "__complete" not in values("")


def test_words_that_are_known_without_a_cluster() -> None:
    assert values("completion", "") == ["bash", "fish", "zsh"]
    assert values("approvals", "approve", "x", "--scope", "o") == ["once"]


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense", ""],
        ["logs", ""],
        ["get", "pods", ""],
        ["-n", ""],
        ["run", "--namespace", ""],
        ["get", "--nope", ""],
        [],
    ],
)
def test_without_a_cluster_nothing_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["__complete", "--", *words]) == 0
    assert capsys.readouterr().err == ""


def test_nothing_is_loaded_that_is_slow() -> None:
    heavy = ("pydantic", "httpx2", "yaml", "asyncio", "rich", "sympozium.kube.client")
    code = (
        "import sys; from sympozium.cli.main import run_app; run_app(['__complete', '--', 'logs', '']);"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_source_is_a_parameter_of_a_command() -> None:
    found = set()

    def walk(command: object, path: tuple[str, ...]) -> None:
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*path, name))
        for parameter in getattr(command, "params", []):
            found.add((" ".join(path), parameter.name))
            found.add((path[-1] if path else "", parameter.name))

    walk(ROOT, ())
    assert SOURCES.keys() <= found


def test_names_that_a_shell_could_misread_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ["fine-1", "$(touch x)", "a b", "`x`", "fine.2"]
    monkeypatch.setattr(completing, "names", lambda _source, _params: found)
    assert values("logs", "") == ["fine-1", "fine.2"]
    assert values("logs", "fine.") == ["fine.2"]


def test_bash_takes_what_is_answered(tmp_path: Path) -> None:
    program = tmp_path / "sympozium"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sympozium "$@"\n')
    program.chmod(0o755)
    script = (
        f'PATH={tmp_path}:$PATH; eval "$(sympozium completion bash)"; COMP_WORDS=(sympozium approvals sh); COMP_CWORD=2;'
        ' _sympozium; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "show\n"


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["completion", "csh"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err
