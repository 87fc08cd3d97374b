"""The five streams of a remote command over one connection, WebSocket or SPDY.

Over WebSocket the first byte of a message is the number of its channel (as a digit, and the rest in base64, in
the base64 protocols); version 5 adds a message that ends a channel, [255, number]. Over SPDY each is a
stream whose headers say which one it is. How the command ended goes to the error channel: as a Status from
version 4 on, as text before, and then only if it failed.
https://kubernetes.io/docs/reference/using-api/api-concepts/ and KEP-4006
"""

import asyncio
import base64
import binascii
import json
from collections import deque
from collections.abc import AsyncGenerator, Collection
from typing import Any, Protocol

from sympozium.node.streaming.session import Session
from sympozium.node.streaming.spdy import Data, Opened, Reset
from sympozium.node.streaming.websocket import WebSocket

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
NAMES = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}

WEBSOCKET = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)
SPDY = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io", "")

_CLOSE = 255
_CREATION_SECONDS = 30.0
_TEXT_LIMIT = 4 * 1024 * 1024
"""Bytes of one message in base64, which has to be complete to be decoded."""
_EARLY_LIMIT = 1024 * 1024
"""Bytes that may come before all streams are there."""

Status = dict[str, Any]


class ChannelsError(Exception):
    """The client does not keep to the protocol."""


class Channels(Protocol):
    """`receive` is for one task; several may send."""

    async def open(self, wanted: Collection[int]) -> None:
        """Until the channels are there. Raises ChannelsError."""
        ...

    async def receive(self) -> tuple[int, bytes | None] | None:
        """Channel and data, None for the end of that channel; None when the client is gone."""
        ...

    async def send(self, channel: int, data: bytes) -> None:
        """Returns when there is room for more. Raises GoneError."""
        ...

    async def finish(self, status: Status) -> None:
        """The last word: how it ended. Raises GoneError."""
        ...

    async def close(self) -> None: ...


def final_words(status: Status, version: int) -> bytes:
    """What goes to the error channel."""
    if version >= 4:
        return json.dumps(status).encode()
    return b"" if status["status"] == "Success" else str(status.get("message", "")).encode()


def version_of(protocol: str) -> int:
    """`v4.channel.k8s.io` -> 4; those without a number are the first."""
    return int(protocol[1]) if protocol[:1] == "v" else 1


class WebSocketChannels:
    def __init__(self, socket: WebSocket, protocol: str) -> None:
        self._socket = socket
        self._version = version_of(protocol)
        self._base64 = "base64" in protocol
        self._channel = -1
        self._text = bytearray()

    async def open(self, wanted: Collection[int]) -> None:
        if self._version < 5:  # says that the connection stands, on the lowest channel that has output
            await self.send(min((c for c in (STDOUT, STDERR) if c in wanted), default=ERROR), b"")

    async def receive(self) -> tuple[int, bytes | None] | None:
        while (piece := await self._socket.receive()) is not None:
            data = piece.data
            if self._base64:
                self._text += data
                if len(self._text) > _TEXT_LIMIT:
                    return None
                if not piece.last:
                    continue
                message, self._text = bytes(self._text), bytearray()
                try:
                    self._channel, data = message[0] - ord("0"), base64.b64decode(message[1:], validate=True)
                except (IndexError, binascii.Error):
                    return None
            elif piece.first:
                if not data:
                    self._channel = -1
                    continue
                self._channel, data = data[0], data[1:]
            if self._channel == _CLOSE and self._version >= 5 and data:
                return data[0], None
            if data and self._channel in {STDIN, RESIZE}:
                return self._channel, data
        return None

    async def send(self, channel: int, data: bytes) -> None:
        if self._base64:
            await self._socket.send(b"%d" % channel + base64.b64encode(data), text=True)
        else:
            await self._socket.send(bytes((channel,)) + data)

    async def finish(self, status: Status) -> None:
        if words := final_words(status, self._version):
            await self.send(ERROR, words)

    async def close(self) -> None:
        await self._socket.close()


class SpdyChannels:
    def __init__(self, session: Session, protocol: str) -> None:
        self._session = session
        self._version = version_of(protocol)
        self._events: AsyncGenerator[Opened | Data | Reset, None] = session.events()
        self._streams: dict[int, int] = {}
        self._channels: dict[int, int] = {}
        self._early: deque[tuple[int, bytes | None]] = deque()

    async def open(self, wanted: Collection[int]) -> None:
        missing = {*wanted, ERROR} - ({RESIZE} if self._version < 3 else set())
        try:
            async with asyncio.timeout(_CREATION_SECONDS):
                while missing:
                    missing.discard(await self._next_stream())
        except TimeoutError as exc:
            names = [name for name, channel in NAMES.items() if channel in missing]
            raise ChannelsError(
                f"timed out waiting for client to create streams: {', '.join(names)}"
            ) from exc

    async def _next_stream(self) -> int:
        size = 0
        async for event in self._events:
            if isinstance(event, Opened):
                name = event.headers.get("streamtype", "")
                if name not in NAMES:
                    raise ChannelsError(f'unexpected stream type: "{name}"')
                channel = NAMES[name]
                self._streams[channel], self._channels[event.stream] = event.stream, channel
                if event.fin:
                    self._early.append((channel, None))
                return channel
            size += len(event.data) if isinstance(event, Data) else 0
            if size > _EARLY_LIMIT:
                raise ChannelsError("data before the streams are complete")
            self._early.extend(self._known(event))
        raise ChannelsError("the client left before its streams were complete")

    def _known(self, event: Data | Reset) -> list[tuple[int, bytes | None]]:
        channel = self._channels.get(event.stream)
        if channel not in {STDIN, RESIZE}:
            return []
        assert channel is not None
        if isinstance(event, Reset):
            return [(channel, None)]
        found: list[tuple[int, bytes | None]] = [(channel, event.data)] if event.data else []
        return [*found, (channel, None)] if event.fin else found

    async def receive(self) -> tuple[int, bytes | None] | None:
        while not self._early:
            event = await anext(self._events, None)
            if event is None:
                return None
            if not isinstance(event, Opened):
                self._early.extend(self._known(event))
        return self._early.popleft()

    async def send(self, channel: int, data: bytes) -> None:
        if channel in self._streams:
            await self._session.send(self._streams[channel], data)

    async def finish(self, status: Status) -> None:
        for channel in (STDOUT, STDERR):
            if channel in self._streams:
                await self._session.finish(self._streams[channel])
        await self.send(ERROR, final_words(status, self._version))
        if ERROR in self._streams:
            await self._session.finish(self._streams[ERROR])

    async def close(self) -> None:
        await self._session.close()
