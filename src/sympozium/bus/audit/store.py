"""The stream `AUDIT`: a subject for each run, and on it the run's record.

The server refuses to delete or purge messages of the stream, whoever asks, and refuses an entry whose writer did not
know the last one: two writers cannot fork a record.
"""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import nats.errors
import nats.js.errors
from nats.aio.client import Client as Nats
from nats.js.api import Header, RetentionPolicy, StorageType, StreamConfig

from sympozium.bus.audit.entry import is_stray
from sympozium.bus.connection import API_TIMEOUT, FAILURES, Reconnections, words
from sympozium.bus.errors import BusError
from sympozium.bus.getting import get_subject, message_of
from sympozium.bus.subjects import AUDIT_ROOT, AUDIT_STREAM, RunRef

log = logging.getLogger(__name__)
_WRONG_LAST_SEQUENCE: Final = frozenset({10071, 10164})
"""nats-server's error codes for an expected last sequence that is not."""


class OvertakenError(Exception):
    """The record has another end than was thought: somebody else wrote, or we did and did not hear of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A stored entry, not verified, and its place in the stream."""

    sequence: int
    subject: str
    data: bytes


class Store:
    """Over the controllers' connection (to write), or a reader's (to read)."""

    def __init__(self, connection: Nats, reconnections: Reconnections) -> None:
        self._nats = connection
        self._reconnections = reconnections

    async def ensure(self, *, replicas: int = 1) -> None:
        """Make the stream where it is not there. Raises BusError, also for a stream from which could be taken away.

        How long entries are kept is the administrator's to set on the stream; as we make it, for good.
        """
        js = self._nats.jetstream(timeout=API_TIMEOUT)
        config = StreamConfig(
            name=AUDIT_STREAM,
            subjects=[f"{AUDIT_ROOT}.>"],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            allow_direct=True,
            deny_delete=True,
            deny_purge=True,
            num_replicas=replicas,
            description="Records of runs (docs/record.md)",
        )
        try:
            try:
                found = (await js.stream_info(AUDIT_STREAM)).config
            except nats.js.errors.NotFoundError:
                found = (await js.add_stream(config)).config
            if found.num_replicas != replicas:
                found = (await js.update_stream(found, num_replicas=replicas)).config
        except FAILURES as exc:
            raise BusError(f"the stream {AUDIT_STREAM} cannot be made: {words(exc)}") from exc
        if not (found.deny_delete and found.deny_purge and found.storage == StorageType.FILE):
            raise BusError(
                f"the stream {AUDIT_STREAM} is there and is no record: it must be on disk and deny delete and purge;"
                " rename it or take it away"
            )

    async def append(self, run: RunRef, line: bytes, *, after: int) -> int:
        """Store an entry behind the one at place `after` (0: behind none); returns its place.

        Raises OvertakenError, and BusError when it is not known whether it is stored.
        """
        headers: dict[str, Any] = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE: str(after)}
        try:
            ack = await self._reconnections.answer(
                self._nats.jetstream(timeout=API_TIMEOUT).publish(run.audit, line, headers=headers)
            )
        except nats.js.errors.APIError as exc:
            if exc.err_code in _WRONG_LAST_SEQUENCE:
                raise OvertakenError(str(exc)) from exc
            raise BusError(f"the record of run {run.name} takes no entry: {words(exc)}") from exc
        except FAILURES as exc:
            raise BusError(f"the record of run {run.name} takes no entry: {words(exc)}") from exc
        return int(ack.seq)

    async def last(self, subject: str) -> Line | None:
        """The last entry on a subject. Raises BusError."""
        return (await self.end(subject))[0]

    async def end(self, subject: str) -> tuple[Line | None, int]:
        """The last entry on a subject, and the place of the last message there: 0 where there is none. Raises BusError."""
        line = await self._get({"last_by_subj": subject})
        if line is None or not is_stray(line.data):
            return line, line.sequence if line else 0
        log.error(
            "somebody had the server write to %s (message %d): it is passed over", subject, line.sequence
        )
        entry = None
        async for found in self.lines(subject):
            entry = found
        return entry, line.sequence

    async def lines(self, subject: str) -> AsyncIterator[Line]:
        """All entries of a record, in order, without what has not their shape. Raises BusError."""
        sequence = 0
        while (line := await self._get({"seq": sequence + 1, "next_by_subj": subject})) is not None:
            sequence = line.sequence
            if not is_stray(line.data):
                yield line

    async def subjects(self, pattern: str) -> dict[str, int]:
        """The subjects that match, each with its number of entries. Raises BusError."""
        found: dict[str, int] = {}
        while True:
            query = json.dumps({"subjects_filter": pattern, "offset": len(found)}).encode()
            answer = json.loads(await self._ask(f"$JS.API.STREAM.INFO.{AUDIT_STREAM}", query))
            if error := answer.get("error"):
                if error.get("code") == 404:
                    return {}
                raise BusError(f"the records cannot be listed: {error.get('description')}")
            page = answer["state"].get("subjects") or {}
            found |= page
            if not page or len(found) >= answer.get("total", 0):
                return found

    async def _get(self, query: dict[str, Any]) -> Line | None:
        found = message_of(await self._ask(get_subject(AUDIT_STREAM), json.dumps(query).encode()))
        return Line(*found) if found else None

    async def _ask(self, subject: str, query: bytes) -> bytes:
        try:
            return (
                await self._reconnections.answer(self._nats.request(subject, query, timeout=API_TIMEOUT))
            ).data
        except FAILURES as exc:
            raise BusError(f"{subject}: {words(exc)}") from exc
