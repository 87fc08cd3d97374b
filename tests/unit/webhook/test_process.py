"""The process: when it is ready, which certificate it serves with, how it ends."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.unit.kube.scripted import Answer, Asked, Stream, serving, status
from tests.unit.webhook.held import MUTATING, SECRET, VALIDATING, Held, hooks
from tests.unit.webhook.world import review

from sympozium.up.ports import pick
from sympozium.webhook import main
from sympozium.webhook.app import Webhook
from sympozium.webhook.certificates import Material, renewed
from sympozium.webhook.main import _Process, _serve, server_names
from sympozium.webhook.trust import Mounted, Own

UNREAD = ["SympoziumInstance", "SympoziumPolicy", "SkillPack", "SympoziumConfig"]


def test_the_names_under_which_it_may_be_called() -> None:
    service = [
        "sympozium-webhook",
        "sympozium-webhook.sympozium-system",
        "sympozium-webhook.sympozium-system.svc",
    ]
    assert server_names(None) == service
    assert server_names("https://127.0.0.1:9443") == [*service, "127.0.0.1"]
    with pytest.raises(ValueError, match=r"--url-base 'here' is not a URL: write https://127.0.0.1:9443"):
        server_names("here")


class Exact(Webhook):
    """uvicorn calls what it serves without arguments, to see whether that makes an app.

    A mutation run's wrapper takes any arguments and would be one.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__(scope, receive, send)


class World(Held):
    """What `Held` keeps, and collections of ours that are empty. `broken` answers everything with 403."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.refused = 0
        self.over = asyncio.Event()

    def __call__(self, asked: Asked) -> Answer:
        if self.broken:
            self.refused += 1
            return status(403, "Forbidden", "not you")
        if asked.path.startswith("/apis/sympozium.ai/") and "watch" in asked.query:
            return self._collection
        return super().__call__(asked)

    async def _collection(self, out: Stream) -> None:
        end = {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}
        await out.event("BOOKMARK", {"metadata": end})
        await self.over.wait()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def process(world: World) -> AsyncIterator[_Process]:
    async with serving(world) as api, api.client() as client:
        made = _Process(client, Own(client, ["127.0.0.1"]), 0.01)
        keeping = asyncio.create_task(made.keep_trust())
        yield made
        keeping.cancel()
        await asyncio.wait([keeping])


def serving_with(made: _Process) -> Material:
    assert isinstance(made.source, Own)
    assert made.source.serving is not None
    return made.source.serving


async def test_it_is_unready_until_the_api_server_trusts_it() -> None:
    world = World()
    async with process(world) as made:
        await made.certified.wait()
        await until(lambda: made.problems and "not there" in made.problems[0])
        assert made.unready() == [
            "MutatingWebhookConfiguration sympozium is not there",
            "ValidatingWebhookConfiguration sympozium is not there",
            *(f"{kind} not read yet" for kind in UNREAD),
            "not listening yet",
        ]
        assert made.context.minimum_version == ssl.TLSVersion.TLSv1_2
        world.put(MUTATING, hooks(None))
        world.put(VALIDATING, hooks(None))
        await until(lambda: not made.problems)
        assert made.unready() == [*(f"{kind} not read yet" for kind in UNREAD), "not listening yet"]


async def test_without_a_certificate_it_says_why_and_goes_on_trying(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.broken = True
    async with process(world) as made:
        assert made.problems == ["the CA is not in the webhook configurations yet"]
        await until(lambda: "no certificate" in made.problems[0])
        assert "not you" in made.problems[0]
        assert not made.certified.is_set()
        world.broken = False
        await until(made.certified.is_set)
    said = [record.getMessage() for record in caplog.records if record.name == main.__name__]
    assert said
    assert said[0].startswith("certificate: ")
    assert "not you" in said[0]


async def test_what_has_been_loaded_keeps_serving_when_the_api_is_gone() -> None:
    world = World()
    world.put(MUTATING, hooks(None))
    world.put(VALIDATING, hooks(None))
    async with process(world) as made:
        await until(lambda: not made.problems)
        loaded = serving_with(made)
        world.broken = True
        await until(lambda: world.refused > 2)
        assert (made.problems, serving_with(made)) == ([], loaded)
        world.broken = False
        # A Secret that is gone is written anew, and the API server goes on trusting what is served with.
        del world.objects[SECRET]
        await until(lambda: serving_with(made) != loaded)
        bundle = base64.b64decode(world.objects[MUTATING]["webhooks"][0]["clientConfig"]["caBundle"])
        assert bundle.endswith(loaded.ca_bundle)
        assert bundle != loaded.ca_bundle


async def test_a_certificate_that_others_keep_is_taken_when_it_changes_and_nothing_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    one, two = (renewed(None, ["127.0.0.1"], now=datetime.now(UTC)) for _ in range(2))
    assert one is not None
    assert two is not None

    def mount(certificate: bytes, key: bytes) -> None:
        (tmp_path / "tls.crt").write_bytes(certificate)
        (tmp_path / "tls.key").write_bytes(key)

    async def shown(made: _Process) -> bytes:
        """What a client is shown: through the TLS context as it is now, without a network."""
        own, other, out = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
        server = made.context.wrap_bio(own, other, server_side=True)
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        client = trusting.wrap_bio(out, own)
        for side in (client, server) * 3:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            out.write(other.read())
        return client.getpeercert(binary_form=True) or b""

    def der(material: Material) -> bytes:
        return ssl.PEM_cert_to_DER_cert(material.certificate.decode())

    async with serving(world) as api, api.client():
        source = Mounted(tmp_path)
        made = _Process(api.client(), source, 0.01)
        keeping = asyncio.create_task(made.keep_trust())
        await until(lambda: "no certificate" in made.problems[0])
        mount(one.certificate, one.key)
        await until(lambda: not made.problems)
        assert await shown(made) == der(one)
        mount(two.certificate, one.key)  # half of a change
        await until(lambda: "key values mismatch" in caplog.text.lower())
        assert (made.problems, await shown(made)) == ([], der(one))
        mount(two.certificate, two.key)
        await until(lambda: source._serving == (two.certificate, two.key))
        assert await shown(made) == der(two)
        keeping.cancel()
        await asyncio.wait([keeping])
    assert world.writes == []


@pytest.fixture
def deaf() -> Iterator[None]:
    """Nobody else in this process hears a SIGTERM: what does not end by it fails here, and does not end the tests."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


