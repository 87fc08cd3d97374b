"""Two webhooks behind a Service of a namespace of another name, as a chart installs them: no URL, one CA, begun at once."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from cluster.localkube_fixture import LocalKube, kube, ns
from cluster.test_webhook import install, token
from sympozium.api import crds
from sympozium.catalog.install import WEBHOOK, admission, identities
from sympozium.kube.resources import SECRETS, SERVICES, Resource
from sympozium.testing.resources import AGENT_RUN
from sympozium.testing.waiting import until
from sympozium.up.ports import pick

__all__ = ["kube", "ns"]

SYSTEM = "agents"
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints")
KILLED = """
import os, signal, sys
from sympozium.webhook import trust
from sympozium.webhook.main import run
async def killed(*_arguments):
    os.kill(os.getpid(), signal.SIGKILL)
trust.inject = killed
run(port=int(sys.argv[1]))
"""


class Process:
    """`sympozium serve webhook` as it is in a pod: no URL of its own, every address."""

    def __init__(self, access: Path, *argv: str) -> None:
        self.port = pick()
        self.health = pick()
        flags = [
            "-m",
            "sympozium",
            "serve",
            "webhook",
            "--port",
            str(self.port),
            "--health-port",
            str(self.health),
        ]
        environment = {**os.environ, "KUBECONFIG": str(access), "SYMPOZIUM_NAMESPACE": SYSTEM}
        words = [sys.executable, *(argv or flags)]
        self.process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)

    def ready(self) -> bool:
        try:
            return (
                httpx2.get(f"http://127.0.0.1:{self.health}/readyz", trust_env=False, timeout=60).status_code
                == 200
            )
        except httpx2.HTTPError:
            return False


@pytest.fixture(scope="module")
def access(kube: LocalKube) -> Path:
    install(kube, [yaml.safe_load(text) for text in crds.documents().values()])
    install(kube, identities(namespace=SYSTEM))
    config = yaml.safe_load(kube.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token(kube, WEBHOOK, SYSTEM)}
    path = kube.directory / "webhook.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def pair(access: Path) -> Iterator[list[Process]]:
    made = [Process(access) for _ in range(2)]
    yield made
    for one in made:
        one.process.kill()
        one.process.wait(60)


def own_address() -> str:
    """An address of this machine that is not loopback, which endpoints may not have."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def behind_service(kube: LocalKube, process: Process) -> None:
    """What the endpoints controller writes for a pod that is ready."""
    port = {"name": "https", "port": process.port}
    body: dict[str, Any] = {
        "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": WEBHOOK, "namespace": SYSTEM},
        "subsets": [{"addresses": [{"ip": own_address()}], "ports": [port]}],
    }  # fmt: skip
    kube.request(
        "PATCH", ENDPOINTS.path(SYSTEM, WEBHOOK), body, content_type="application/apply-patch+yaml",
        fieldManager="t", force="true",
    )  # fmt: skip


def offer(kube: LocalKube, namespace: str) -> Any:
    body = {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "metadata": {"name": "r"},
        "spec": {"instanceRef": "nobody", "task": "t"},
    }  # fmt: skip
    return kube.ask("POST", AGENT_RUN.path(namespace), body)


def test_killed_between_its_secret_and_the_configurations_then_two_at_once(
    kube: LocalKube, access: Path, ns: str, request: pytest.FixtureRequest
) -> None:
    spec = {"ports": [{"name": "https", "port": 443, "targetPort": 9443}]}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": WEBHOOK, "namespace": SYSTEM},
        "spec": spec,
    }
    kube.request("POST", SERVICES.path(SYSTEM), service)
    install(kube, admission(namespace=SYSTEM))
    dead = Process(access, "-c", KILLED, str(pick()))
    assert dead.process.wait(60) == -signal.SIGKILL
    held = kube.get(SECRETS, "sympozium-webhook-tls", SYSTEM)["data"]
    pair: list[Process] = request.getfixturevalue("pair")
    until(lambda: all(one.ready() for one in pair), "both are ready", timeout=60)
    assert kube.get(SECRETS, "sympozium-webhook-tls", SYSTEM)["data"] == held
    served = {ssl.get_server_certificate(("127.0.0.1", one.port)) for one in pair}
    assert len(served) == 1
    # The API server calls it by the Service's name, and trusts it under that name.
    for one in pair:
        behind_service(kube, one)
        answer = offer(kube, ns)
        assert (answer.status_code, "nobody" in answer.text) == (422, True), answer.text
        one.process.kill()
        one.process.wait(60)
        assert offer(kube, ns).status_code == 500  # nothing is let through meanwhile
