"""The loop of a controller: keys in, `sync` on each, failures again with back-off.

`sync(key)` looks at what is and moves it one step; it returns None, or after how many seconds the key
is to be looked at again. A conflict is not a failure: somebody else was faster, and the change comes
by the watch or is read again at the retry.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from sympozium.localkube.controllers.queue import Queue
from sympozium.localkube.errors import ApiError

log = logging.getLogger(__name__)

K = TypeVar("K")
CONFLICT_DELAY = 0.01


class Controller(Generic[K]):
    """One queue and its workers. `counts` is shared by all controllers: (name, what) -> how often."""

    def __init__(
        self,
        name: str,
        sync: Callable[[K], Awaitable[float | None]],
        counts: Counter[tuple[str, str]],
        *,
        workers: int = 1,
    ) -> None:
        self.name = name
        self.queue: Queue[K] = Queue()
        self._sync = sync
        self._counts = counts
        self._workers = workers

    async def run(self) -> None:
        """Until cancelled; what a worker holds is then dropped and met again at the next start."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            self.queue.close()

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._once(key)
            finally:
                self.queue.done(key)

    async def _once(self, key: K) -> None:
        self._counts[self.name, "syncs"] += 1
        try:
            again = await self._sync(key)
        except ApiError as error:
            if error.code == 409:
                self._counts[self.name, "conflicts"] += 1
                self.queue.add_after(key, CONFLICT_DELAY)
                return
            self._failed(key, f"{error.code} {error}")
        except Exception:  # a bug in one key must not stop the others; it is logged with its trace
            self._counts[self.name, "errors"] += 1
            delay = self.queue.retry(key)
            log.exception("%s: %s failed; again in %.2f s", self.name, key, delay)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)

    def _failed(self, key: K, why: str) -> None:
        self._counts[self.name, "errors"] += 1
        delay = self.queue.retry(key)
        log.warning("%s: %s failed: %s; again in %.2f s", self.name, key, why, delay)
