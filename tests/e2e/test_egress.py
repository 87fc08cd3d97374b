"""The egress component as a process beside a machine: runs with a closed network reach their model through it."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e.support import agent, finished, policy, run, say
from e2e.test_network import page
from sympozium.testing import AGENT_RUN, Cluster, ScriptedModel, phase
from sympozium.testing.resources import NETWORK_POLICY, POD, SECRET, SYMPOZIUM_CONFIG
from sympozium.testing.waiting import until
from sympozium.up.identities import kubeconfig, server_of
from sympozium.up.ports import pick

__all__ = ["page"]


@pytest.fixture
def egress(sympozium_cluster: Cluster, tmp_path) -> Iterator[Path]:
    """`sympozium serve egress` under its own rights; SympoziumConfig names it. The path of its log."""
    token = sympozium_cluster.kubectl("create", "token", "sympozium-egress", "-n", "sympozium-system").strip()
    server, ca = server_of(sympozium_cluster.data.kubeconfig)
    config, log, port, health = tmp_path / "kubeconfig", tmp_path / "egress.log", pick(set()), pick(set())
    config.write_text(kubeconfig(server, ca, {"token": token}, namespace="sympozium-system"))
    argv = [sys.executable, "-m", "sympozium", "serve", "egress", "--host", "127.0.0.1", "--port", str(port),
            "--health-port", str(health)]  # fmt: skip
    url = {"spec": {"egress": {"url": f"http://127.0.0.1:{port}"}}}
    with log.open("wb") as file:
        process = subprocess.Popen(argv, env={**os.environ, "KUBECONFIG": str(config)}, stderr=file)
    try:
        until(lambda: "egress on" in log.read_text(), "the component listens")
        sympozium_cluster.patch(SYMPOZIUM_CONFIG, "default", url, "sympozium-system")
        yield log
    finally:
        sympozium_cluster.patch(SYMPOZIUM_CONFIG, "default", {"spec": {"egress": None}}, "sympozium-system")
        process.terminate()
        assert process.wait(20) == 0


def test_a_closed_run_goes_through_it_and_nowhere_else(
    sympozium_cluster: Cluster, namespace: str, egress: Path, page: tuple[str, str, int]
) -> None:
    """The model, what the policy names by name and address, and not what it does not name."""
    name, address, port = page
    allowed = [{"host": name, "port": port}, {"host": address, "port": port}]
    policy(sympozium_cluster, namespace, networkPolicy={"allowDNS": False, "allowedEgress": allowed})
    script = say(
        {"id": "read", "call": [{"tool": "fetch_url", "arguments": {"url": f"http://{name}:{port}/"}},
                                {"tool": "fetch_url", "arguments": {"url": f"http://elsewhere.test:{port}/"}}]},
        {"id": "end", "say": "{{result|head(600)}}"},
    )  # fmt: skip
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    log = egress.read_text()
    assert status["phase"] == "Succeeded", (status, log)
    allowed_lines = [line for line in log.splitlines() if ": allowed: " in line]
    assert any(f"run {namespace}/run to {name}:{port}" in line for line in allowed_lines), log
    assert len(allowed_lines) >= 2  # the model's too
    assert "elsewhere.test" not in log  # the tool server had refused it already
    rules = sympozium_cluster.get(NETWORK_POLICY, "run", namespace)["spec"]["egress"]
    assert len(rules) == 2  # the bus and the component
    (pod,) = sympozium_cluster.items(POD, namespace, labelSelector="sympozium.ai/run=run")
    containers = {c["name"]: c for c in pod["spec"]["containers"] + pod["spec"]["initContainers"]}
    has = {n for n, c in containers.items() if "run-egress" in json.dumps(c.get("envFrom", []))}
    assert has == {"agent", "tools"}
    until(lambda: sympozium_cluster.find(SECRET, "run-egress", namespace) is None, "the credential is gone")


def test_the_model_cannot_be_reached_past_a_dead_component(
    sympozium_cluster: Cluster, namespace: str, egress: Path
) -> None:
    policy(sympozium_cluster, namespace, networkPolicy={})
    with ScriptedModel(say({"say": "done"})) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        sympozium_cluster.patch(
            SYMPOZIUM_CONFIG,
            "default",
            {"spec": {"egress": {"url": "http://127.0.0.1:9"}}},
            "sympozium-system",
        )
        run(sympozium_cluster, namespace, timeout="20s")
        status = finished(sympozium_cluster, namespace, timeout=150)["status"]
    assert status["phase"] == "Failed", status


def _tunnel(proxy: str, host: str, port: int) -> tuple[socket.socket, str]:
    """A CONNECT with a run's credential: the socket and the answer."""
    parts = urlsplit(proxy)
    opened = socket.create_connection((parts.hostname, parts.port), 10)
    pair = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    opened.sendall(
        f"CONNECT {host}:{port} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {pair}\r\n\r\n".encode()
    )
    return opened, opened.recv(4096).decode()


def test_a_credential_is_worth_what_the_policy_says_now(
    sympozium_cluster: Cluster, namespace: str, egress: Path, page: tuple[str, str, int]
) -> None:
    """Used by hand, as somebody would who has stolen it: while the run waits, after its policy has changed, and after
    its end.
    """
    _, address, port = page
    rules = {"allowedEgress": [{"host": address, "port": port}]}
    gating = {"defaultAction": "ask", "rules": []}
    policy(sympozium_cluster, namespace, networkPolicy=rules, toolGating=gating)
    script = say(
        {"id": "look", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]},
        {"id": "end", "say": "end"},
    )
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        sympozium_cluster.wait(
            AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", namespace, timeout=60
        )
        secret = sympozium_cluster.get(SECRET, "run-egress", namespace)
        proxy = base64.b64decode(secret["data"]["HTTPS_PROXY"]).decode()
        held, answer = _tunnel(proxy, address, port)
        assert " 200 " in answer
        for host, other in (
            (address, port + 1),
            ("169.254.169.254", 80),
            ("10.0.0.1", port),
        ):
            refused, answer = _tunnel(proxy, host, other)
            refused.close()
            assert " 403 " in answer, (host, other, answer)
        policy(sympozium_cluster, namespace, networkPolicy={}, toolGating=gating)
        held.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert held.recv(1) == b""
        held.close()
        refused, answer = _tunnel(proxy, address, port)
        refused.close()
        assert " 403 " in answer
        sympozium_cluster.patch(AGENT_RUN, "run", {"spec": {"cancel": True}}, namespace)
        finished(sympozium_cluster, namespace)

    def over() -> bool:
        refused, answer = _tunnel(proxy, address, port)
        with refused:
            return " 403 " in answer and "is over" in answer

    until(over, "the credential has died with its run")
