"""All open streams: how many there may be, and their end when the server stops."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from sympozium.server.problems import Problem
from sympozium.server.settings import MAX_STREAMS, MAX_STREAMS_PER_CALLER, STREAM_RECHECK
from sympozium.server.streams.viewer import Viewer
from sympozium.telemetry.metrics import counter, gauge

_GOODBYE: Final = 1.0
_OPEN: Final = gauge("sympozium_apiserver_streams", "Streams that are open.")
SLOW: Final = counter(
    "sympozium_apiserver_streams_dropped_total", "Streams that were ended since their client read too slowly."
)


class Registry:
    """`draining` is set when the server stops: each stream says goodbye then."""

    def __init__(
        self,
        draining: asyncio.Event,
        *,
        most: int = MAX_STREAMS,
        most_per_caller: int = MAX_STREAMS_PER_CALLER,
        check_every: float = STREAM_RECHECK,
    ) -> None:
        self.draining = draining
        self._check_every = check_every
        self._most = most
        self._most_per_caller = most_per_caller
        self._viewers: set[Viewer] = set()
        self._reserved = 0
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._reserved

    async def run(self) -> None:
        """When the server stops, wakes all streams, and cuts those that cannot take their goodbye. Until cancelled."""
        await self.draining.wait()
        for viewer in self._viewers:
            viewer.wake()
        await asyncio.sleep(_GOODBYE)
        for viewer in self._viewers:
            if viewer.pump is not None:
                viewer.pump.cancel()
        await asyncio.get_running_loop().create_future()

    def require_room(self, caller: str) -> None:
        """Raises Problem: 503 when the server is full or stops, 429 when this caller has too many."""
        if self.draining.is_set():
            raise Problem(503, "this server is stopping: connect again", headers={"Retry-After": "1"})
        if self._reserved >= self._most:
            words = f"this server has {self._most} open streams and takes no more: try again later"
            raise Problem(503, words, headers={"Retry-After": "10"})
        if self._of[caller] >= self._most_per_caller:
            words = f"you have {self._most_per_caller} open streams: close some (one stream can watch several kinds)"
            raise Problem(429, words, headers={"Retry-After": "10"})

    @contextmanager
    def room(self, caller: str) -> Iterator[None]:
        """A place within the block. `caller` is the key of a credential. Raises what `require_room` raises."""
        self.require_room(caller)
        self._reserved += 1
        self._of[caller] += 1
        _OPEN.set(self._reserved)
        try:
            yield
        finally:
            self._reserved -= 1
            self._of[caller] -= 1
            if not self._of[caller]:
                del self._of[caller]
            _OPEN.set(self._reserved)

    @asynccontextmanager
    async def viewer(self) -> AsyncIterator[Viewer]:
        viewer = Viewer(self.draining, check_every=self._check_every)
        self._viewers.add(viewer)
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)
