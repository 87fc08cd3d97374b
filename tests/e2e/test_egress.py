"""The egress component as a process beside a machine: runs with a closed network reach their model through it."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.support import agent, asked, call, finished, own_namespace, policy, run, say
from e2e.test_network import Served, serving
from sympozium.testing import AGENT_RUN, Cluster, ScriptedModel
from sympozium.testing.resources import NETWORK_POLICY, POD, SECRET, SYMPOZIUM_CONFIG
from sympozium.testing.waiting import until
from sympozium.up.identities import kubeconfig, server_of
from sympozium.up.ports import pick


@pytest.fixture(scope="module")
def egress(sympozium_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`sympozium serve egress` under its own rights; SympoziumConfig names it. The path of its log."""
    token = sympozium_cluster.kubectl("create", "token", "sympozium-egress", "-n", "sympozium-system").strip()
    tmp_path = tmp_path_factory.mktemp("egress")
    server, ca = server_of(sympozium_cluster.data.kubeconfig)
    config, log, port, health = tmp_path / "kubeconfig", tmp_path / "egress.log", pick(), pick()
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


@dataclass(frozen=True)
class Held:
    """A closed run that has read a page and waits for a person."""

    namespace: str
    page: Served
    log: str
    """Of the component until then."""
    rules: list[Any]
    """The egress rules of its NetworkPolicy."""
    has_credential: set[str]
    """The containers that have the credential."""
    proxy: str
    """The URL of the component, with it."""


GATING = {"defaultAction": "allow", "rules": [{"tool": "list_directory", "action": "ask"}]}


@pytest.fixture(scope="module")
def held(sympozium_cluster: Cluster, egress: Path) -> Iterator[Held]:
    cluster = sympozium_cluster
    with own_namespace(cluster) as namespace, serving() as page, ExitStack() as stack:
        name, address, port = page
        allowed = [{"host": name, "port": port}, {"host": address, "port": port}]
        rules = {"allowDNS": False, "allowedEgress": allowed}
        policy(cluster, namespace, networkPolicy=rules, toolGating=GATING)
        script = say(
            {"id": "read", "call": [{"tool": "fetch_url", "arguments": {"url": f"http://{name}:{port}/"}},
                                    {"tool": "fetch_url", "arguments": {"url": f"http://elsewhere.test:{port}/"}}]},
            call("list_directory", path="."),
            {"id": "end", "say": "end"},
        )  # fmt: skip
        model = stack.enter_context(ScriptedModel(script))
        agent(cluster, namespace, model.base_url)
        run(cluster, namespace)
        asked(cluster, namespace)
        (pod,) = cluster.items(POD, namespace, labelSelector="sympozium.ai/run=run")
        containers = {c["name"]: c for c in pod["spec"]["containers"] + pod["spec"]["initContainers"]}
        secret = cluster.get(SECRET, "run-egress", namespace)
        yield Held(
            namespace, page, egress.read_text(),
            cluster.get(NETWORK_POLICY, "run", namespace)["spec"]["egress"],
            {n for n, c in containers.items() if "run-egress" in json.dumps(c.get("envFrom", []))},
            base64.b64decode(secret["data"]["HTTPS_PROXY"]).decode(),
        )  # fmt: skip


def test_a_closed_run_goes_through_it_and_nowhere_else(held: Held) -> None:
    """The model, what the policy names by name and address, and not what it does not name."""
    name, _, port = held.page
    allowed = [line for line in held.log.splitlines() if ": allowed: " in line]
    assert any(f"run {held.namespace}/run to {name}:{port}" in line for line in allowed), held.log
    assert len(allowed) >= 2  # the model's too
    assert "elsewhere.test" not in held.log  # the tool server had refused it already
    assert len(held.rules) == 2  # the bus and the component
    assert held.has_credential == {"agent", "tools"}


def test_the_model_cannot_be_reached_past_a_dead_component(
    sympozium_cluster: Cluster, namespace: str, egress: Path
) -> None:
    policy(sympozium_cluster, namespace, networkPolicy={})
    with ScriptedModel(say({"say": "done"})) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        config = sympozium_cluster.get(SYMPOZIUM_CONFIG, "default", "sympozium-system")["spec"]
        dead = {"spec": {"egress": {"url": "http://127.0.0.1:9"}}}
        sympozium_cluster.patch(SYMPOZIUM_CONFIG, "default", dead, "sympozium-system")
        try:
            run(sympozium_cluster, namespace, timeout="20s")
            status = finished(sympozium_cluster, namespace, timeout=150)["status"]
        finally:
            alive = {"spec": {"egress": config["egress"]}}
            sympozium_cluster.patch(SYMPOZIUM_CONFIG, "default", alive, "sympozium-system")
        assert "chat/completions" not in model.log.read_text()
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


def test_a_credential_is_worth_what_the_policy_says_now(sympozium_cluster: Cluster, held: Held) -> None:
    """Used by hand, as somebody would who has stolen it: while the run waits, after its policy has changed, and after
    its end.
    """
    _, address, port = held.page
    opened, answer = _tunnel(held.proxy, address, port)
    assert " 200 " in answer
    for host, other in (
        (address, port + 1),
        ("169.254.169.254", 80),
        ("10.0.0.1", port),
    ):
        refused, answer = _tunnel(held.proxy, host, other)
        refused.close()
        assert " 403 " in answer, (host, other, answer)
    policy(sympozium_cluster, held.namespace, networkPolicy={}, toolGating=GATING)
    opened.settimeout(60)
    with contextlib.suppress(ConnectionResetError):
        assert opened.recv(1) == b""
    opened.close()
    refused, answer = _tunnel(held.proxy, address, port)
    refused.close()
    assert " 403 " in answer
    sympozium_cluster.patch(AGENT_RUN, "run", {"spec": {"cancel": True}}, held.namespace)
    finished(sympozium_cluster, held.namespace)

    def over() -> bool:
        refused, answer = _tunnel(held.proxy, address, port)
        with refused:
            return " 403 " in answer and "is over" in answer

    until(over, "the credential has died with its run")
    sympozium_cluster.wait_gone(SECRET, "run-egress", held.namespace)
