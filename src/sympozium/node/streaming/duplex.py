"""A byte connection of the node's server after its upgrade."""

import asyncio
import contextlib
from typing import Protocol

IDLE_SECONDS = 4 * 3600.0
"""A kubelet's streamingConnectionIdleTimeout."""
LINGER_SECONDS = 3.0
CHUNK = 64 * 1024


class GoneError(Exception):
    """The connection has ended under a write."""


class Duplex(Protocol):
    """What a SPDY session runs on: a connection, or a WebSocket that tunnels it."""

    async def read(self) -> bytes:
        """b"" at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. Raises GoneError."""
        ...

    async def close(self) -> None: ...


class Connection:
    """A stream of asyncio. It ends when no byte has moved in either direction for `idle` seconds."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, idle: float = IDLE_SECONDS
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._moved = self._loop.time()
        self._closing = False

    async def read(self) -> bytes:
        while True:
            try:
                async with asyncio.timeout_at(self._moved + self._idle):
                    data = await self._reader.read(CHUNK)
            except TimeoutError:
                if self._moved + self._idle > self._loop.time():  # something was sent meanwhile
                    continue
                return b""
            except OSError:
                return b""
            self._moved = self._loop.time()
            return data

    async def write(self, data: bytes) -> None:
        if self._closing:
            raise GoneError("the connection is closing")
        self._moved = self._loop.time()
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._idle):
                await self._writer.drain()
        except (OSError, TimeoutError) as exc:
            raise GoneError(str(exc)) from exc
        self._moved = self._loop.time()

    async def close(self) -> None:
        """Give the peer a moment to take what was sent, and to close first: closing on bytes that were not read
        would make TCP throw away what is still on its way.
        """
        if self._closing:
            return
        self._closing = True
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self._writer.drain()
                while await self._reader.read(CHUNK):
                    pass
        self._writer.close()
