"""Two webhooks behind one address, as behind a Service: what becomes of either changes no outcome."""

import asyncio
import base64
import contextlib
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from cluster.localkube_fixture import LocalKube, kube, ns
from cluster.test_webhook import (
    CONTROLLER,
    SYSTEM,
    WebhookProcess,
    approval,
    install,
    instance,
    ready,
    token,
)  # fmt: skip
from sympozium.api import crds
from sympozium.catalog import documents as catalogue
from sympozium.catalog.install import admission, identities
from sympozium.testing.resources import AGENT_RUN, APPROVAL_REQUEST, SECRET
from sympozium.testing.waiting import until
from sympozium.webhook.certificates import renewed
from sympozium.webhook.main import server_names

__all__ = ["kube", "ns"]

PER_WORKER = 25


class Balancer:
    """Connections to one port, handed to several in turn; those that do not answer are passed over."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.handed = dict.fromkeys(ports, 0)
        self.turn = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._handle, "127.0.0.1", 0), self.loop
        )
        self.port = int(server.result(10).sockets[0].getsockname()[1])

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.turn += 1
        for port in [*self.ports[self.turn % len(self.ports) :], *self.ports]:
            try:
                inner = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self.handed[port] += 1
            await asyncio.gather(self._pipe(reader, inner[1]), self._pipe(inner[0], writer))
            break
        writer.close()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture(scope="module")
def replicas(kube: LocalKube) -> Iterator[list[WebhookProcess]]:
    install(kube, [yaml.safe_load(text) for text in crds.documents().values()])
    install(kube, identities())
    made = [WebhookProcess(kube, kube.directory, look_every=0.2) for _ in range(2)]
    balancer = Balancer([process.port for process in made])
    install(kube, admission(webhook_url=f"https://127.0.0.1:{balancer.port}"))
    for process in made:
        until(lambda process=process: ready(process), f"the webhook is ready: {process.log}")
    install(kube, catalogue())
    yield made
    assert all(balancer.handed.values()), f"both were asked: {balancer.handed}"
    for process in made:
        if process.process.poll() is None:
            assert process.stop() == 0


def offer(kube: LocalKube, namespace: str, name: str, **spec: Any) -> int:
    """Create a run as a client does that tries again while the server says 5xx; the code that it ends with."""
    body = {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "metadata": {"name": name},
        "spec": {"instanceRef": "i", "task": "t", **spec},
    }  # fmt: skip
    for _ in range(50):
        code = int(kube.ask("POST", AGENT_RUN.path(namespace), body).status_code)
        if code < 500:
            return code
    raise AssertionError(f"{name} was never answered")


def work(kube: LocalKube, namespace: str, worker: int, reached: threading.Event) -> dict[str, int]:
    """Good and bad runs in turn: what each ended with."""
    found = {}
    for number in range(PER_WORKER):
        bad = {"toolPolicy": {"allow": ["write_file"]}, "sandbox": {"enabled": False}}
        name = f"{'bad' if number % 2 else 'good'}-{worker}-{number}"
        found[name] = offer(kube, namespace, name, **(bad if number % 2 else {}))
        if number == PER_WORKER // 3:
            reached.set()
    return found


def served(process: WebhookProcess) -> str:
    return ssl.get_server_certificate(("127.0.0.1", process.port))


def test_a_new_authority_is_taken_while_requests_run(kube: LocalKube, replicas, ns: str) -> None:
    instance(kube, ns, policyRef="restrictive-policy")
    path = SECRET.path(SYSTEM, "sympozium-webhook-tls")
    before = [served(process) for process in replicas]
    assert before[0] == before[1]
    stop = threading.Event()

    def ask() -> list[int]:
        codes: list[int] = []
        while not stop.is_set():
            body = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "metadata": {"name": f"r{len(codes)}"}, "spec": {"instanceRef": "i", "task": "t"}}  # fmt: skip
            codes.append(int(kube.ask("POST", AGENT_RUN.path(ns), body).status_code))
        return codes

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            kube.request("DELETE", path)
            until(lambda: all(served(p) != before[0] for p in replicas), "a new authority is served")
            second = served(replicas[0])
            # Material of a year ago: certificate and authority are due, or nearly.
            aged = renewed(
                None, server_names("https://127.0.0.1"), now=datetime.now(UTC) - timedelta(days=300)
            )
            assert aged is not None
            data = {key: base64.b64encode(value).decode() for key, value in aged.to_data().items()}
            kube.request("PATCH", path, {"data": data}, content_type="application/merge-patch+json")
            until(lambda: all(served(p) not in (second, aged.certificate.decode()) for p in replicas), "renewed")  # fmt: skip
        finally:
            stop.set()
        codes = asking.result(60)
    assert served(replicas[0]) == served(replicas[1])
    held = kube.get(SECRET, "sympozium-webhook-tls", SYSTEM)["data"]["ca.crt"]
    for kind in ("mutating", "validating"):
        url = f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations/sympozium"
        hooks = kube.request("GET", url)["webhooks"]
        assert {hook["clientConfig"]["caBundle"] for hook in hooks} == {held}
    # A Secret that somebody else wrote is trusted a look later: nothing is let through meanwhile, and nothing is lost
    # by the renewals of our own.
    assert codes
    assert set(codes) <= {201, 500}
    assert 201 in codes[-5:] or codes[-1] == 201


def test_two_people_at_two_replicas_decide_once(kube: LocalKube, replicas, ns: str) -> None:
    name = approval(kube, ns, token(kube, CONTROLLER))
    path = APPROVAL_REQUEST.path(ns, name, "status")

    def decide(decision: str) -> int:
        merge = "application/merge-patch+json"
        answer = kube.ask("PATCH", path, {"status": {"decision": decision}}, content_type=merge)
        return int(answer.status_code)

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(decide, ["Approved", "Denied"] * 3))
    # Whoever repeats what was decided is told so, too: who decided and when are another's.
    assert codes.count(200) == 1
    assert set(codes) <= {200, 403, 409, 422}


def test_one_that_is_killed_in_the_middle_changes_no_outcome(kube: LocalKube, replicas, ns: str) -> None:
    instance(kube, ns, policyRef="restrictive-policy")
    reached = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(work, kube, ns, number, reached) for number in range(3)]
        assert reached.wait(60)
        replicas[0].process.kill()
        replicas[0].process.wait(60)
        outcomes = {name: code for worker in workers for name, code in worker.result(120).items()}
    # A create whose answer was lost is found there by the second try.
    assert {code for name, code in outcomes.items() if name.startswith("good")} <= {201, 409}
    assert {code for name, code in outcomes.items() if name.startswith("bad")} == {403}
    there = {run["metadata"]["name"]: run for run in kube.request("GET", AGENT_RUN.path(ns))["items"]}
    assert there.keys() == {name for name in outcomes if name.startswith("good")}
    for run in there.values():
        assert run["spec"]["trigger"]["kind"] == "Manual"
        assert run["spec"]["model"]["model"] == "m"
        assert run["spec"]["sandbox"]["enabled"] is True
