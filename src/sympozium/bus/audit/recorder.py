"""Who writes records: one entry for each message that a run's transcript has, in its order, exactly once.

A record is a function of the stream `RUNS` and of three facts from the API: that the run was created, that it was admitted, how
it ended. Its last entry says up to which message it goes. So a process that comes after a crash reads that entry and the
transcript, and writes what is missing; two processes at once cannot both, since the server takes an entry only behind the
one that its writer knew. What is on the run's subjects and does not verify becomes an entry `gap`.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nats.aio.client import Client as Nats

from sympozium.bus import messages
from sympozium.bus.audit.entry import GAP, RUN_ADMITTED, RUN_CREATED, RUN_ENDED, Entry, EntryError, make, read
from sympozium.bus.audit.facts import fact
from sympozium.bus.audit.store import OvertakenError, Store
from sympozium.bus.errors import BusError
from sympozium.bus.history import Stored, Verifier, stored
from sympozium.bus.keyring import Keyring
from sympozium.bus.messages import Message
from sympozium.bus.subjects import RunRef
from sympozium.telemetry import metrics

log = logging.getLogger(__name__)
_KNOWN: Final = 4000
_ENTRIES: Final = metrics.counter(
    "sympozium_audit_entries_total", "Entries written to records of runs.", ["kind"]
)
_UNRECORDED: Final = metrics.counter(
    "sympozium_audit_late_total",
    "Messages that no record took: the run's was closed, or never opened.",
    ["type"],
)


@dataclass(slots=True)
class _Gap:
    """Messages since the last entry that are not to be believed."""

    count: int = 0
    first: int = 0
    last: int = 0
    time: str = ""

    def add(self, sequence: int) -> None:
        self.count += 1
        self.first = self.first or sequence
        self.last = sequence


@dataclass(slots=True)
class _Chain:
    """The end of one record, and how far the transcript was read. `last` is None where there is no record."""

    verifier: Verifier
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    loaded: bool = False
    last: Entry | None = None
    place: int = 0
    """Of the last entry, in the stream AUDIT."""
    read: int = 0
    """Place in the stream RUNS up to which the run's messages were looked at."""
    gap: _Gap = field(default_factory=_Gap)

    @property
    def writable(self) -> bool:
        return self.last is not None and self.last.kind != RUN_ENDED


