"""What this run has done to the world, on a volume that only `tools` mounts.

Before a call executes it is `started` here and on disk (fsync); after it, its outcome is. A call
that is found `started` by a new process was interrupted: it may or may not have happened, is
reported so, and is never run again, but for a call that the control plane makes (`requests.py`). A call that was `received` or is `waiting` for a person has not happened and
goes on; `received` says that its intent may not be in the stream. A repeated call with an outcome gets that outcome.

What the control plane ordered (a policy, a freeze) is kept here too, by its place in the stream, so that a new
process judges by what held last, and so that an older message that comes again changes nothing.

SQLite, because a crash in the middle of a write is its business and not ours; one file, one
writer. What a power cut must not take is synced: that a call begins, its outcome, decisions and orders. A killed process
loses nothing.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
  id TEXT PRIMARY KEY, what TEXT NOT NULL, tool TEXT NOT NULL, same TEXT NOT NULL, digest TEXT NOT NULL, preview TEXT,
  state TEXT NOT NULL CHECK (state IN ('received', 'waiting', 'started', 'done')),
  text TEXT, is_error INTEGER, received REAL NOT NULL, ended REAL, published INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS decisions (
  call TEXT NOT NULL, digest TEXT NOT NULL, decision TEXT NOT NULL, scope TEXT NOT NULL,
  decided_by TEXT NOT NULL, comment TEXT NOT NULL, PRIMARY KEY (call, digest)
) STRICT;
CREATE TABLE IF NOT EXISTS answers (call TEXT PRIMARY KEY, ok INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS orders (kind TEXT PRIMARY KEY, sequence INTEGER NOT NULL, data TEXT NOT NULL) STRICT;
"""

_WAL = "PRAGMA journal_mode=WAL"
_SYNCED = "PRAGMA synchronous=FULL"
_UNSYNCED = "PRAGMA synchronous=NORMAL"
_ENTRY = "SELECT id, what, tool, same, digest, preview, state, text, is_error, published FROM calls "
_ENTRY_OF = _ENTRY + "WHERE id = ?"
_UNPUBLISHED = _ENTRY + "WHERE state = 'done' AND published = 0 ORDER BY received"
_RECEIVE = (
    "INSERT INTO calls (id, what, tool, same, digest, preview, state, received) "
    "VALUES (?, ?, ?, ?, ?, ?, 'received', ?) ON CONFLICT (id) DO UPDATE SET "
    "same = excluded.same, digest = excluded.digest, preview = excluded.preview, state = 'received' "
    "WHERE state IN ('received', 'waiting')"
)
_WAIT = "UPDATE calls SET state = 'waiting' WHERE id = ? AND state = 'received'"
_REOPEN = "UPDATE calls SET state = 'received' WHERE id = ? AND state = 'waiting'"
_START = "UPDATE calls SET state = 'started' WHERE id = ? AND state IN ('received', 'waiting')"
_FINISH = "UPDATE calls SET state = 'done', text = ?, is_error = ?, ended = ? WHERE id = ?"
_PUBLISH = "UPDATE calls SET published = 1 WHERE id = ?"
_INTERRUPT = (
    "UPDATE calls SET state = 'done', text = ?, is_error = 1, ended = ? WHERE state = 'started' "
    "AND tool NOT IN (SELECT value FROM json_each(?))"
)
_ANSWER = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)"
_ANSWER_TO = "SELECT ok, text FROM answers WHERE call = ?"
_DECIDE = "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?, ?, ?)"
_DECISION = "SELECT d.call, d.digest, d.decision, d.scope, d.decided_by, d.comment FROM decisions d "
_DECISION_OF = _DECISION + "WHERE d.call = ? AND d.digest = ?"
_APPROVAL_OF_RUN = _DECISION + (
    "JOIN calls c ON c.id = d.call AND c.digest = d.digest "
    "WHERE d.scope = 'run' AND d.decision = 'Approved' AND c.same = ? ORDER BY c.received LIMIT 1"
)
_KEEP = (
    "INSERT INTO orders VALUES (?, ?, ?) ON CONFLICT (kind) DO UPDATE SET "
    "sequence = excluded.sequence, data = excluded.data WHERE excluded.sequence > orders.sequence"
)
_KEPT = "SELECT data FROM orders WHERE kind = ?"

