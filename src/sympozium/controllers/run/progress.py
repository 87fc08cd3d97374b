"""Progress of the runs that go on, kept in memory and computed from the stream.

The consumer adds events; the run controller, which alone writes a run's status, reads. An event is acknowledged
only when a status that contains it was written, so nothing is lost with this process: its successor folds
the transcript again.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from sympozium.controllers.run.fold import Progress, fold
from sympozium.controllers.run.port import Bus, Ref, Stored

_WRITE_BOUND: Final = 60.0


@dataclass(slots=True)
class _Entry:
    progress: Progress = field(default_factory=Progress)
    last: int = 0
    """Place in the stream of the last event that was folded."""
    written: int = 0
    """Version of the progress that a written status contains."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False


class ProgressStore:
    """By run. For one event loop."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._entries: dict[Ref, _Entry] = {}
        self._loading: dict[Ref, asyncio.Lock] = {}

    async def get(self, ref: Ref) -> Progress:
        """The progress; read from the stream when it is not known here. Raises BusError."""
        return (await self._load(ref)).progress

    async def reload(self, ref: Ref) -> Progress:
        """The progress as the stream has it now, whatever the consumer has brought so far. Raises BusError."""
        entry = await self._load(ref)
        for stored in await self._bus.transcript(ref):
            if stored.sequence > entry.last:
                entry.progress = fold(entry.progress, stored.event)
                entry.last = stored.sequence
        return entry.progress

    async def add(self, ref: Ref, stored: Stored) -> int:
        """Take one more event in; returns the version that contains it. Raises BusError."""
        entry = await self._load(ref)
        if stored.sequence > entry.last:
            entry.progress = fold(entry.progress, stored.event)
            entry.last = stored.sequence
        return entry.progress.version

    def written(self, ref: Ref, version: int, *, ended: bool = False) -> None:
        """A status that contains this version was written. With `ended` nothing more will be."""
        if entry := self._entries.get(ref):
            entry.written = max(entry.written, version)
            entry.ended = entry.ended or ended
            entry.changed.set()

    async def wait_written(self, ref: Ref, version: int) -> None:
        """Until a status contains this version, or the run has ended. Raises TimeoutError after a minute."""
        async with asyncio.timeout(_WRITE_BOUND):
            while (entry := self._entries.get(ref)) and entry.written < version and not entry.ended:
                entry.changed.clear()
                await entry.changed.wait()

    def forget(self, ref: Ref) -> None:
        """The run has ended or is gone; whoever waits for it goes on."""
        if entry := self._entries.pop(ref, None):
            entry.ended = True
            entry.changed.set()

    def forget_name(self, namespace: str, name: str) -> None:
        """The same, for a run of which only the name is left."""
        for ref in [r for r in self._entries if (r.namespace, r.name) == (namespace, name)]:
            self.forget(ref)

    async def _load(self, ref: Ref) -> _Entry:
        if entry := self._entries.get(ref):
            return entry
        # The consumer and the controller may both want a run for the first time.
        async with self._loading.setdefault(ref, asyncio.Lock()):
            if entry := self._entries.get(ref):
                return entry
            entry = _Entry()
            for stored in await self._bus.transcript(ref):
                entry.progress = fold(entry.progress, stored.event)
                entry.last = max(entry.last, stored.sequence)
            self._entries[ref] = entry
        self._loading.pop(ref, None)
        return entry
