"""Live streams on a whole machine (`sympozium up`): from a message's publish until its event is at the client.

10 runs speak (they are held, so that what they say is said by us), each is looked at by 5 viewers; viewers are in a
process of their own and read bytes, as little as can be done. A time is taken before the publish, so the bus's write to
disk is in it. Then 1,000 streams of 10 runs are opened, with the credentials of 12 people: what they cost.
"""

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.table import head, row
from sympozium.bus.admin import Admin
from sympozium.bus.publisher import Publisher
from sympozium.bus.subjects import RunRef
from sympozium.testing import Cluster
from sympozium.testing.waiting import until
from sympozium.up.bus import load_or_make
from sympozium.up.state import State, read

_SPEAKERS, _VIEWERS, _PEOPLE = 10, 50, 12
_STREAMS = int(os.environ.get("BENCH_STREAMS", "1000"))
_SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
_EVERY = 0.2
_STAMP = re.compile(rb"@(\d+)@")
_ROLE = "sympozium-view"


def _look(
    address: tuple[str, int], requests: list[bytes], pipe: multiprocessing.connection.Connection
) -> None:
    """A process with a connection for each request; when it is asked to end it sends the delays of what was stamped
    after all were open: what came before is history, and old.
    """
    asyncio.run(_look_at(address, requests, pipe))


