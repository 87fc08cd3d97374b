"""The feeds that somebody looks at: one for each run, from its first viewer until some seconds after its last.

The seconds are for whoever reloads the page. Feeds without a viewer are few: of too many, the oldest goes at once.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from sympozium.bus.subjects import RunRef
from sympozium.kube.resources import Object
from sympozium.server.bus import Bus
from sympozium.server.copies import RUNS, Copies
from sympozium.server.feed.feed import Feed
from sympozium.telemetry.metrics import gauge

log = logging.getLogger(__name__)
LINGER: Final = 10.0
"""Seconds that a feed stays after its last viewer."""
_IDLE: Final = 100
_FEEDS: Final = gauge("sympozium_apiserver_feeds", "Runs whose messages are read for somebody who looks.")


@dataclass(slots=True)
class _Kept:
    feed: Feed
    task: "asyncio.Task[None]"
    viewers: set[Callable[[], None]] = field(default_factory=set)
    ending: asyncio.TimerHandle | None = None


class Hub:
    def __init__(self, bus: Bus, copies: Copies, *, linger: float = LINGER) -> None:
        self._bus = bus
        self._linger = linger
        self._kept: dict[RunRef, _Kept] = {}
        self._idle: OrderedDict[RunRef, None] = OrderedDict()
        self._group: asyncio.TaskGroup | None = None
        copies.on_change(RUNS, self._run_changed)

    def __len__(self) -> int:
        return len(self._kept)

    async def run(self) -> None:
        """Holds the feeds until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def look(self, run: RunRef, changed: Callable[[], None]) -> AsyncIterator[Feed]:
        """The feed of a run within the block; `changed` is called when it has something new."""
        kept = self._kept.get(run) or self._begin(run)
        self._idle.pop(run, None)
        if kept.ending is not None:
            kept.ending.cancel()
            kept.ending = None
        kept.viewers.add(changed)
        try:
            yield kept.feed
        finally:
            kept.viewers.discard(changed)
            if not kept.viewers and self._kept.get(run) is kept:
                self._let_linger(run, kept)

    def _begin(self, run: RunRef) -> _Kept:
        assert self._group is not None, "the hub runs as long as requests are answered"
        feed = Feed(self._bus, run, lambda: self._tell(run))
        kept = self._kept[run] = _Kept(feed, self._group.create_task(self._follow(feed)))
        _FEEDS.set(len(self._kept))
        return kept

    async def _follow(self, feed: Feed) -> None:
        try:
            await feed.follow()
        except Exception:
            # What one run says must not end the streams of the others, whatever it has found that we did not think of.
            log.exception("the feed of run %s/%s broke", feed.run.namespace, feed.run.name)
            feed.broken = True
            self._tell(feed.run)
            self._end(feed.run)

    def _let_linger(self, run: RunRef, kept: _Kept) -> None:
        self._idle[run] = None
        kept.ending = asyncio.get_running_loop().call_later(self._linger, self._end, run)
        if len(self._idle) > _IDLE:
            self._end(next(iter(self._idle)))

    def _end(self, run: RunRef) -> None:
        kept = self._kept.pop(run, None)
        self._idle.pop(run, None)
        if kept is not None:
            if kept.ending is not None:
                kept.ending.cancel()
            kept.task.cancel()
            _FEEDS.set(len(self._kept))

    def _tell(self, run: RunRef) -> None:
        if (kept := self._kept.get(run)) is not None:
            for changed in kept.viewers:
                changed()

    def _run_changed(self, old: Object | None, new: Object | None) -> None:
        """Viewers look at the run's object for its end. A namesake's change concerns its predecessor's viewers too."""
        if not self._kept:
            return
        for obj in (old, new):
            if obj is not None:
                metadata = obj["metadata"]
                self._tell(RunRef(metadata["namespace"], metadata["name"], metadata["uid"]))