class Recorder:
    """For one process, which is the only one as a rule. Every method may be repeated. All raise BusError."""

    def __init__(self, connection: Nats, store: Store, keyring: Keyring) -> None:
        self._nats = connection
        self._store = store
        self._key = keyring.record_key
        self._controller = keyring.controller_key.public_key()
        self._chains: dict[RunRef, _Chain] = {}

    def head(self, run: RunRef) -> Entry | None:
        """The last entry, as far as this process knows."""
        chain = self._chains.get(run)
        return chain.last if chain else None

    async def open(self, run: RunRef, data: Mapping[str, Any], *, time: str) -> Entry:
        """`run.created`, where the record has not begun; then all that the transcript has already."""
        chain = self._chain(run)
        async with chain.lock:
            await self._load(chain, run)
            if chain.last is None:
                created = {**data, "key": messages.public_text(self._key.public_key())}
                await self._append(chain, run, RUN_CREATED, created, time=time, seq=0)
                await self._catch_up(chain, run)
            return _end(chain)

    async def admit(self, run: RunRef, data: Mapping[str, Any], *, time: str) -> Entry:
        """`run.admitted`, unless that is what was written last. The record is open."""
        chain = self._chain(run)
        async with chain.lock:
            await self._load(chain, run)
            last = _end(chain)
            if last.kind == RUN_ADMITTED and last.data == data:
                return last
            await self._append(chain, run, RUN_ADMITTED, data, time=time, seq=last.seq)
            return _end(chain)

    async def close(self, run: RunRef, data: Mapping[str, Any], *, time: str) -> Entry:
        """All that the transcript has, then `run.ended`. Nobody may be able to write to the transcript any more."""
        chain = self._chain(run)
        async with chain.lock:
            await self._load(chain, run)
            if chain.writable:
                await self._catch_up(chain, run)
                await self._flush(chain, run, time)
                await self._append(
                    chain, run, RUN_ENDED, data, time=time, seq=max(chain.read, _end(chain).seq)
                )
            return _end(chain)

    async def take(self, run: RunRef, found: Stored) -> None:
        """A message that the consumer brought. When this returns, its entry is stored."""
        chain = self._chain(run)
        async with chain.lock:
            await self._load(chain, run)
            if found.sequence <= chain.read:
                return
            if not chain.writable:
                if fact(found.message) is not None:
                    _UNRECORDED.labels(found.message.type).inc()
                    log.warning(
                        "no record takes %s of run %s/%s (message %d): it was closed or never opened",
                        found.message.type, run.namespace, run.name, found.sequence,
                    )  # fmt: skip
                return
            await self._one(chain, run, found.sequence, found.message)

    async def lost(self, subject: str, sequence: int) -> None:
        """A message that does not verify, on a subject of a run whose record is open."""
        for run, chain in list(self._chains.items()):
            if subject.startswith(f"{run.root}."):
                async with chain.lock:
                    if chain.loaded and chain.writable and sequence > chain.read:
                        chain.gap.add(sequence)
                        chain.read = sequence

    def forget(self, run: RunRef) -> None:
        """The run is gone; its record stays."""
        self._chains.pop(run, None)

    # -- one chain, under its lock

    def _chain(self, run: RunRef) -> _Chain:
        chain = self._chains.get(run)
        if chain is None:
            if len(self._chains) >= _KNOWN:
                # One that is just used loses nothing: it is read again.
                self._chains.pop(next(iter(self._chains)))
            chain = self._chains[run] = _Chain(Verifier(run, self._controller))
        return chain

    async def _load(self, chain: _Chain, run: RunRef) -> None:
        if chain.loaded:
            return
        line, chain.place = await self._store.end(run.audit)
        if line is not None:
            try:
                chain.last = read(line.data, self._key.public_key())
            except EntryError as exc:
                raise BusError(
                    f"the record of run {run.namespace}/{run.name} cannot be continued: entry at {line.sequence} of the"
                    f" stream: {exc}. Was the key of this installation replaced? Restore it, or delete the run"
                ) from exc
            if chain.writable:
                await self._catch_up(chain, run)
        chain.loaded = True

    async def _catch_up(self, chain: _Chain, run: RunRef) -> None:
        """Write what the transcript has and the record has not."""
        async for raw in stored(self._nats, run, after=chain.read):
            before = chain.verifier.dropped
            message = chain.verifier.take(raw)
            if raw.sequence > max(_end(chain).seq, chain.read):
                if chain.verifier.dropped > before:
                    chain.gap.add(raw.sequence)
                elif message is not None:
                    await self._write(chain, run, raw.sequence, message)
            chain.read = raw.sequence

    async def _one(self, chain: _Chain, run: RunRef, sequence: int, message: Message) -> None:
        if not chain.verifier.is_seen(message):
            await self._write(chain, run, sequence, message)
            chain.verifier.see(message)
        chain.read = sequence

    async def _write(self, chain: _Chain, run: RunRef, sequence: int, message: Message) -> None:
        made = fact(message)
        if made is None:
            return
        await self._flush(chain, run, message.time)
        await self._append(chain, run, made[0], made[1], time=message.time, seq=sequence)

    async def _flush(self, chain: _Chain, run: RunRef, time: str) -> None:
        """What was not believed, before what comes after it."""
        gap = chain.gap
        if gap.count:
            data = {
                "messages": gap.count,
                "first": gap.first,
                "last": gap.last,
                "reason": "not signed by this run",
            }
            await self._append(chain, run, GAP, data, time=time, seq=gap.last)
            chain.gap = _Gap()

    async def _append(
        self, chain: _Chain, run: RunRef, kind: str, data: Mapping[str, Any], *, time: str, seq: int
    ) -> None:
        entry = make(self._key, run, chain.last, kind=kind, data=data, time=time, seq=seq)
        try:
            chain.place = await self._store.append(run, entry.line, after=chain.place)
        except (OvertakenError, BusError) as exc:
            # Whether it is stored is not known, or not by whom: whoever tries again reads the end anew.
            self._chains.pop(run, None)
            if isinstance(exc, OvertakenError):
                raise BusError(
                    f"the record of run {run.name} has a later end: {exc}; reading it again"
                ) from exc
            raise
        chain.last = entry
        _ENTRIES.labels(kind).inc()


def _end(chain: _Chain) -> Entry:
    """Raises BusError where there is no record."""
    if chain.last is None:
        raise BusError("the record of this run was not opened")
    return chain.last
