"""The commands against a real API server and a real bus; the test is the controller."""

import asyncio
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.bus_data import whole
from cluster.bus_server import BusServer
from cluster.localkube_fixture import LocalKube
from sympozium.bus.admin import Admin
from sympozium.bus.publisher import Publisher
from sympozium.bus.subjects import RunRef
from sympozium.cli.main import run_app
from sympozium.testing.resources import NAMESPACE
from sympozium.up.bus import objects

INSTANCE = """
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumInstance
metadata: {name: %s}
spec: {agents: {default: {model: m1}}}
"""


class Cli:
    """`run` gives the exit code; what was said is in `out` and `err`."""

    def __init__(
        self, kube: LocalKube, bus: BusServer, capsys: pytest.CaptureFixture[str], namespace: str
    ) -> None:
        self.kube, self.bus, self.namespace = kube, bus, namespace
        self._capsys = capsys
        self.out = self.err = ""

    def run(self, *arguments: str, namespaced: bool = True) -> int:
        extra = ["-n", self.namespace] if namespaced else []
        self._capsys.readouterr()
        code = run_app([*arguments, *extra])
        self.out, self.err = self._capsys.readouterr()
        return code

    def path(self, plural: str, name: str = "", subresource: str = "") -> str:
        parts = [f"/apis/sympozium.ai/v1alpha1/namespaces/{self.namespace}/{plural}", name, subresource]
        return "/".join(part for part in parts if part)

    def object(self, plural: str, name: str) -> Any:
        return self.kube.request("GET", self.path(plural, name))

    def status(self, plural: str, name: str, **status: Any) -> None:
        self.kube.request(
            "PATCH", self.path(plural, name, "status"), {"status": status},
            content_type="application/merge-patch+json",
        )  # fmt: skip

    def agent_run(self, name: str, **status: Any) -> RunRef:
        body = {
            "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "metadata": {"name": name},
            "spec": {"instanceRef": "i", "task": "t"},
        }  # fmt: skip
        made = self.kube.request("POST", self.path("agentruns"), body)
        if status:
            self.status("agentruns", name, **status)
        return RunRef(self.namespace, name, made["metadata"]["uid"])


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalKube, BusServer]]:
    directory = tmp_path_factory.mktemp("cli")
    (directory / "bus").mkdir()
    bus = BusServer(directory / "bus")
    asyncio.run(bus.start())
    with LocalKube(directory) as kube:
        yield kube, bus
    bus.stop()


