"""Changes on their way to those who follow: a bounded queue for each watcher.

A watcher never sees a gap. One that does not keep up is ended, and its client lists again: dropping
or merging its events would be wrong, and keeping them all would let one slow reader take the memory.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sympozium.localkube.store import Entry

QUEUE_LIMIT = 10_000
QUEUE_BYTES = 32 * 1024 * 1024
"""Of encoded objects in one queue: ten thousand of the largest ones would be more than a machine has."""


@dataclass(slots=True, eq=False)
class Change:
    """One write. For DELETED `entry` is the last state, at the revision of the deletion.

    `old` is the state before (None for ADDED). `encoded` caches watch lines for all who want the same.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    rev: int
    entry: "Entry"
    old: "Entry | None"
    encoded: dict[Any, Any] = field(default_factory=dict)


class Watcher:
    """The queue of one watch. Made by `Store.watch`."""

    def __init__(self, *, since: int, namespace: str | None, forget: Callable[["Watcher"], None]) -> None:
        self._since = since
        self._namespace = namespace
        self._forget = forget
        self._queue: list[Change] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False
        self.overflowed = False

    def offer(self, change: Change) -> None:
        """Called by the store for each committed change."""
        if self.closed or change.rev <= self._since:
            return
        if self._namespace is not None and change.entry.namespace != self._namespace:
            return
        if len(self._queue) >= QUEUE_LIMIT or self._size > QUEUE_BYTES:
            self.overflowed = True
            self.close()
            return
        self._queue.append(change)
        self._size += len(change.entry.raw)
        self._wake()

    def replay(self, change: Change) -> None:
        """History, before the watch is live: read at once, so the bound does not apply."""
        self._queue.append(change)

    async def batch(self, wait: float) -> list[Change]:
        """What is queued, waiting up to `wait` seconds for the first; empty after that time.

        Empty at once when the watcher is closed and drained (`closed` tells which it is).
        """
        if not self._queue and not self.closed:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(wait, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        changes, self._queue, self._size = self._queue, [], 0
        return changes

    @property
    def pending(self) -> bool:
        """Whether there is something to read now."""
        return bool(self._queue)

    def close(self) -> None:
        """Ends the watch; what is queued can still be read unless it overflowed."""
        if self.closed:
            return
        self.closed = True
        if self.overflowed:
            self._queue.clear()
        # The store may be iterating over its watchers right now.
        asyncio.get_running_loop().call_soon(self._forget, self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
