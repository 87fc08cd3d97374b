"""A connection to a node that is upgraded, and the bytes that go through it.

Each direction is a loop of one read and one write that waits for room, so the slow side holds up the fast one
and nothing is kept beyond the buffers of the two connections. TLS knows no half-open connections: when one side
ends, what it sent before is delivered and then both are closed (the protocols inside have ends of their own).
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from sympozium.localkube.errors import ApiError
from sympozium.localkube.wire import Answer, Tunnel

ANSWER_SECONDS = 30.0
CLOSE_SECONDS = 5.0
CHUNK = 64 * 1024
BODY_LIMIT = 1024 * 1024
"""Of a refusal by the node."""

_NOT_FORWARDED = frozenset(
    {"host", "authorization", "content-length", "transfer-encoding", "accept-encoding", "expect"}
)


@dataclass(slots=True)
class _Upstream:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Tunnels:
    """All streams that are open, so that they can be ended when the server goes down."""

    def __init__(self) -> None:
        self._open: set[asyncio.StreamWriter] = set()

    def end(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def open(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        method: str,
        path: str,
        headers: Mapping[str, str],
    ) -> Tunnel | Answer:
        """Ask the node for the upgrade: a tunnel, or the node's refusal. Raises ApiError 500."""
        upstream = _Upstream(*streams)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                upstream.writer.write(_request(method, path, headers, upstream))
                await upstream.writer.drain()
                head = await upstream.reader.readuntil(b"\r\n\r\n")
                status = _status(head)
                if status != 101:
                    return await _refusal(upstream, head, status)
        except (
            OSError,
            TimeoutError,
            ValueError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as exc:
            upstream.writer.close()
            why = "EOF" if isinstance(exc, asyncio.IncompleteReadError) else str(exc) or "timed out"
            raise ApiError(500, f"error dialing backend: the node did not answer: {why}", reason="") from exc
        except BaseException:
            upstream.writer.close()
            raise

        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, extra: list[str]) -> None:
            await self._run(upstream, head, reader, writer, extra)

        return Tunnel(run=run, discard=upstream.writer.close)

    async def _run(
        self,
        upstream: _Upstream,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        extra: list[str],
    ) -> None:
        """Until one of the sides ends. Cancelling closes both."""
        self._open |= {upstream.writer, writer}
        try:
            writer.write(head[:-2] + "".join(f"{line}\r\n" for line in extra).encode("latin-1") + b"\r\n")
            async with asyncio.TaskGroup() as group:
                copies = {
                    group.create_task(_copy(reader, upstream.writer)),
                    group.create_task(_copy(upstream.reader, writer)),
                }
                await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
                for copy in copies:
                    copy.cancel()
        finally:
            self._open -= {upstream.writer, writer}
            upstream.writer.close()
            writer.close()
            await _closed(writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, to its end and that of what was written before."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """What was written is on its way, or the peer does not take it within a few seconds."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()


def _request(method: str, path: str, headers: Mapping[str, str], upstream: _Upstream) -> bytes:
    """The client's request with its headers, but for who it is: to the node the API server speaks."""
    host, port = upstream.writer.get_extra_info("peername")[:2]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}"]
    lines += [
        f"{name}: {value}"
        for name, value in headers.items()
        if name not in _NOT_FORWARDED and not name.startswith(("impersonate-", "x-remote-"))
    ]
    if method == "POST":
        lines.append("Content-Length: 0")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _status(head: bytes) -> int:
    """Raises ValueError."""
    words = head.split(b"\r\n", 1)[0].split(b" ")
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ValueError("its answer is not HTTP")
    return int(words[1])


async def _refusal(upstream: _Upstream, head: bytes, status: int) -> Answer:
    """The node's own words, which clients show. Raises ApiError."""
    headers = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "")
    size = min(int(length), BODY_LIMIT) if length.isdigit() else BODY_LIMIT
    body = b""
    while len(body) < size and (data := await upstream.reader.read(size - len(body))):
        body += data
    upstream.writer.close()
    if status < 400:
        raise ApiError(500, f"invalid upgrade response: status code {status}", reason="")
    kept = [("x-accepted-stream-protocol-versions", headers["x-accepted-stream-protocol-versions"])] if (
        "x-accepted-stream-protocol-versions" in headers
    ) else []  # fmt: skip
    return Answer(
        status=status, body=body, content_type=headers.get("content-type", "text/plain"), headers=kept
    )