@pytest.fixture
def cli(
    machine: tuple[LocalKube, BusServer], capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> Cli:  # fmt: skip
    kube, bus = machine
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    name = f"t{zlib.crc32(request.node.name.encode()):08x}"
    kube.namespace_named(name)
    cli = Cli(kube, bus, capsys, name)
    if kube.find(NAMESPACE, "sympozium-system") is None:
        _install(cli, tmp_path)
    return cli


def _install(cli: Cli, directory: Path) -> None:
    """With the commands themselves."""
    assert cli.run("crds", namespaced=False) == 0
    (directory / "crds.yaml").write_text(cli.out)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sympozium-system"}}
    documents = [namespace, *objects(cli.bus.keyring, cli.bus.url)]
    (directory / "more.yaml").write_text(yaml.safe_dump_all(documents))
    arguments = ["-f", str(directory / "crds.yaml"), "-f", str(directory / "more.yaml")]
    assert cli.run("apply", *arguments, namespaced=False) == 0, cli.err
    assert "configmap/sympozium-bus created" in cli.out


def test_apply_get_describe_delete(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "i.yaml"
    path.write_text(INSTANCE % "sre")
    assert cli.run("apply", "-f", str(path)) == 0, cli.err
    assert cli.out == "sympoziuminstance.sympozium.ai/sre created\n"
    assert cli.run("apply", "-f", str(path)) == 0
    assert cli.out == "sympoziuminstance.sympozium.ai/sre unchanged\n"
    path.write_text(path.read_text().replace("m1", "m2"))
    assert cli.run("apply", "-f", str(path)) == 0
    assert cli.out.endswith("/sre configured\n")

    for word in (
        "sinst",
        "sympoziuminstances",
        "SympoziumInstance",
        "sympoziuminstance.sympozium.ai",
        "sympozium",
    ):
        assert cli.run("get", word) == 0, cli.err
        assert cli.out.startswith("NAME")
        assert "sre" in cli.out
    assert cli.run("get", "sinst/sre", "-o", "yaml") == 0
    assert yaml.safe_load(cli.out)["spec"]["agents"]["default"]["model"] == "m2"
    assert cli.run("get", "sinst", "-o", "json") == 0
    assert [item["metadata"]["name"] for item in json.loads(cli.out)["items"]] == ["sre"]
    assert cli.run("get", "sinst", "-o", "name") == 0
    assert cli.out == "sympoziuminstance.sympozium.ai/sre\n"
    assert cli.run("get", "sinst", "-A") == 0
    assert cli.out.startswith("NAMESPACE")

    cli.status("sympoziuminstances", "sre", phase="Running", conditions=[{
        "type": "Ready", "status": "False", "reason": "PolicyMissing", "message": "no policy x",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }])  # fmt: skip
    assert cli.run("describe", "sinst", "sre") == 0
    assert "Ready   False    PolicyMissing   no policy x" in cli.out
    assert "Events: none" in cli.out

    assert cli.run("delete", "sinst", "sre") == 0
    assert cli.run("get", "sinst") == 0
    assert cli.out == f"No resources found in namespace {cli.namespace}\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("m1}", "m1, modle: x}"), "spec.agents.default.modle"),
        (("kind: SympoziumInstance", "kind: SympoziumInstanc"), "knows no kind 'SympoziumInstanc'"),
        (("model: m1", "model: 5"), "spec.agents.default.model"),
    ],
)
def test_what_the_server_refuses_is_one_line_with_file_and_field(
    cli: Cli, tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    path = tmp_path / "i.yaml"
    path.write_text((INSTANCE % "sre").replace(*change))
    assert cli.run("apply", "-f", str(path)) == 1
    assert cli.err.startswith(f"error: {path}: ")
    assert words in cli.err
    assert cli.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["get", "nonsense"], 1, "no resource 'nonsense'"),
        (["get", "sinst", "nobody"], 1, '"nobody" not found'),
        (["describe", "sinst", "nobody"], 1, '"nobody" not found'),
        (["describe", "sympozium", "x"], 2, "name one"),
        (["delete", "sinst", "nobody"], 1, '"nobody" not found'),
        (["delete"], 2, "name what to delete"),
        (["logs", "nobody"], 1, "no agentrun 'nobody'"),
        (["approvals", "show", "nobody"], 1, "no approvalrequest 'nobody'"),
        (["pack", "enable", "nobody"], 1, "no pack 'nobody'"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(cli: Cli, arguments: list[str], code: int, words: str) -> None:
    assert cli.run(*arguments) == code
    assert words in cli.err
    assert cli.err.startswith("error: ")
    assert cli.err.count("\n") == 1


async def _speak(cli: Cli, ref: RunRef, *said: tuple[str, dict[str, Any]]) -> None:
    admin = await Admin.open(cli.bus.url, cli.bus.keyring)
    agent = await Publisher.open((await admin.issue(ref))["agent"])
    for kind, fields in said:
        await agent.publish(kind, whole(kind, fields))
    await agent.close()
    await admin.close()


def test_logs_prints_the_transcript(cli: Cli) -> None:
    ref = cli.agent_run("r")
    assert cli.run("logs", "r") == 0, cli.err
    assert "has said nothing yet (phase Pending)" in cli.err
    asyncio.run(_speak(cli, ref, ("run.started", {"model": "m1"}), ("step.started", {}),
                       ("model.message", {"text": "All is well."}), ("run.result", {})))  # fmt: skip
    assert cli.run("logs", "r") == 0
    assert cli.err == ""
    assert cli.out.splitlines()[0] == "● started with m1 (p)"
    assert "All is well.\n■ Succeeded, Completed" in cli.out
    assert cli.run("logs", "r", "-o", "json") == 0
    assert [json.loads(line)["type"] for line in cli.out.splitlines()][-1] == "run.result"


def test_logs_follow_ends_with_the_run_even_without_a_last_word(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sympozium.cli.logs._LAST_WORD", 0.1)
    ref = cli.agent_run("r", phase="Failed", reason="PodLost")
    asyncio.run(_speak(cli, ref, ("step.started", {})))
    assert cli.run("logs", "r", "-f") == 0
    assert "── step 1" in cli.out


def test_logs_without_a_bus_says_so(cli: Cli) -> None:
    cli.agent_run("r")
    cli.bus.kill()
    try:
        assert cli.run("logs", "r") == 1
        assert "is nats-server running?" in cli.err
        assert cli.err.count("\n") == 1
    finally:
        asyncio.run(cli.bus.start())


@pytest.mark.parametrize(("phase", "code"), [("Succeeded", 0), ("Failed", 10), ("Cancelled", 11)])
def test_run_watch_follows_and_tells_the_result(cli: Cli, phase: str, code: int) -> None:
    argv = [
        sys.executable,
        "-m",
        "sympozium",
        "run",
        "sre",
        "look",
        "--watch",
        "-n",
        cli.namespace,
        "--timeout",
        "5m",
    ]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    assert process.stdout is not None
    created = process.stdout.readline()
    name = created.removeprefix("agentrun.sympozium.ai/").removesuffix(" created\n")
    spec = cli.object("agentruns", name)["spec"]
    assert (spec["instanceRef"], spec["task"], spec["timeout"]) == ("sre", "look", "5m")
    ref = RunRef(cli.namespace, name, cli.object("agentruns", name)["metadata"]["uid"])
    result = {"phase": "Succeeded" if phase == "Succeeded" else "Failed", "reason": "Why"}
    asyncio.run(_speak(cli, ref, ("model.message", {"text": "words"}), ("run.result", result)))
    cli.status("agentruns", name, phase=phase, reason="Why", error="because")
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "words\n" in out
    assert ("Why: because" in out) == (phase != "Succeeded")


def test_a_person_decides(cli: Cli) -> None:
    ref = cli.agent_run("r")
    for name in ("a1", "a2"):
        body = {
            "apiVersion": "sympozium.ai/v1alpha1", "kind": "ApprovalRequest", "metadata": {"name": name},
            "spec": {
                "runRef": ref.name, "tool": "execute_command", "target": "k8s-ops", "args": {"command": "kubectl delete pod x"},
                "argsDigest": "sha256:" + 64 * "1", "requestedAt": "2026-01-01T00:00:00Z", "expiresAt": "2036-01-01T00:00:00Z",
            },
        }  # fmt: skip
        cli.kube.request("POST", cli.path("approvalrequests"), body)
    assert cli.run("approvals", "list") == 0
    assert cli.out.count("(waiting)") == 2
    assert cli.run("approvals", "show", "a1") == 0
    assert "command: kubectl delete pod x" in cli.out
    assert f"sympozium approvals approve a1 -n {cli.namespace}" in cli.out
    assert cli.run("approvals", "approve", "a1", "--comment", "go", "--scope", "once") == 0
    status = cli.object("approvalrequests", "a1")["status"]
    assert (status["decision"], status["comment"], status["scope"]) == ("Approved", "go", "once")
    assert cli.run("approvals", "deny", "a2") == 0
    assert cli.object("approvalrequests", "a2")["status"]["decision"] == "Denied"
    assert cli.run("approvals", "approve", "a1", "--scope", "ever") == 2
    assert cli.run("approvals", "list") == 0
    assert "nothing waits" in cli.out
    assert cli.run("approvals", "list", "--all") == 0
    assert "Denied" in cli.out


def test_a_pack_is_enabled_from_the_catalogue_and_disabled(cli: Cli, tmp_path: Path) -> None:
    pack = {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "PersonaPack",
        "metadata": {"name": "team", "namespace": "sympozium-system", "labels": {"sympozium.ai/builtin": "true"}},
        "spec": {"enabled": False, "description": "A team", "personas": [{"name": "sre", "systemPrompt": "p"}]},
    }  # fmt: skip
    (tmp_path / "pack.json").write_text(json.dumps(pack))
    assert cli.run("apply", "-f", str(tmp_path / "pack.json")) == 0, cli.err
    assert cli.run("pack", "list", namespaced=False) == 0
    assert "no (catalogue)" in cli.out
    assert cli.run("pack", "enable", "team") == 0, cli.err
    assert cli.object("personapacks", "team")["spec"]["enabled"] is True
    assert cli.run("pack", "disable", "team") == 0
    assert cli.object("personapacks", "team")["spec"]["enabled"] is False
    assert cli.run("pack", "enable", "team") == 0
    assert cli.object("personapacks", "team")["spec"]["enabled"] is True


def test_status_counts_and_says_that_there_is_no_node(cli: Cli) -> None:
    cli.agent_run("r", phase="Running")
    assert cli.run("status", namespaced=False) == 1
    assert "no node: pods cannot run" in cli.out
    assert "Running" in cli.out
