"""A node probe against real servers: those that have models, and those that would do it harm."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from sympozium.actions.nodelisting import Listing
from sympozium.nodeprobe import probe as module
from sympozium.nodeprobe.probe import Probe
from sympozium.telemetry import health, metrics

Handle = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = "127.0.0.1"


@contextlib.asynccontextmanager
async def listening(handle: Handle, address: str = LOOPBACK, port: int = 0) -> AsyncIterator[int]:
    """Its port; `handle` gets the head of each request."""
    tasks = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await handle(await reader.readuntil(b"\r\n\r\n"), writer)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, address, port)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*(task for task in tasks if task))


def saying(status: str, body: bytes, *headers: str) -> Handle:
    async def handle(_: bytes, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return handle


def models(*names: Any, **more: Any) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name, **more} for name in names]}).encode()


async def look(*ports: int) -> Listing:
    probe = Probe("n1", LOOPBACK, ports)
    assert probe.unready()
    await probe.look()
    assert not probe.unready()
    # As somebody else reads it.
    return Listing.model_validate_json(probe.document())


async def test_what_is_there_is_listed_in_the_order_of_the_ports() -> None:
    asked: list[bytes] = []

    async def vllm(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        await saying("200 OK", models("Qwen/Qwen3-8B", owned_by="vllm", root="/models"))(head, writer)

    ollama = saying("200 OK", models("llama3.2:3b", "qwen3:8b", owned_by="library", created=1))
    async with listening(ollama) as first, listening(vllm) as second:
        found = await look(first, second, first)
    assert (found.node, found.address, found.others) == ("n1", LOOPBACK, [])
    assert [(s.base_url, s.models, s.wants_key) for s in found.servers] == [
        (f"http://{LOOPBACK}:{first}/v1", ["llama3.2:3b", "qwen3:8b"], False),
        (f"http://{LOOPBACK}:{second}/v1", ["Qwen/Qwen3-8B"], False),
    ]
    [head] = asked
    assert head.startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert b"authorization" not in head.lower()
    assert b"accept-encoding: identity" in head.lower()


async def test_one_that_wants_a_key_is_told_from_one_that_refuses_everybody() -> None:
    vllm = saying("401 Unauthorized", b'{"error":"Unauthorized"}')
    page = saying("401 Unauthorized", b"<html>sign in</html>")
    async with listening(vllm) as first, listening(page) as second:
        found = await look(first, second)
    assert [(s.base_url, s.models, s.wants_key) for s in found.servers] == [
        (f"http://{LOOPBACK}:{first}/v1", [], True)
    ]
    assert [o.base_url for o in found.others] == [f"http://{LOOPBACK}:{second}/v1"]


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        (saying("302 Found", b"", "Location: http://169.254.169.254/latest/meta-data/"), "redirects (302)"),
        (saying("200 OK", b"<html>hello</html>"), "does not speak the OpenAI protocol"),
        (saying("200 OK", b'{"data": {"id": "x"}}'), "does not speak the OpenAI protocol"),
        (saying("200 OK", b"\x1f\x8b" + bytes(1000), "Content-Encoding: gzip"), "does not speak the OpenAI protocol"),
        (saying("200 OK", b"[" * 100_000), "does not speak the OpenAI protocol"),
        (saying("404 Not Found", b"\x1b[2J"), "no list of models"),
        (saying("503 Busy", b'{"error": {"message": "loading"}}'), "failed (503): loading"),
        (saying("\x00\xff garbage", bytes(range(256)) * 64), "broke"),
    ],
    ids=["redirect", "page", "shape", "packed", "depth", "404", "503", "garbage"],
)  # fmt: skip
async def test_something_else_is_said_to_be_something_else(handle: Handle, words: str) -> None:
    async with listening(handle) as port, listening(saying("200 OK", models("m"))) as good:
        found = await look(port, good)
    assert [s.models for s in found.servers] == [["m"]]
    [other] = found.others
    assert words in other.problem
    assert other.problem.isprintable()


async def test_nothing_there_is_nothing() -> None:
    async with listening(saying("200 OK", b"")) as port:
        pass
    found = await look(port)
    assert (found.servers, found.others) == ([], [])


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    sent = 0

    async def endless(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n{"data": [')
        while sent < 104857600:
            writer.write(b" " * 65536)
            await writer.drain()
            sent += 65536

    async with listening(endless) as port:
        found = await look(port)
    assert "more than 1048576 bytes" in found.others[0].problem
    # What the kernel's buffers of both sides took besides.
    assert sent < 32 * 1024 * 1024


async def test_one_that_hangs_holds_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    gone = asyncio.Event()

    async def hangs(_: bytes, writer: asyncio.StreamWriter) -> None:
        await gone.wait()

    async def trickles(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not gone.is_set():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    good = saying("200 OK", models("m"))
    async with listening(hangs) as one, listening(trickles) as two, listening(good) as three:
        found = await look(one, two, three)
        gone.set()
    assert [s.models for s in found.servers] == [["m"]]
    assert ["gave no answer" in o.problem for o in found.others] == [True, True]


async def test_names_that_no_model_has_are_counted_and_not_passed_on() -> None:
    names = [*(f"m{i}" for i in range(150)), "\x1b[2J", "x" * 300]
    async with listening(saying("200 OK", models("evil\nname", *names))) as port:
        found = await look(port)
    [server] = found.servers
    assert server.models == [f"m{i}" for i in range(100)]
    assert server.left_out == 53


async def test_what_it_found_is_served_and_counted_and_what_changes_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with listening(saying("200 OK", models("a", "b"))) as port:
        probe = Probe("n1", LOOPBACK, [port])
        await probe.look()
        await probe.look()
    async with health.serve(0, probe.unready, documents={"/models": probe.document}) as served:
        reader, writer = await asyncio.open_connection(LOOPBACK, served)
        writer.write(b"GET /models HTTP/1.1\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    assert b"Content-Type: application/json" in head
    document = json.loads(body)
    assert (document["node"], document["servers"][0]["baseURL"]) == ("n1", f"http://{LOOPBACK}:{port}/v1")
    assert document["checkedAt"]
    shown = metrics.render().decode()
    assert f'sympozium_node_models{{port="{port}"}} 2.0' in shown
    assert f'sympozium_node_probe_answers_total{{outcome="models",port="{port}"}} 2.0' in shown
    await probe.look()
    assert f'sympozium_node_models{{port="{port}"}} 0.0' in metrics.render().decode()
    messages = [r.getMessage() for r in caplog.records if r.name == module.__name__]
    assert [m.partition("/v1 ")[2] for m in messages] == ["lists a, b", "is no model server any more"]
