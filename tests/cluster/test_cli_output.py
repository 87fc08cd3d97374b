"""`-o json` of every command that has it, against a real API server: JSON and nothing else on standard output."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import sympozium.api
from cluster.external import kube_api
from sympozium.catalog import install
from sympozium.cli.main import app, run_app
from sympozium.kube.resources import CUSTOM_RESOURCE_DEFINITIONS
from sympozium.testing.client import Object
from sympozium.testing.kube import USERS, KubeAPI
from sympozium.testing.resources import AGENT_RUN

API = "sympozium.ai/v1alpha1"
SYSTEM = "sympozium-system"
TIME = "2026-11-27T12:00:00Z"
POLICY = {"apiVersion": API, "kind": "SympoziumPolicy", "metadata": {"name": "p"}, "spec": {}}
TESTS = {"policies": ["p.yaml"], "tests": [{"name": "t", "call": {"tool": "read_file"}, "expect": "allow"}]}
Run = Callable[..., Any]

COMMANDS: dict[str, tuple[list[str], int]] = {
    "status": (["status"], 1),
    "get": (["get", "agentruns"], 0),
    "run": (["run", "i", "do it"], 0),
    "stop": (["stop", "made", "--timeout", "0"], 1),
    "resume": (["resume", "made", "--timeout", "0"], 0),
    "approvals list": (["approvals", "list"], 0),
    "approvals show": (["approvals", "show", "a"], 0),
    "approvals approve": (["approvals", "approve", "a"], 0),
    "approvals deny": (["approvals", "deny", "b"], 0),
    "pack list": (["pack", "list"], 0),
    "pack enable": (["pack", "enable", "team"], 0),
    "pack disable": (["pack", "disable", "team"], 0),
    "policy check": (["policy", "check", "{tmp}/p.yaml"], 0),
    "policy test": (["policy", "test", "{tmp}"], 0),
}
"""Arguments and exit code of each; `{tmp}` is a directory with a policy and its tests."""
ELSEWHERE = {
    "doctor": "tests/e2e/test_doctor.py", "logs": "tests/cluster/test_cli.py",
    "policy explain": "tests/e2e/test_policy_commands.py", "policy backtest": "tests/e2e/test_policy_commands.py",
    "audit list": "tests/cluster/test_cli_audit.py",
}  # fmt: skip
"""Those that need a node or a bus."""


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeAPI]:
    with kube_api(tmp_path_factory.mktemp("kube"), USERS) as api:
        for file in sorted((Path(sympozium.api.__file__).parent / "crds").glob("*.yaml")):
            document = yaml.safe_load(file.read_text())
            path = CUSTOM_RESOURCE_DEFINITIONS.path(name=document["metadata"]["name"])
            api.request(
                "PATCH",
                path,
                document,
                content_type="application/apply-patch+yaml",
                fieldManager="test",
                force="true",
            )
            api.wait(CUSTOM_RESOURCE_DEFINITIONS, document["metadata"]["name"], _established)
        for document in install.identities():
            api.apply(document)
        _objects(api)
        yield api


def _established(crd: Object) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _objects(api: KubeAPI) -> None:
    api.create(
        {
            "apiVersion": API,
            "kind": "AgentRun",
            "metadata": {"name": "made"},
            "spec": {"instanceRef": "i", "task": "t"},
        }
    )
    for name in ("a", "b"):
        spec = {
            "runRef": "made",
            "tool": "x",
            "args": {},
            "argsDigest": f"sha256:{'0' * 64}",
            "requestedAt": TIME,
            "expiresAt": TIME,
        }
        api.create({"apiVersion": API, "kind": "ApprovalRequest", "metadata": {"name": name}, "spec": spec})
    personas = [{"name": "one", "systemPrompt": "Be one."}]
    metadata = {"name": "team", "namespace": SYSTEM, "labels": {"sympozium.ai/builtin": "true"}}
    api.create(
        {"apiVersion": API, "kind": "PersonaPack", "metadata": metadata, "spec": {"personas": personas}}
    )


@pytest.fixture
def run(
    kube: KubeAPI, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    monkeypatch.setenv("SYMPOZIUM_HOME", str(tmp_path / "none"))
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(POLICY))
    (tmp_path / "p.test.yaml").write_text(yaml.safe_dump(TESTS))

    def command(arguments: list[str], code: int, *more: str) -> str:
        capsys.readouterr()
        found = run_app([*(part.format(tmp=tmp_path) for part in arguments), *more])
        said = capsys.readouterr()
        assert found == code, said.out + said.err
        return said.out

    return command


def _with_output() -> set[str]:
    found = set()

    def walk(command: Any, path: tuple[str, ...]) -> None:
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*path, name))
        if any(p.name == "output" and (p.help or "").startswith("json") for p in command.params):
            found.add(" ".join(path))

    walk(typer.main.get_command(app), ())
    return found


def test_every_command_with_an_output_is_tried() -> None:
    assert _with_output() == COMMANDS.keys() | ELSEWHERE.keys()


def test_each_prints_json_and_nothing_else(run: Run) -> None:
    """In the order of COMMANDS: what one makes, the next may take away."""
    answers = {
        name: json.loads(run(arguments, code, "-o", "json")) for name, (arguments, code) in COMMANDS.items()
    }
    assert answers["run"]["kind"] == "AgentRun"
    assert answers["status"]["counts"]["agentruns"]["total"] == 1
    assert answers["status"]["stopped"] is False
    stopped = answers["stop"]["items"]
    assert stopped == [
        {"namespace": "default", "name": "made", "state": "unknown", "inFlight": None, "problem": None}
    ]
    assert answers["resume"]["items"][0]["state"] == "running"
    assert [item["metadata"]["name"] for item in answers["approvals list"]["items"]] == ["a", "b"]
    assert answers["approvals approve"]["status"]["decision"] == "Approved"
    assert answers["pack enable"]["spec"]["enabled"] is True
    assert answers["pack disable"]["spec"]["enabled"] is False
    assert answers["policy test"]["tests"][0]["problem"] == ""


def test_yaml_and_names(run: Run) -> None:
    assert yaml.safe_load(run(["status"], 1, "-o", "yaml"))["counts"]
    assert "approvalrequest.sympozium.ai/b" in run(["approvals", "list", "--all"], 0, "-o", "name")
    assert "DIGEST" in run(["approvals", "list", "--all"], 0, "-o", "wide")
    assert run(["run", "i", "t"], 0, "-o", "name").startswith("agentrun.sympozium.ai/i-")


@pytest.mark.parametrize(
    "arguments",
    [["status", "-o", "name"], ["approvals", "list", "-o", "xml"], ["policy", "check", ".", "-o", "wide"]],
)
def test_a_format_that_there_is_not(run: Run, arguments: list[str]) -> None:
    assert run(arguments, 2) == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "i", "t", "--model", ""],
        ["run", "i", " "],
        ["run", "", "t"],
        ["run", "i", "t", "--watch", "-o", "json"],
    ],
)
def test_a_run_of_nothing_is_refused(kube: KubeAPI, run: Run, arguments: list[str]) -> None:
    before = len(kube.items(AGENT_RUN))
    assert run(arguments, 2) == ""
    assert len(kube.items(AGENT_RUN)) == before


def test_a_selector_that_finds_nothing_is_told(
    run: Run, capsys: pytest.CaptureFixture[str], kube: KubeAPI
) -> None:
    assert run_app(["stop", "-l", "team=nobody"]) == 0
    said = capsys.readouterr().err
    assert "team=nobody" in said
    assert "-A looks in all" in said
