"""Connections of a client to ports of a pod: over SPDY any number of them, over WebSocket one for each port asked for.

Each is a pair of streams: data, and an error stream that says why there is no connection. A connection is made to
127.0.0.1 inside the pod's network by a socket of that network (`netns.socket_inside`), whatever thread uses it then.
A pod without a network of its own has the node's, and so has its port-forward.

Over SPDY the streams of a pair have the header `requestid` in common. Over WebSocket port number `i` of the URL
has the channels `2i` (data) and `2i+1` (error), and each begins with the port as two bytes, the low one first.
"""

import asyncio
import base64
import binascii
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from sympozium.node import netns
from sympozium.node.netns import Network
from sympozium.node.server import RequestError
from sympozium.node.streaming import spdy
from sympozium.node.streaming.duplex import CHUNK, GoneError
from sympozium.node.streaming.session import Session
from sympozium.node.streaming.spdy import Data, Headers, Opened, Reset
from sympozium.node.streaming.websocket import WebSocket

WEBSOCKET = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io", "")
SPDY = ("portforward.k8s.io", "")
TUNNEL = "SPDY/3.1+portforward.k8s.io"
PORTS_LIMIT = 120
"""Of a WebSocket: the number of a channel is one byte."""
CONNECT_SECONDS = 10.0

Connect = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""port -> a connection. Raises OSError, TimeoutError."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A pod, as messages name it, and its network."""

    name: str
    uid: str
    network: Network | None

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises OSError, TimeoutError."""
        async with asyncio.timeout(CONNECT_SECONDS):
            if self.network is None:
                return await asyncio.open_connection("127.0.0.1", port)
            sock = await asyncio.to_thread(netns.socket_inside, self.network)
            try:
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
                return await asyncio.open_connection(sock=sock)
            except BaseException:
                sock.close()
                raise

    def refusal(self, port: int, why: Exception) -> bytes:
        """What the error stream says."""
        cause = "connection refused" if isinstance(why, ConnectionRefusedError) else str(why) or "i/o timeout"
        return (
            f"error forwarding port {port} to pod {self.name}, uid {self.uid}: failed to connect to localhost:{port} "
            f"inside the pod's network: dial tcp4 127.0.0.1:{port}: connect: {cause}"
        ).encode()


def ports_of(query: dict[str, list[str]]) -> list[int]:
    """The ports of a WebSocket's URL. Raises RequestError."""
    texts = [text for value in query.get("port", ()) for text in value.split(",")]
    if not texts:
        raise RequestError(400, 'query parameter "port" is required')
    if len(texts) > PORTS_LIMIT:
        raise RequestError(400, f"at most {PORTS_LIMIT} ports over one WebSocket")
    return [port_of(text) for text in texts]


def port_of(text: str) -> int:
    """Raises RequestError."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536 and len(text) < 6):
        raise RequestError(400, f'invalid port "{text}"; must be a number from 1 to 65535')
    return int(text)


# -- SPDY


@dataclass(slots=True)
class _Pair:
    """A forwarded connection: its streams, and its end in the pod once there is one."""

    data: int = 0
    error: int = 0
    port: int = 0
    writer: asyncio.StreamWriter | None = None
    early: list[bytes] = field(default_factory=list)
    """What came before the connection was there; the client sends little before it hears something."""
    early_size: int = 0
    ended: bool = False
    """The client has ended its direction."""


class Forwarder:
    """All connections of one SPDY session."""

    def __init__(self, session: Session, destination: Destination) -> None:
        self._session = session
        self._destination = destination
        self._pairs: dict[str, _Pair] = {}
        self._of_stream: dict[int, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until the client is gone; then every connection ends."""
        async with asyncio.TaskGroup() as group:
            with contextlib.suppress(GoneError):
                async for event in self._session.events():
                    match event:
                        case Opened():
                            await self._opened(event, group)
                        case Data():
                            await self._data(event)
                        case Reset():
                            self._reset(event.stream)
            for task in self._tasks.values():
                task.cancel()
        await self._session.close()

    async def _opened(self, event: Opened, group: asyncio.TaskGroup) -> None:
        kind = event.headers.get("streamtype", "")
        try:
            port = port_of(event.headers.get("port", ""))
        except RequestError:
            port = 0
        if kind not in {"data", "error"} or not port:
            await self._session.reset(event.stream, spdy.PROTOCOL_ERROR)
            return
        request = _request_id(event.stream, kind, event.headers)
        pair = self._pairs.setdefault(request, _Pair(port=port))
        if getattr(pair, kind) or pair.port != port:
            await self._session.reset(event.stream, spdy.PROTOCOL_ERROR)
            return
        setattr(pair, kind, event.stream)
        self._of_stream[event.stream] = request
        if kind == "data" and event.fin:
            pair.ended = True
        if pair.data and pair.error:
            self._tasks[request] = group.create_task(self._forward(request, pair))

    async def _data(self, event: Data) -> None:
        pair = self._pairs.get(self._of_stream.get(event.stream, ""))
        if pair is None or event.stream != pair.data:
            return
        pair.ended = pair.ended or event.fin
        if pair.writer is None:
            pair.early.append(event.data)
            pair.early_size += len(event.data)
            if pair.early_size > 4 * CHUNK:
                await self._session.reset(pair.data)
                self._reset(pair.data)
            return
        if event.data:
            pair.writer.write(event.data)
            with contextlib.suppress(OSError):
                await pair.writer.drain()
        if event.fin:
            _end(pair.writer)

    def _reset(self, stream: int) -> None:
        """One stream of a pair is gone: so is its connection."""
        if task := self._tasks.get(self._of_stream.get(stream, "")):
            task.cancel()

    async def _forward(self, request: str, pair: _Pair) -> None:
        try:
            try:
                reader, pair.writer = await self._destination.connect(pair.port)
            except (OSError, TimeoutError) as exc:
                await self._session.send(pair.error, self._destination.refusal(pair.port, exc))
                return
            pair.writer.writelines(pair.early)
            pair.early.clear()
            if pair.ended:
                _end(pair.writer)
            async for data in _chunks(reader):
                await self._session.send(pair.data, data)
        except GoneError:
            pass
        finally:
            if pair.writer is not None:
                pair.writer.close()
            self._drop(request, pair)
            with contextlib.suppress(GoneError):
                await self._session.finish(pair.data)
                await self._session.finish(pair.error)

    def _drop(self, request: str, pair: _Pair) -> None:
        self._pairs.pop(request, None)
        self._tasks.pop(request, None)
        for stream in (pair.data, pair.error):
            self._of_stream.pop(stream, None)


