"""A queue of keys that want attention, after client-go's workqueue.

Three promises, from which the reconcilers' correctness follows:

- a key that is added while it waits is in the queue once;
- a key that is added while it is in work is not handed out a second time, but waits until `done`, and is
  then handed out again: nothing that happened meanwhile is missed, and the same key is never reconciled
  twice at once;
- `add_after` keeps the earliest of the times asked for.

Failures back off for each key alone (5 ms doubling to `max_delay`), so that one bad object does not hold
up the others. Time is the loop's, so tests run on a virtual clock.
https://pkg.go.dev/k8s.io/client-go/util/workqueue
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

BASE_DELAY: Final = 0.005
MAX_DELAY: Final = 60.0


class ShutDownError(Exception):
    """The queue was shut down; its workers end."""


class WorkQueue(Generic[Key]):
    """For one event loop; not thread-safe."""

    def __init__(self, *, base_delay: float = BASE_DELAY, max_delay: float = MAX_DELAY) -> None:
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._waiting: OrderedDict[Key, None] = OrderedDict()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._getters: list[asyncio.Future[None]] = []
        self._shut_down = False

    def __len__(self) -> int:
        """Keys that could be handed out now; neither delayed ones nor those in work."""
        return len(self._waiting)

    @property
    def in_work(self) -> int:
        return len(self._working)

    @property
    def delayed(self) -> int:
        return len(self._timers)

    def add(self, key: Key) -> None:
        """Hand out the key as soon as a worker is free."""
        if self._shut_down:
            return
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = None
            self._wake()

    def add_after(self, key: Key, seconds: float) -> None:
        """Hand out the key in so many seconds, or earlier if something earlier was asked for."""
        if seconds <= 0:
            self.add(key)
            return
        if self._shut_down or key in self._waiting:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if timer := self._timers.get(key):
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def add_rate_limited(self, key: Key) -> float:
        """Hand out the key after its back-off; returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # The exponent is bounded before the power: 2 ** 2000 is a number, but no float.
        delay = min(self._base_delay * 2 ** min(failures, 40), self._max_delay)
        self.add_after(key, delay)
        return float(delay)

    def forget(self, key: Key) -> None:
        """The key went well: its next failure starts from the shortest delay."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        return self._failures.get(key, 0)

    async def get(self) -> Key:
        """The next key; the caller must call `done` for it. Raises ShutDownError. Cancelling loses nothing."""
        while not self._waiting:
            if self._shut_down:
                raise ShutDownError
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                # The wake-up may have been meant for us in the very moment of our end: pass it on.
                if getter.done() and not getter.cancelled() and self._waiting:
                    self._wake()
                raise
            finally:
                if getter in self._getters:
                    self._getters.remove(getter)
        if self._shut_down:
            raise ShutDownError
        key, _ = self._waiting.popitem(last=False)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """The worker is finished with the key, well or not."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def shut_down(self) -> None:
        """Hand out nothing more; `get` raises ShutDownError."""
        self._shut_down = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for getter in self._getters:
            if not getter.done():
                getter.set_result(None)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _wake(self) -> None:
        for getter in self._getters:
            if not getter.done():
                getter.set_result(None)
                return
