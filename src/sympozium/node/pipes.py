"""Pipes and terminals as streams of asyncio."""

import asyncio
import os


class _WriteProtocol(asyncio.StreamReaderProtocol):
    """Knows when its transport is gone: to abort one that is raises AttributeError in asyncio."""

    lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        super().connection_lost(exc)


class _ReadProtocol(asyncio.StreamReaderProtocol):
    """A terminal that has hung up reads as EIO: an end like any other. As an exception it would hide from `read`
    what has come before it.
    """

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None if isinstance(exc, OSError) else exc)


class PipeWriter:
    """The writing end of a pipe, or a terminal. Owns the descriptor it was opened with."""

    def __init__(self, transport: asyncio.WriteTransport, protocol: _WriteProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._writer = asyncio.StreamWriter(transport, protocol, None, asyncio.get_running_loop())

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. What nobody reads any more is dropped."""
        if self._transport.is_closing():
            return
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            self.abort()

    def end(self) -> None:
        """Close, after what was written has been read."""
        if not self._transport.is_closing():
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if not self._protocol.lost:
            self._transport.abort()


async def open_writer(descriptor: int) -> PipeWriter:
    """Takes the descriptor."""
    loop = asyncio.get_running_loop()
    file = os.fdopen(descriptor, "wb", buffering=0)
    transport, protocol = await loop.connect_write_pipe(
        lambda: _WriteProtocol(asyncio.StreamReader(loop=loop), loop=loop), file
    )
    return PipeWriter(transport, protocol)


async def open_reader(descriptor: int, buffer: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """Takes the descriptor, which the transport closes. At most twice `buffer` bytes are read ahead."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=buffer, loop=loop)
    file = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: _ReadProtocol(reader, loop=loop), file)
    return reader, transport