def _request_id(stream: int, kind: str, headers: Headers) -> str:
    """Clients before 1.3 send none: their data stream follows the error stream."""
    return headers.get("requestid") or f"#{stream if kind == 'error' else stream - 2}"


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            yield data


def _end(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, RuntimeError):  # it may have ended by itself
        writer.write_eof()


# -- WebSocket


class SocketForwarder:
    """The connections of one WebSocket: one for each port, made at once, not made again."""

    def __init__(self, socket: WebSocket, protocol: str, destination: Destination, ports: list[int]) -> None:
        self._socket = socket
        self._base64 = "base64" in protocol
        self._destination = destination
        self._ports = ports
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._channel = -1
        self._text = bytearray()

    async def run(self) -> None:
        """Until the client is gone, or all connections have ended."""
        try:
            for index, port in enumerate(self._ports):
                for channel in (2 * index, 2 * index + 1):
                    await self._send(channel, port.to_bytes(2, "little"))
            async with asyncio.TaskGroup() as group:
                forwards = [
                    group.create_task(self._forward(2 * index, port))
                    for index, port in enumerate(self._ports)
                ]
                listening = group.create_task(self._listen(forwards))
                await asyncio.wait(
                    {listening, group.create_task(_all(forwards))}, return_when=asyncio.FIRST_COMPLETED
                )
                for task in (listening, *forwards):
                    task.cancel()
        except GoneError:
            pass
        finally:
            for writer in self._writers.values():
                writer.close()
            await self._socket.close()

    async def _forward(self, channel: int, port: int) -> None:
        with contextlib.suppress(GoneError):
            try:
                reader, self._writers[channel] = await self._destination.connect(port)
            except (OSError, TimeoutError) as exc:
                await self._send(channel + 1, self._destination.refusal(port, exc))
                return
            async for data in _chunks(reader):
                await self._send(channel, data)

    async def _send(self, channel: int, data: bytes) -> None:
        if self._base64:
            await self._socket.send(chr(ord("0") + channel).encode() + base64.b64encode(data), text=True)
        else:
            await self._socket.send(bytes((channel,)) + data)

    async def _listen(self, forwards: list[asyncio.Task[None]]) -> None:
        while (piece := await self._socket.receive()) is not None:
            data = piece.data
            if self._base64:
                self._text += data
                if len(self._text) > 4 * 1024 * 1024:
                    return
                if not piece.last:
                    continue
                message, self._text = bytes(self._text), bytearray()
                try:
                    self._channel, data = message[0] - ord("0"), base64.b64decode(message[1:], validate=True)
                except (IndexError, binascii.Error):
                    return
            elif piece.first:
                if not data:
                    self._channel = -1
                    continue
                self._channel, data = data[0], data[1:]
            if data and self._channel % 2 == 0 and self._channel // 2 < len(forwards):
                await self._write(data)

    async def _write(self, data: bytes) -> None:
        for _ in range(int(CONNECT_SECONDS * 100)):
            writer = self._writers.get(self._channel)
            if writer is not None:
                with contextlib.suppress(OSError):
                    writer.write(data)
                    await writer.drain()
                return
            await asyncio.sleep(0.01)


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
