"""The node's HTTPS endpoint, for the API server: container logs, and what `streaming` serves.

`GET /containerLogs/<namespace>/<pod>/<container>` with the options of PodLogOptions, as a kubelet has it, and
`/exec/...`, `/attach/...`, `/portForward/...`. The client shows a certificate of the cluster's CA; members of
`system:masters` (the API server's own kubelet client) may do all of it, anybody else when a
SubjectAccessReview says that they may `get nodes/proxy`, for streams `create nodes/proxy` whatever the
method: a WebSocket's GET is no reading. One request for each connection; the answer of a log is chunked.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from sympozium.node import logs
from sympozium.node.logs import LogWriter, Query

if TYPE_CHECKING:
    from sympozium.node.streaming.endpoint import Pods

_log = logging.getLogger(__name__)

_HEAD_LIMIT = 256 * 1024  # a command is part of the address
_HEAD_TIMEOUT = 10.0
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
            500: "Internal Server Error"}  # fmt: skip
_STREAMS = ("exec", "attach", "portForward")


class RequestError(Exception):
    """An answer other than 200, in words for the user of kubectl."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


Locate = Callable[[str, str, str, bool], tuple[Path, LogWriter | None]]
"""(namespace, pod, container, previous) -> its log and who writes it. Raises RequestError."""
Authorize = Callable[[str, list[str], str], Awaitable[bool]]
"""(user, groups, verb) -> whether they may reach into this node."""


def tls(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """Raises OSError that names the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(certificate, key)
    except OSError as exc:
        raise OSError(f"certificate {certificate} with key {key}: {exc}") from exc
    try:
        context.load_verify_locations(client_ca)
    except OSError as exc:
        raise OSError(f"client CA {client_ca}: {exc}") from exc
    return context


def query_of(parameters: dict[str, list[str]]) -> tuple[Query, bool]:
    """The options of a request, and whether the previous attempt is meant. Raises RequestError."""
    values = {name: items[-1] for name, items in parameters.items()}

    def number(name: str) -> int | None:
        if name not in values:
            return None
        if not values[name].isdigit():
            raise RequestError(400, f"{name}: {values[name]!r} is not a number that is 0 or more")
        return int(values[name])

    def flag(name: str) -> bool:
        return values.get(name, "false") in {"true", "1", ""} if name in values else False

    since = ""
    try:
        if "sinceTime" in values:
            since = logs.since_time(values["sinceTime"])
        elif (seconds := number("sinceSeconds")) is not None:
            since = logs.since_time((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat())
    except ValueError as exc:
        raise RequestError(400, f"sinceTime: {exc}") from exc
    stream = {"All": "", "Stdout": "stdout", "Stderr": "stderr"}.get(values.get("stream", "All"))
    if stream is None:
        raise RequestError(400, f"stream: {values['stream']!r} is not one of All, Stdout, Stderr")
    query = Query(
        follow=flag("follow"), tail=number("tailLines"), since=since, timestamps=flag("timestamps"),
        limit_bytes=number("limitBytes"), stream=stream,
    )  # fmt: skip
    return query, flag("previous")


class NodeServer:
    """`start` binds; `close` ends every open answer and stream."""

    def __init__(self, locate: Locate, pods: "Pods", authorize: Authorize) -> None:
        self._locate = locate
        self._pods = pods
        self._authorize = authorize
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, port: int, context: ssl.SSLContext, host: str = "127.0.0.1") -> int:
        """Returns the port. Raises OSError when it is in use."""
        self._server = await asyncio.start_server(self._connected, host, port, ssl=context, limit=_HEAD_LIMIT)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(
                ConnectionError,
                TimeoutError,
                asyncio.IncompleteReadError,
                asyncio.LimitOverrunError,
                ssl.SSLError,
            ):
                await self._serve(reader, writer)
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_TIMEOUT):
            head = await reader.readuntil(b"\r\n\r\n")
        try:
            chunks = await self._handle(head, reader, writer)
        except RequestError as exc:
            body = str(exc).encode()
            writer.write(_head(exc.code, f"Content-Length: {len(body)}") + body)
            await writer.drain()
            return
        if chunks is None:
            return
        writer.write(_head(200, "Transfer-Encoding: chunked"))
        await writer.drain()
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_send(writer, chunks))
            leaving = group.create_task(_until_gone(reader))
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            leaving.cancel()

    async def _handle(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> AsyncIterator[bytes] | None:
        """The answer of a log, or None when a stream has been served. Raises RequestError."""
        line, *headers = head[:-4].split(b"\r\n")
        words = line.decode("latin-1").split(" ")
        if len(words) != 3:
            raise RequestError(400, "not an HTTP request")
        try:
            url = urlsplit(words[1])
        except ValueError as exc:
            raise RequestError(400, f"not an address: {exc}") from exc
        parts = tuple(unquote(part) for part in url.path.strip("/").split("/"))
        query = parse_qs(url.query, keep_blank_values=True)
        user, groups = _identity(writer)
        verb = "create" if parts[0] in _STREAMS else "get"
        if "system:masters" not in groups and not await self._authorize(user, groups, verb):
            raise RequestError(403, f"user {user!r} may not {verb} nodes/proxy")
        if parts[0] not in _STREAMS:
            return self._log(words[0], parts, query)
        await self._stream(words[0], parts, query, headers, reader, writer)
        return None

    def _log(
        self, method: str, parts: tuple[str, ...], parameters: dict[str, list[str]]
    ) -> AsyncIterator[bytes]:
        if method != "GET":
            raise RequestError(405, "only GET")
        if len(parts) != 4 or parts[0] != "containerLogs":
            raise RequestError(
                404, "paths: /containerLogs/NAMESPACE/POD/CONTAINER, /exec, /attach, /portForward"
            )
        query, previous = query_of(parameters)
        path, log_writer = self._locate(parts[1], parts[2], parts[3], previous)
        return logs.read(path, query, log_writer)

    async def _stream(
        self,
        method: str,
        parts: tuple[str, ...],
        query: dict[str, list[str]],
        headers: list[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """exec, attach, port-forward. Imported at the first one: a node that never streams does not pay."""
        from sympozium.node.streaming import endpoint, upgrade

        if method not in {"GET", "POST"}:
            raise RequestError(405, "only GET and POST")
        head = upgrade.Head(method, parts, query, upgrade.parse_headers(headers))
        await endpoint.serve(head, self._pods, reader, writer)


def _identity(writer: asyncio.StreamWriter) -> tuple[str, list[str]]:
    """User and groups of the verified client certificate."""
    certificate = cast("dict[str, Any]", writer.get_extra_info("peercert") or {})
    fields = [pair for rdn in certificate.get("subject", ()) for pair in rdn]
    user = next((value for name, value in fields if name == "commonName"), "")
    return user, [value for name, value in fields if name == "organizationName"]


def _head(code: int, framing: str) -> bytes:
    lines = (
        f"HTTP/1.1 {code} {_REASONS[code]}",
        "Content-Type: text/plain; charset=utf-8",
        framing,
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _send(writer: asyncio.StreamWriter, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        if chunk:
            writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _until_gone(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):
        pass
