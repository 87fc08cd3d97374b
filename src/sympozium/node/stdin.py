"""A container's standard input: a pipe or the container's terminal, written by clients that attach."""

import asyncio
import os

from sympozium.node.pipes import PipeWriter, open_writer


class Stdin:
    """Owns `descriptor`. Made only for containers with `stdin: true`; it stays open until `end` or `close`."""

    def __init__(self, descriptor: int, *, terminal: bool) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor: int | None = descriptor
        self._terminal = terminal
        self._writer: PipeWriter | None = None
        self._opening = asyncio.Lock()

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. What the container no longer reads is dropped."""
        async with self._opening:
            if self._descriptor is not None:
                descriptor, self._descriptor = self._descriptor, None
                self._writer = await open_writer(descriptor)
        if self._writer is not None:
            await self._writer.write(data)

    def end(self) -> None:
        """No more input: the container reads the end of it. A terminal has no end but its hang-up."""
        if self._terminal:
            return
        self._release()
        if self._writer is not None:
            self._writer.end()

    def close(self) -> None:
        """The container has ended."""
        self._release()
        if self._writer is not None:
            self._writer.abort()

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
