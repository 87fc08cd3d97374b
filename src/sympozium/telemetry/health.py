"""`/healthz`, `/readyz` and `/metrics` of a process, without a web framework; on loopback, or in a pod where its probes come from.

These and what a process adds to them, GET and HEAD, one request for each connection: a framework would cost more memory
than it saves lines.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sympozium.telemetry import metrics

_HEAD_LIMIT: Final = 16 * 1024
_TIMEOUT: Final = 5.0
_TEXT: Final = "text/plain; charset=utf-8"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}

Unready = Callable[[], Sequence[str]]
"""What is still missing before the process is ready, in words; empty when it is."""


Documents = Mapping[str, Callable[[], bytes]]
"""Path to JSON: what else a process has to say."""


def answer(method: str, path: str, unready: Unready, documents: Documents) -> tuple[int, str, bytes]:
    """Status, content type and body for a request; no I/O."""
    if method not in ("GET", "HEAD"):
        return 405, _TEXT, b"only GET and HEAD\n"
    path = path.partition("?")[0]
    if document := documents.get(path):
        return 200, "application/json", document()
    match path:
        case "/healthz" | "/livez":
            return 200, _TEXT, b"ok\n"
        case "/readyz":
            missing = unready()
            return (503, _TEXT, "\n".join([*missing, ""]).encode()) if missing else (200, _TEXT, b"ok\n")
        case "/metrics":
            return 200, metrics.CONTENT_TYPE, metrics.render()
    paths = " ".join(("/healthz", "/readyz", "/metrics", *documents))
    return 404, _TEXT, f"paths: {paths}\n".encode()


@contextlib.asynccontextmanager
async def serve(
    port: int | None,
    unready: Unready,
    *,
    host: str = "127.0.0.1",
    documents: Documents = MappingProxyType({}),
) -> AsyncIterator[int]:
    """Serve within the block; yields the port (0 asked for a free one). With None, serves nothing.

    Raises OSError when the port is in use.
    """
    if port is None:
        yield 0
        return

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_TIMEOUT):
                await _respond(reader, writer, unready, documents)
        writer.close()

    server = await asyncio.start_server(connected, host, port, limit=_HEAD_LIMIT)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def _respond(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, unready: Unready, documents: Documents
) -> None:
    method = ""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        status, kind, body = answer(method, path, unready, documents)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        status, kind, body = 400, _TEXT, b"not an HTTP request\n"
    writer.write(
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    )
    writer.write(b"" if method == "HEAD" else body)
    await writer.drain()