@asynccontextmanager
async def served(world: World, directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[int, int, asyncio.Task[None]]]:  # fmt: skip
    """A whole process in this one: its port, the port of its health, and its task."""
    port = pick()
    health = pick()
    async with serving(world) as api:
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.port}"}}],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }  # fmt: skip
        (directory / "config").write_text(json.dumps(config))
        monkeypatch.setattr(main, "Webhook", Exact)
        monkeypatch.setenv("KUBECONFIG", str(directory / "config"))
        running = asyncio.create_task(
            _serve(port=port, host="127.0.0.1", hosts=["127.0.0.1"], health_port=health, look_every=0.01)
        )
        try:
            yield port, health, running
        finally:
            world.over.set()
            running.cancel()
            await asyncio.wait([running])


async def healthy(port: int) -> tuple[int, str]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        try:
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
        except httpx2.ConnectError:
            return 0, ""
        return answer.status_code, answer.text


@pytest.mark.usefixtures("deaf")
async def test_it_answers_over_tls_that_the_api_server_trusts_and_ends_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.put(MUTATING, hooks(None))
    world.put(VALIDATING, hooks(None))
    async with served(world, tmp_path, monkeypatch) as (port, health, running):
        async with asyncio.timeout(60):
            while (await healthy(health))[0] != 200:
                assert not running.done()
                await asyncio.sleep(0.01)
        bundle = base64.b64decode(world.objects[VALIDATING]["webhooks"][0]["clientConfig"]["caBundle"])
        trusting = ssl.create_default_context(cadata=bundle.decode())
        body: dict[str, Any] = review("AgentRun", instanceRef="nobody", task="t")
        async with httpx2.AsyncClient(verify=trusting, trust_env=False) as client:
            answer = await client.post(f"https://127.0.0.1:{port}/validate", json=body)
            assert answer.status_code == 200
            response = answer.json()["response"]
            assert (response["uid"], response["allowed"]) == ("u-1", False)
            assert {"date", "server"}.isdisjoint(answer.headers)
            os.kill(os.getpid(), signal.SIGTERM)
            # An open connection does not keep it.
            await asyncio.wait_for(asyncio.shield(running), 30)
    assert world.writes[0].query == {"fieldManager": "sympozium-webhook"}


@pytest.mark.usefixtures("deaf")
async def test_told_to_end_before_it_has_a_certificate_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    world = World()
    world.broken = True
    async with served(world, tmp_path, monkeypatch) as (_, health, running):
        async with asyncio.timeout(60):
            while "no certificate" not in (await healthy(health))[1]:
                assert not running.done()
                await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(asyncio.shield(running), 30)
