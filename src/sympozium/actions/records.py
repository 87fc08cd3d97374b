"""The records of runs: which there are, and one of them as it is stored, believed only where it holds.

Read from the bus with the reader's credentials, as transcripts are; a record is there after its AgentRun is gone.
"""

import asyncio
import io
from dataclasses import dataclass
from typing import Final

from sympozium.actions.bus import Records, open_records
from sympozium.actions.errors import ActionError, MissingError
from sympozium.bus import messages
from sympozium.bus.audit.entry import Entry, EntryError, read
from sympozium.bus.audit.file import RecordError, Verified, verify
from sympozium.bus.audit.store import Line
from sympozium.bus.subjects import AUDIT_ROOT, token
from sympozium.kube import Client
from sympozium.kube.resources import Object
from sympozium.resources import RUNS

_AT_ONCE: Final = 32


class BrokenRecordError(ActionError):
    """A record that does not hold, or that its run's status contradicts: one of both was changed."""


class AmbiguousError(ActionError):
    """Several runs had the name, one after another."""

    def __init__(self, name: str, uids: list[str]) -> None:
        super().__init__(f"{len(uids)} runs had the name {name!r}; choose one by its uid: {', '.join(uids)}")
        self.uids = uids


@dataclass(frozen=True, slots=True)
class Listed:
    """A record of the installation. `last` is its last entry, None where that is not believed."""

    namespace: str
    name: str
    uid: str
    entries: int
    last: Entry | None


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it is stored, one entry a line, whether it holds or not. `key` is the installation's."""

    name: str
    uid: str
    text: bytes
    key: str
    run: Object | None
    """The AgentRun as it is now; None where it is gone."""

    def verified(self) -> Verified:
        """Raises BrokenRecordError where it does not hold."""
        try:
            return verify(io.BytesIO(self.text), key=self.key, is_open=True)
        except RecordError as exc:
            words = f"the record of agentrun {self.name!r} does not hold: entry {exc.line}: {exc}"
            raise BrokenRecordError(words) from exc

    def compare(self) -> bool:
        """False where the run is gone, so that its status cannot be compared with this record.

        Raises BrokenRecordError where they disagree.
        """
        if self.run is None:
            return False
        anchor = (self.run.get("status") or {}).get("audit")
        lines = self.text.splitlines()
        if anchor and (
            len(lines) < anchor["entries"]
            or f'"hash":"{anchor["hash"]}"'.encode() not in lines[anchor["entries"] - 1]
        ):
            raise BrokenRecordError(
                f"the record has not entry {anchor['entries']} with {anchor['hash']}, which status.audit of agentrun"
                f" {self.name} names: one of both was changed"
            )
        return True

    def entries(self) -> list[Entry]:
        """Raises EntryError for what `verified` does not take either."""
        key = messages.public_key(self.key)
        return [read(line, key) for line in self.text.splitlines()]


async def records(client: Client, namespace: str | None) -> list[Listed]:
    """The records that there are, also of runs that are gone; of a namespace or of all. Raises BusError."""
    async with open_records(client) as opened:
        space = "*" if namespace is None else token(namespace)
        found = await opened.store.subjects(f"{AUDIT_ROOT}.{space}.*.*")
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(subject: str, entries: int) -> Listed:
            async with limit:
                last = await opened.store.last(subject)
            place, name, uid = (part.replace("_", ".") for part in subject.split(".")[2:])
            return Listed(place, name, uid, entries, _entry(opened, last) if last else None)

        return list(await asyncio.gather(*(one(*item) for item in found.items())))


async def record(client: Client, namespace: str, name: str, *, uid: str | None = None) -> Record:
    """`uid` says which one, where several runs had the name. Raises MissingError, AmbiguousError, KubeError, BusError."""
    async with open_records(client) as opened:
        return await from_store(opened, client, namespace, name, uid=uid)


async def from_store(
    opened: Records, client: Client, namespace: str, name: str, *, uid: str | None = None
) -> Record:
    """`record` over a connection that is open already; raises as that does."""
    subject = await _subject(client, opened, namespace, name, uid)
    text = await _text(opened, subject)
    found = subject.rpartition(".")[2]
    run = await client.find(RUNS, name, namespace)
    same = run is not None and run["metadata"]["uid"] == found
    return Record(name, found, text, opened.key, run if same else None)


def _entry(opened: Records, line: Line) -> Entry | None:
    try:
        return read(line.data, messages.public_key(opened.key))
    except EntryError:
        return None


async def _subject(client: Client, opened: Records, namespace: str, name: str, uid: str | None) -> str:
    """Of the record that is meant. A name may have had several runs, one after another."""
    root = f"{AUDIT_ROOT}.{token(namespace)}.{token(name)}"
    found = await opened.store.subjects(f"{root}.*")
    uids = [subject.rpartition(".")[2] for subject in found]
    if not uids:
        raise MissingError(f"no record of agentrun {name!r} in namespace {namespace}")
    if uid is None and len(uids) > 1 and (run := await client.find(RUNS, name, namespace)):
        uid = run["metadata"]["uid"]
    if uid is None and len(uids) > 1:
        raise AmbiguousError(name, sorted(uids))
    if uid is not None and uid not in uids:
        raise MissingError(
            f"no record of agentrun {name!r} with uid {uid}; there are: {', '.join(sorted(uids))}"
        )
    return f"{root}.{uid or uids[0]}"


async def _text(opened: Records, subject: str) -> bytes:
    return b"".join([line.data + b"\n" async for line in opened.store.lines(subject)])
