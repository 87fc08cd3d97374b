"""The proxy: CONNECT for TLS, absolute-form requests for plain HTTP (RFC 9110 9.3.6, RFC 9112 3.2.2).

One client connection is one destination: after an absolute-form request it is closed, so that a second request cannot
ride on the judgement of the first. The credential is the password of `Proxy-Authorization: Basic`; it is not passed on.
"""

import asyncio
import base64
import binascii
import contextlib
import logging
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

import h11

from sympozium.addresses import of_any
from sympozium.egress.authority import NotAllowedError
from sympozium.egresstoken import Claims
from sympozium.telemetry import metrics, tracecontext, traces

log = logging.getLogger(__name__)

_HEAD_LIMIT: Final = 64 * 1024
_HEAD_TIMEOUT: Final = 10.0
_CONNECT_TIMEOUT: Final = 10.0
_CHUNK: Final = 64 * 1024
_MOST: Final = 4096
_PRIVATE: Final = frozenset({b"proxy-authorization", b"proxy-connection", b"connection", b"keep-alive"})
_COUNT = metrics.counter(
    "sympozium_egress_connections_total", "Connections that runs asked for.", ["verdict"]
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Judge(Protocol):
    """`Authority`."""

    async def identify(self, token: str) -> Claims: ...
    def judge(self, claims: Claims, host: str, port: int, addresses: list[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """`head` is what goes to the destination first; empty for CONNECT."""

    host: str
    port: int
    token: str
    head: bytes
    tunnel: bool


@dataclass(frozen=True, slots=True)
class _Carried:
    claims: Claims
    host: str
    port: int
    address: str


class _AnswerError(Exception):
    """Ends the connection with a status and words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Proxy:
    """`serve` is for `asyncio.start_server`; `recheck` after anything that a judgement rests on has changed."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._carried: dict[asyncio.Task[None], _Carried] = {}
        self._open = 0

    def recheck(self) -> int:
        """Cut what is no longer allowed; returns how many connections."""
        cut = 0
        for task, carried in list(self._carried.items()):
            try:
                self._judge.judge(carried.claims, carried.host, carried.port, [carried.address])
            except NotAllowedError as refusal:
                _log("cut", carried.claims, carried.host, carried.port, str(refusal))
                task.cancel()
                cut += 1
        return cut

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        self._open += 1
        try:
            if self._open > _MOST:
                await _refuse(writer, _AnswerError(503, f"more than {_MOST} connections: try again"))
                return
            async with asyncio.timeout(_HEAD_TIMEOUT):
                asked, rest = await _head(reader)
            await self._one(asked, rest, reader, writer)
        except _AnswerError as answer:
            await _refuse(writer, answer)
        except TimeoutError:
            await _refuse(writer, _AnswerError(408, "no complete request within 10 s"))
        except OSError as error:
            log.debug("a client went away: %s", error)
        finally:
            self._open -= 1
            writer.close()

    async def _one(
        self, asked: _Asked, rest: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            claims = await self._judge.identify(asked.token)
        except NotAllowedError as refusal:
            raise _AnswerError(407, str(refusal)) from refusal
        carried, outer = await self._connect(claims, asked)
        task = asyncio.current_task()
        assert task is not None
        self._carried[task] = carried
        try:
            # What a judgement rests on may have changed while it was being connected.
            self._judge.judge(claims, asked.host, asked.port, [carried.address])
            if asked.tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            outer[1].write(asked.head + rest)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, outer[1]))
                group.create_task(_copy(outer[0], writer))
        except NotAllowedError as refusal:
            raise _AnswerError(403, str(refusal)) from refusal
        except asyncio.CancelledError:
            if task.cancelling() and writer.transport is not None:
                writer.transport.abort()
            raise
        finally:
            del self._carried[task]
            outer[1].close()

    async def _connect(self, claims: Claims, asked: _Asked) -> tuple[_Carried, Streams]:
        host, port = asked.host, asked.port
        parent = tracecontext.parse(claims.trace)
        if parent is None:
            return await self._judged(claims, host, port, traces.Open(tracecontext.new(), ""))
        attributes: dict[str, traces.Value] = {"server.address": host, "server.port": port}
        with traces.span(f"egress {host}", parent, kind="server", attributes=attributes) as span:
            return await self._judged(claims, host, port, span)

    async def _judged(
        self, claims: Claims, host: str, port: int, span: traces.Open
    ) -> tuple[_Carried, Streams]:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                addresses = await of_any(host, port)
                self._judge.judge(claims, host, port, addresses)
                streams = await asyncio.open_connection(addresses[0], port)
        except NotAllowedError as refusal:
            _COUNT.labels("refused").inc()
            span.error = "refused"
            _log("refused", claims, host, port, str(refusal))
            raise _AnswerError(403, str(refusal)) from refusal
        except (OSError, TimeoutError) as error:
            _COUNT.labels("unreachable").inc()
            span.error = "unreachable"
            _log("unreachable", claims, host, port, str(error) or "no answer")
            raise _AnswerError(
                502, f"{host}:{port} cannot be reached: {str(error) or 'no answer'}"
            ) from error
        _COUNT.labels("allowed").inc()
        _log("allowed", claims, host, port, addresses[0])
        return _Carried(claims, host, port, addresses[0]), streams


def _log(verdict: str, claims: Claims, host: str, port: int, words: str) -> None:
    log.info("run %s/%s to %s:%s: %s: %s", claims.namespace, claims.run, host, port, verdict, words)


async def _head(reader: asyncio.StreamReader) -> tuple[_Asked, bytes]:
    """The first request, and what came behind its head. Raises _AnswerError, or ConnectionError at an early end."""
    parser = h11.Connection(our_role=h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
    try:
        while (event := parser.next_event()) is h11.NEED_DATA:
            data = await reader.read(_CHUNK)
            if not data:
                raise ConnectionResetError("closed before its request was complete")
            parser.receive_data(data)
    except h11.RemoteProtocolError as error:
        raise _AnswerError(400, f"not an HTTP/1.1 request: {error}") from error
    if not isinstance(event, h11.Request):
        raise ConnectionResetError("no request")
    token = _token(dict(event.headers).get(b"proxy-authorization", b""))
    target = event.target.decode("ascii", "replace")
    if event.method == b"CONNECT":
        host, port = _host_port(f"//{target}", None)
        return _Asked(host, port, token, b"", tunnel=True), parser.trailing_data[0]
    if not target.startswith("http://"):
        raise _AnswerError(400, "this is a proxy: ask with CONNECT, or with an absolute http:// URL")
    host, port = _host_port(target, 80)
    return _Asked(host, port, token, _origin_form(event, target), tunnel=False), parser.trailing_data[0]


def _host_port(url: str, default: int | None) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or default
    except ValueError as error:
        raise _AnswerError(400, f"{url!r} names no host and port: {error}") from error
    if not parts.hostname or port is None or parts.username:
        raise _AnswerError(400, f"{url!r} names no host and port")
    return parts.hostname.rstrip("."), port


def _token(header: bytes) -> str:
    scheme, _, value = header.partition(b" ")
    if scheme.lower() != b"basic":
        raise _AnswerError(407, "no credential: the proxy URL of a run has it (HTTPS_PROXY)")
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _AnswerError(407, f"the credential cannot be read: {error}") from error


def _origin_form(request: h11.Request, target: str) -> bytes:
    """The head as the destination gets it. h11 has checked that no header holds a line break."""
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [request.method + b" " + path.encode() + b" HTTP/1.1"]
    lines += [b"Host: " + parts.netloc.rpartition("@")[2].encode()]
    kept = ((k, v) for k, v in request.headers.raw_items() if k.lower() not in _PRIVATE | {b"host"})
    lines += [k + b": " + v for k, v in kept]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, until its end, which is passed on; a broken connection ends quietly like a closed one."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _refuse(writer: asyncio.StreamWriter, answer: _AnswerError) -> None:
    body = f"{answer}\n".encode()
    challenge = 'Proxy-Authenticate: Basic realm="sympozium"\r\n' if answer.status == 407 else ""
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\n{challenge}Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with contextlib.suppress(OSError):
        writer.write(head.encode() + body)
        await writer.drain()


_REASONS: Final = {
    400: "Bad Request", 403: "Forbidden", 407: "Proxy Authentication Required", 408: "Request Timeout",
    502: "Bad Gateway", 503: "Service Unavailable",
}  # fmt: skip
