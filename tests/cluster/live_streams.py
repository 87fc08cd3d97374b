"""Live streams under test: the API server before a real nats-server, and clients that read as browsers do."""

import asyncio
import base64
import itertools
import json
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from cluster.api_server import ApiServer
from cluster.bus_data import whole
from cluster.bus_server import BusServer
from sympozium.bus.admin import Admin
from sympozium.bus.publisher import Publisher
from sympozium.bus.subjects import RunRef
from sympozium.testing.client import Object
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import AGENT_RUN
from sympozium.testing.sse import Event, Parser
from sympozium.up.bus import objects

SECONDS = 20
_numbers = itertools.count(1)


class Stage:
    """One bus, one Kubernetes API; servers are started by the tests or shared."""

    def __init__(self, kube: KubeAPI, bus: BusServer, server: ApiServer) -> None:
        self.kube = kube
        self.bus = bus
        self.server = server

    def run(self, name: str = "", namespace: str = "default") -> RunRef:
        """A new AgentRun."""
        name = name or f"run-{next(_numbers)}"
        made = self.kube.create(
            {
                "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun",
                "metadata": {"name": name, "namespace": namespace}, "spec": {"instanceRef": "sre", "task": "look"},
            }
        )  # fmt: skip
        return RunRef(namespace, name, made["metadata"]["uid"])

    def status(self, run: RunRef, phase: str, **status: Any) -> None:
        patch = {"status": {"phase": phase, **status}}
        self.kube.patch(AGENT_RUN, run.name, patch, run.namespace, subresource="status")

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[Admin]:
        admin = await Admin.open(self.bus.url, self.bus.keyring)
        try:
            yield admin
        finally:
            await admin.close()

    @asynccontextmanager
    async def speaker(self, run: RunRef) -> AsyncIterator[Publisher]:
        """The agent of a run."""
        async with self.admin() as admin:
            agent = await Publisher.open((await admin.issue(run))["agent"])
            try:
                yield agent
            finally:
                await agent.close()

    def connections(self) -> list[Object]:
        """Of the API server to the bus, as the bus counts them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.bus.monitor}/connz?subs=1", timeout=5) as answer:
            found = json.load(answer)["connections"]
        return [connection for connection in found if connection.get("name") == "apiserver"]


class Client:
    """One stream. `events` are those that came so far; `stream` is the HTTP answer."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.events: list[Event] = []
        self.parser = Parser()
        self._chunks = response.aiter_raw()

    @property
    def ids(self) -> list[int]:
        return [event.id for event in self.events if event.id is not None]

    def named(self, *names: str) -> list[Event]:
        return [event for event in self.events if event.event in names]

    async def until(self, condition: Callable[["Client"], bool]) -> None:
        """Read until it holds. Raises AssertionError when the stream ends before, or takes too long."""
        try:
            async with asyncio.timeout(SECONDS):
                while not condition(self):
                    self.events += self.parser.feed(await anext(self._chunks))
        except (TimeoutError, StopAsyncIteration, httpx2.HTTPError) as exc:
            raise AssertionError(f"{exc!r}; so far: {self.events[-20:]}") from exc

    async def until_event(self, name: str, **data: Any) -> Event:
        def come(client: "Client") -> bool:
            return any(_is(event, name, data) for event in client.events)

        await self.until(come)
        return next(event for event in self.events if _is(event, name, data))

    async def until_ids(self, count: int) -> None:
        await self.until(lambda client: len(client.ids) >= count)

    async def to_end(self) -> None:
        """Until the server ends the stream, or the connection breaks."""
        async with asyncio.timeout(SECONDS):
            try:
                async for chunk in self._chunks:
                    self.events += self.parser.feed(chunk)
            except httpx2.HTTPError:
                return


def _is(event: Event, name: str, data: dict[str, Any]) -> bool:
    return event.event == name and data.items() <= event.data.items()


@asynccontextmanager
async def connect(
    server: ApiServer, path: str, *, token: str = "admin-token", last: int | None = None
) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    timeout = httpx2.Timeout(SECONDS)
    async with (
        httpx2.AsyncClient(base_url=server.url, headers=headers, trust_env=False, timeout=timeout) as http,
        http.stream("GET", f"/api/v1{path}") as response,
    ):
        if response.status_code != 200:
            raise AssertionError(f"{response.status_code}: {(await response.aread()).decode()}")
        yield Client(response)


def events_of(run: RunRef) -> str:
    return f"/namespaces/{run.namespace}/runs/{run.name}/events"


async def say(agent: Publisher, text: str) -> None:
    await agent.publish("step.started", whole("step.started", text=text))


async def finish(agent: Publisher) -> None:
    await agent.publish("run.result", whole("run.result"))


def texts(events: list[Event]) -> list[str]:
    return [event.data["data"].get("text", "") for event in events if event.id is not None]


def encoded(document: Object) -> Object:
    """Without `stringData`, which server-side apply would keep."""
    plain = document.pop("stringData", None)
    if plain is not None:
        document["data"] = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
    return document


@pytest.fixture(scope="module")
def bus(installed: KubeAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BusServer]:
    server = BusServer(tmp_path_factory.mktemp("bus"), monitored=True)
    asyncio.run(server.start())
    for document in objects(server.keyring, server.url):
        installed.apply(encoded(document))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stage(installed: KubeAPI, bus: BusServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    arguments = ("--max-streams-per-caller", "80", "--stream-stall", "2", "--stream-recheck", "1")
    with ApiServer(installed, tmp_path_factory.mktemp("apiserver"), *arguments) as server:
        yield Stage(installed, bus, server)


@pytest.fixture(scope="module")
def second(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with ApiServer(stage.kube, tmp_path_factory.mktemp("second"), *stage.server.arguments) as server:
        yield Stage(stage.kube, stage.bus, server)


@pytest.fixture
def lone(second: Stage) -> Stage:
    """A server that the test may end; nobody else is connected to it."""
    if not second.server.running:
        second.server.start()
    return second