INTERRUPTED = (
    "interrupted: the tool server stopped while this call was running; it may or may not have happened. "
    "It is not run again by itself. Look at the state it would have changed before you repeat it."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A call as the journal has it; `text` and `is_error` when it is done. The digests are those of `digest.py`."""

    id: str
    what: str
    tool: str
    same: str
    digest: str
    preview: str | None
    state: str
    text: str | None
    is_error: bool
    published: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's decision about one call: Approved, Denied or Expired."""

    call: str
    digest: str
    decision: str
    scope: str = "once"
    decided_by: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the control plane answered a request."""

    ok: bool
    text: str


class Journal:
    """Open with the directory of the journal volume."""

    def __init__(self, directory: Path) -> None:
        self._db = sqlite3.connect(directory / "calls.db", isolation_level=None)
        self._db.execute(_WAL)
        self._db.execute(_SYNCED)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def entry(self, call: str) -> Entry | None:
        """The call with that id, if it was ever received."""
        row = self._db.execute(_ENTRY_OF, (call,)).fetchone()
        return None if row is None else _entry(row)

    def receive(
        self, *, call: str, what: str, tool: str, same: str, digest: str, preview: str | None = None
    ) -> None:
        """Note a call that is not decided yet, or, when it is judged anew, what is decided about now."""
        self._unsynced(_RECEIVE, (call, what, tool, same, digest, preview, time.time()))

    def wait(self, call: str) -> None:
        """Note that the call's intent is in the stream and that a person is asked."""
        self._db.execute(_WAIT, (call,))

    def reopen(self, call: str) -> None:
        """What was asked is void: the call is to be judged and asked about anew."""
        self._db.execute(_REOPEN, (call,))

    def start(self, call: str) -> None:
        """From here on the call may have happened."""
        self._db.execute(_START, (call,))

    def finish(self, call: str, text: str, *, is_error: bool) -> None:
        self._db.execute(_FINISH, (text, int(is_error), time.time(), call))

    def publish(self, call: str) -> None:
        """Note that the stream has acknowledged the call's outcome."""
        self._unsynced(_PUBLISH, (call,))

    def _unsynced(self, statement: str, values: tuple[Any, ...]) -> None:
        """What a crash of this process leaves and a power cut may take: then an intent or an outcome is published twice."""
        self._db.execute(_UNSYNCED)
        try:
            self._db.execute(statement, values)
        finally:
            self._db.execute(_SYNCED)

    def interrupt(self, *, but: Collection[str] = ()) -> list[Entry]:
        """Give every call that was running an outcome; those whose outcome is not in the stream yet.

        Called once, at start, before the first call. Calls of the tools in `but` stay as they are.
        """
        self._db.execute(_INTERRUPT, (INTERRUPTED, time.time(), json.dumps(sorted(but))))
        return [_entry(row) for row in self._db.execute(_UNPUBLISHED)]

    def answer(self, call: str, *, ok: bool, text: str) -> None:
        """Keep the answer to a request; the first one stands."""
        self._db.execute(_ANSWER, (call, int(ok), text))

    def answer_to(self, call: str) -> Answer | None:
        row = self._db.execute(_ANSWER_TO, (call,)).fetchone()
        return None if row is None else Answer(bool(row[0]), row[1])

    def decide(self, decision: Decision) -> bool:
        """Keep a decision; the first one for a call and digest stands. Whether this is it."""
        return self._db.execute(_DECIDE, astuple(decision)).rowcount == 1

    def decision(self, call: str, digest: str) -> Decision | None:
        """The decision about exactly this call."""
        return self._decision(_DECISION_OF, call, digest)

    def approval_of_run(self, same: str) -> Decision | None:
        """An approval with scope `run` of a call like this one, whatever stood in its preview."""
        return self._decision(_APPROVAL_OF_RUN, same)

    def _decision(self, statement: str, *values: str) -> Decision | None:
        row = self._db.execute(statement, values).fetchone()
        return None if row is None else Decision(*row)

    def keep(self, kind: str, sequence: int, data: Mapping[str, Any]) -> bool:
        """Keep what the control plane ordered; False when something newer (or this) of the kind is kept already."""
        return self._db.execute(_KEEP, (kind, sequence, json.dumps(data))).rowcount == 1

    def kept(self, kind: str) -> dict[str, Any] | None:
        """The newest order of a kind."""
        row = self._db.execute(_KEPT, (kind,)).fetchone()
        return None if row is None else json.loads(row[0])


def _entry(row: tuple[Any, ...]) -> Entry:
    call, what, tool, same, digest, preview, state, text, is_error, published = row
    return Entry(call, what, tool, same, digest, preview, state, text, bool(is_error), bool(published))
