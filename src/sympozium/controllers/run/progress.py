"""Progress of the runs that go on, kept in memory and computed from the stream.

The consumer adds events; the run controller, which alone writes a run's status, reads. An event may be acknowledged
before a status contains it: the stream keeps it, and the successor of this process looks at every run and
folds its transcript again.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from sympozium.controllers.run.fold import Progress, fold
from sympozium.controllers.run.port import Bus, Ref, Stored


class Listener(Protocol):
    """Hears each event that is folded, once and in order; after a restart, those of runs that go on again."""

    def take(self, ref: Ref, stored: Stored) -> None: ...
    def forget(self, ref: Ref) -> None: ...


@dataclass(slots=True)
class _Entry:
    progress: Progress = field(default_factory=Progress)
    last: int = 0
    """Place in the stream of the last event that was folded."""

    def take(self, stored: Stored) -> bool:
        """Fold an event that was not folded yet; the consumer and a reading of the stream may both bring it."""
        if stored.sequence <= self.last:
            return False
        self.progress = fold(self.progress, stored.event)
        self.last = stored.sequence
        return True


class ProgressStore:
    """By run. For one event loop."""

    def __init__(self, bus: Bus, listener: Listener | None = None) -> None:
        self._bus = bus
        self._listener = listener
        self._entries: dict[Ref, _Entry] = {}
        self._loading: dict[Ref, asyncio.Lock] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, ref: Ref) -> Progress:
        """The progress; read from the stream when it is not known here. Raises BusError."""
        return (await self._load(ref)).progress

    async def reload(self, ref: Ref) -> Progress:
        """The progress as the stream has it now, whatever the consumer has brought so far. Raises BusError."""
        entry = await self._load(ref)
        for stored in await self._bus.transcript(ref):
            self._take(ref, entry, stored)
        return entry.progress

    async def add(self, ref: Ref, stored: Stored) -> None:
        """Take one more event in. Raises BusError."""
        self._take(ref, await self._load(ref), stored)

    def forget(self, ref: Ref) -> None:
        """The run has ended or is gone."""
        self._entries.pop(ref, None)
        if self._listener is not None:
            self._listener.forget(ref)

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
                self._take(ref, entry, stored)
            self._entries[ref] = entry
        self._loading.pop(ref, None)
        return entry

    def _take(self, ref: Ref, entry: _Entry, stored: Stored) -> None:
        if entry.take(stored) and self._listener is not None:
            self._listener.take(ref, stored)
