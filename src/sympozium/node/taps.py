"""Listeners to a container's output beside its log: attached clients.

What a listener has not taken yet is kept up to a limit; then the container's output is not read on until the
listener has caught up, so that its pipe fills and the container waits: nothing is lost and nothing grows.
A listener that takes nothing for half a minute is cut off, for the container's and the others' sake.
"""

import asyncio
from collections import deque
from collections.abc import Callable

LIMIT = 1024 * 1024
STALL_SECONDS = 30.0


class Tap:
    """One listener. `get` is for one task."""

    def __init__(self, taps: "Taps") -> None:
        self._taps = taps
        self._items: deque[tuple[str, bytes]] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self.cut = ""
        """Why the output ends here although the container's goes on; "" otherwise."""

    @property
    def full(self) -> bool:
        return self._size >= LIMIT

    def put(self, stream: str, data: bytes) -> None:
        self._items.append((stream, data))
        self._size += len(data)
        self._wake.set()
        if self.full and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(STALL_SECONDS, self._stalled)

    def _stalled(self) -> None:
        self.cut = f"the client has taken no output for {STALL_SECONDS:.0f} s: it is cut off"
        self._items.clear()
        self.close()
        self.end()

    def end(self) -> None:
        """No more output comes."""
        self._ended = True
        self._wake.set()

    async def get(self) -> tuple[str, bytes] | None:
        """Stream and data; None after the last one."""
        while not self._items:
            if self._ended:
                return None
            self._wake.clear()
            await self._wake.wait()
        item = self._items.popleft()
        self._size -= len(item[1])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            if self.full:
                self._timer = asyncio.get_running_loop().call_later(STALL_SECONDS, self._stalled)
        self._taps.taken()
        return item

    def close(self) -> None:
        """Listen no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._size = 0
        self._taps.remove(self)


class Taps:
    """All listeners of one process; `resume` is called when its output may be read on."""

    def __init__(self, resume: Callable[[], None]) -> None:
        self._taps: set[Tap] = set()
        self._resume = resume
        self._ended = False

    def add(self) -> Tap:
        tap = Tap(self)
        if self._ended:
            tap.end()
        else:
            self._taps.add(tap)
        return tap

    def remove(self, tap: Tap) -> None:
        self._taps.discard(tap)
        self.taken()

    @property
    def full(self) -> bool:
        """Whether the process's output should wait."""
        return any(tap.full for tap in self._taps)

    def put(self, stream: str, data: bytes) -> None:
        for tap in self._taps:
            tap.put(stream, data)

    def taken(self) -> None:
        if not self.full:
            self._resume()

    def end(self) -> None:
        self._ended = True
        for tap in self._taps:
            tap.end()
