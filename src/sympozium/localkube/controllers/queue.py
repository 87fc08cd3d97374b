"""Keys that want attention: each at most once, never two workers on one key, failures later.

A key that is added while a worker has it is handed out again when that worker is done. Timers are the event
loop's: an empty queue costs nothing.
"""

import asyncio
from collections import deque
from typing import Generic, Protocol, TypeVar

K = TypeVar("K")

BASE_DELAY = 0.02
MAX_DELAY = 60.0


class Ready(Protocol[K]):
    """The keys that wait for a worker; a deque, or something with an order of its own."""

    def append(self, key: K, /) -> None: ...

    def popleft(self) -> K: ...

    def __len__(self) -> int: ...


class Queue(Generic[K]):
    """A work queue for one event loop."""

    def __init__(self) -> None:
        self._ready: Ready[K] = deque()
        self._waiting: set[K] = set()
        self._busy: set[K] = set()
        self._dirty: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Hand out the key as soon as a worker is free."""
        if key in self._busy:
            self._dirty.add(key)
            return
        if key in self._waiting:
            return
        self._waiting.add(key)
        self._ready.append(key)
        self._wake.set()

    def add_after(self, key: K, delay: float) -> None:
        """Add the key in `delay` seconds; of several times for a key the earliest holds."""
        if delay <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(delay, self._due, key)

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    async def get(self) -> K:
        """The next key; call `done` for it. Cancellation takes nothing."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: K) -> None:
        self._busy.discard(key)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def retry(self, key: K) -> float:
        """Add the key after a delay that doubles with each failure; returns the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(BASE_DELAY * float(2 ** min(failures, 16)), MAX_DELAY)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key was handled: its next failure is its first."""
        self._failures.pop(key, None)

    def close(self) -> None:
        """Drop the timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
