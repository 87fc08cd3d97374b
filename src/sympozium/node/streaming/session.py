"""One SPDY connection of a client: the streams that it opens, what comes on them, what is sent on them."""

import contextlib
from collections.abc import AsyncGenerator

from sympozium.node.streaming import spdy
from sympozium.node.streaming.duplex import Duplex, GoneError
from sympozium.node.streaming.spdy import (
    Data,
    Event,
    GoAway,
    Headers,
    Opened,
    Ping,
    Replied,
    Reset,
    SpdyError,
)

STREAM_LIMIT = 2048
"""Open streams of a connection: a browser's worth of forwarded connections, twice two each."""


class Session:
    """`events` must be read by one task for as long as the session lives; several may send."""

    def __init__(self, duplex: Duplex) -> None:
        self._duplex = duplex
        self._decoder = spdy.Decoder()
        self._encoder = spdy.Encoder()
        self._last = 0
        self._receiving: set[int] = set()
        self._sending: set[int] = set()
        self.headers: dict[int, Headers] = {}
        """Of the streams that are open in either direction."""

    async def events(self) -> AsyncGenerator[Opened | Data | Reset, None]:
        """Until the connection ends, or what comes is not SPDY. Every opened stream has been accepted already."""
        with contextlib.suppress(GoneError, SpdyError):
            while data := await self._duplex.read():
                for event in self._decoder.feed(data):
                    if isinstance(event, GoAway):
                        continue  # the peer opens no more streams; it closes when it is done
                    if (known := await self._take(event)) is not None:
                        yield known

    async def _take(self, event: Event) -> Opened | Data | Reset | None:
        match event:
            case Opened():
                return event if await self._accept(event) else None
            case Data():
                if event.stream not in self._receiving:
                    return None  # of a stream that was reset from here, or never opened
                if event.fin:
                    self._receiving.discard(event.stream)
                    self._forget(event.stream)
                return event
            case Reset():
                if event.stream not in self.headers:
                    return None
                self._receiving.discard(event.stream)
                self._sending.discard(event.stream)
                self._forget(event.stream)
                return event
            case Ping():
                if event.number % 2:  # the client's own; even ones would be answers to ours
                    await self._duplex.write(spdy.ping(event.number))
            case Replied() | GoAway():
                pass  # we open no streams
        return None

    async def _accept(self, event: Opened) -> bool:
        if event.stream <= self._last or event.stream % 2 == 0:
            raise SpdyError(f"stream {event.stream} after {self._last}: a client's numbers are odd and rise")
        self._last = event.stream
        if len(self.headers) >= STREAM_LIMIT:
            await self._duplex.write(spdy.reset(event.stream, spdy.REFUSED_STREAM))
            return False
        self.headers[event.stream] = event.headers
        self._sending.add(event.stream)
        if not event.fin:
            self._receiving.add(event.stream)
        await self._duplex.write(self._encoder.reply(event.stream))
        return True

    def _forget(self, stream: int) -> None:
        if stream not in self._receiving and stream not in self._sending:
            self.headers.pop(stream, None)

    async def send(self, stream: int, content: bytes) -> None:
        """Returns when there is room for more. What the peer no longer wants is dropped. Raises GoneError."""
        for start in range(0, len(content), spdy.DATA_SIZE):
            if stream not in self._sending:
                return
            await self._duplex.write(spdy.data(stream, content[start : start + spdy.DATA_SIZE]))

    async def finish(self, stream: int) -> None:
        """End our direction of a stream. Raises GoneError."""
        if stream in self._sending:
            self._sending.discard(stream)
            self._forget(stream)
            await self._duplex.write(spdy.data(stream, b"", fin=True))

    async def reset(self, stream: int, status: int = spdy.CANCEL) -> None:
        """End both directions of a stream at once. Raises GoneError."""
        if stream in self.headers:
            self._receiving.discard(stream)
            self._sending.discard(stream)
            self._forget(stream)
            await self._duplex.write(spdy.reset(stream, status))

    async def close(self) -> None:
        """Say goodbye and close the connection."""
        with contextlib.suppress(GoneError):
            await self._duplex.write(spdy.go_away(self._last))
        await self._duplex.close()