async def _look_at(
    address: tuple[str, int], requests: list[bytes], pipe: multiprocessing.connection.Connection
) -> None:
    delays: list[float] = []
    opened = 0
    since = time.time_ns()

    async def one(request: bytes) -> None:
        nonlocal opened, since
        reader, writer = await asyncio.open_connection(*address)
        writer.write(request)
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError(f"{status!r}: {await reader.read(2000)!r}")
        await reader.readuntil(b"event: run\n")
        opened += 1
        if opened == len(requests):
            since = time.time_ns()
            pipe.send("open")
        while chunk := await reader.read(65536):
            now = time.time_ns()
            stamps = [int(stamp) for stamp in _STAMP.findall(chunk)]
            delays.extend((now - stamp) / 1e6 for stamp in stamps if stamp > since)

    tasks = []
    for request in requests:
        tasks.append(asyncio.create_task(one(request)))
        await asyncio.sleep(0.002)
    told = asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    await asyncio.wait([asyncio.ensure_future(told), *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()
    pipe.send(delays)


class Viewers:
    """Streams of another process."""

    def __init__(self, url: str, paths: list[str], tokens: list[str]) -> None:
        parts = urlsplit(url)
        requests = [
            f"GET /api/v1{path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {tokens[n % len(tokens)]}"
            "\r\n\r\n".encode()
            for n, path in enumerate(paths)
        ]
        self._pipe, theirs = multiprocessing.Pipe()
        address = parts.hostname or "", parts.port or 80
        self._process = multiprocessing.get_context("spawn").Process(
            target=_look, args=(address, requests, theirs)
        )
        self._process.start()
        if not self._pipe.poll(120) or self._pipe.recv() != "open":
            raise RuntimeError("the viewers did not come up")

    def end(self) -> list[float]:
        self._pipe.send("end")
        found: list[float] = self._pipe.recv()
        self._process.join()
        return found


async def _speak(agent: Publisher, until_: float, stored: list[float], *, pieces: bool) -> None:
    """`stored` gets how long the bus took to store each message, in ms: the part of a delay that is not ours."""
    while time.monotonic() < until_:
        stamp = f"@{time.time_ns()}@"
        if pieces:
            await agent.publish_delta({"step": 1, "text": stamp})
        else:
            began = time.perf_counter()
            await agent.publish("step.started", {"step": 1, "text": stamp})
            stored.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(_EVERY)


async def all_speak(agents: list[Publisher], *, pieces: bool) -> list[float]:
    end = time.monotonic() + _SECONDS
    stored: list[float] = []
    async with asyncio.TaskGroup() as group:
        for agent in agents:
            await asyncio.sleep(_EVERY / len(agents))
            group.create_task(_speak(agent, end, stored, pieces=pieces))
    return stored


@asynccontextmanager
async def speakers(cluster: Cluster, state: State, runs: list[RunRef]) -> AsyncIterator[list[Publisher]]:
    admin = await Admin.open(f"nats://127.0.0.1:{state.ports['bus']}", load_or_make(cluster.data))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(admin.close)
        agents = []
        for run in runs:
            agent = await Publisher.open((await admin.issue(run))["agent"])
            stack.push_async_callback(agent.close)
            await agent.publish("step.started", {"step": 1, "text": ""})
            agents.append(agent)
        yield agents


def runs_of(cluster: Cluster) -> list[RunRef]:
    def body(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        return {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": "default"},
            "spec": spec,
        }

    cluster.create(body("SympoziumInstance", "bench", {"agents": {"default": {"model": "m"}}}))
    found = []
    for number in range(_SPEAKERS):
        spec = {"instanceRef": "bench", "task": "speak", "suspend": True}
        made = cluster.create(body("AgentRun", f"speaker-{number}", spec))
        found.append(RunRef("default", made["metadata"]["name"], made["metadata"]["uid"]))
    return found


def people(cluster: Cluster) -> list[str]:
    """Tokens of those who may see all."""
    tokens = []
    for number in range(_PEOPLE):
        name = f"viewer-{number}"
        metadata = {"name": name, "namespace": "default"}
        cluster.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        cluster.create(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _ROLE},
                "subjects": [{"kind": "ServiceAccount", **metadata}],
            }
        )  # fmt: skip
        path = f"/api/v1/namespaces/default/serviceaccounts/{name}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        tokens.append(cluster.request("POST", path, request)["status"]["token"])
    return tokens


def _resident(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def _print_delays(title: str, delays: list[float], stored: list[float], bound: float | None = 100) -> None:
    print(head(title, len(delays)))
    print(row("publish -> at the client", delays, "ms"))
    print(row("  99 of 100", [percentile(delays, 0.99)], "ms", bound))
    if stored:
        print(row("publish -> acknowledged by the bus", stored, "ms"))
        print(row("  99 of 100", [percentile(stored, 0.99)], "ms"))


async def _measure(cluster: Cluster) -> None:
    state = read(cluster.data)
    assert state is not None
    pid = state.children["apiserver"].pid
    assert pid is not None
    runs, tokens = runs_of(cluster), people(cluster)
    async with speakers(cluster, state, runs) as agents:
        paths = [f"/namespaces/default/runs/{runs[n % _SPEAKERS].name}/events" for n in range(_VIEWERS)]
        for pieces in (False, True):
            viewers = await asyncio.to_thread(Viewers, state.dashboard, paths, tokens)
            stored = await all_speak(agents, pieces=pieces)
            delays = await asyncio.to_thread(viewers.end)
            what = "pieces of text" if pieces else "stored messages"
            _print_delays(
                f"{what}: {_SPEAKERS} runs speak 5 times a second, {_VIEWERS} viewers", delays, stored
            )
        await asyncio.to_thread(
            until, lambda: _streams(state) == 0, "the viewers' streams have ended", timeout=60
        )
        before = _resident(pid)
        paths = [
            f"/stream?run=default/{runs[n % _SPEAKERS].name}&watch=agentruns&list=false"
            for n in range(_STREAMS)
        ]
        viewers = await asyncio.to_thread(Viewers, state.dashboard, paths, tokens)
        began, spent = time.monotonic(), _cpu(pid)
        await asyncio.sleep(_SECONDS)
        idle = (_cpu(pid) - spent) / (time.monotonic() - began) * 100
        full = _resident(pid)
        stored = await all_speak(agents, pieces=False)
        spoken = _resident(pid)
        delays = await asyncio.to_thread(viewers.end)
    print(head(f"{_STREAMS} open streams", 1))
    print(row("memory without them", [before], "MB"))
    print(row("memory with them, idle", [full], "MB", 300))
    print(row("memory with them, after all runs spoke", [spoken], "MB", 300))
    print(row("one costs", [(full - before) / _STREAMS * 1024], "kB"))
    print(row("CPU while nothing happens", [idle], "%"))
    _print_delays(
        f"stored messages: {_SPEAKERS} runs speak 5 times a second, {_STREAMS} viewers", delays, stored, None
    )


def _streams(state: State) -> int:
    import urllib.request

    port = state.ports["apiserver-health"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return int(
        float(
            next(
                line for line in text.splitlines() if line.startswith("sympozium_apiserver_streams ")
            ).split()[1]
        )
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, Cluster(Path(directory)) as cluster:
        asyncio.run(_measure(cluster))


if __name__ == "__main__":
    main()
    sys.exit(0)
