"""What this run has done to the world, on a volume that only `tools` mounts.

Before a call executes it is `started` here and on disk (fsync); after it, its outcome is. A call
that is found `started` by a new process was interrupted: it may or may not have happened, is
reported so, and is never run again. A call that only `waits` for a person has not happened and goes
on. A repeated call with an outcome gets that outcome.

SQLite, because a crash in the middle of a write is its business and not ours; one file, one
writer, synchronous=FULL. About 1 ms for each call on an SSD, beside a model's seconds.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
  id TEXT PRIMARY KEY, tool TEXT NOT NULL, target TEXT, digest TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'started', 'done')),
  text TEXT, is_error INTEGER, received REAL NOT NULL, ended REAL, published INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS decisions (
  call TEXT PRIMARY KEY, digest TEXT NOT NULL, decision TEXT NOT NULL, scope TEXT NOT NULL,
  decided_by TEXT NOT NULL, comment TEXT NOT NULL
) STRICT;
"""

INTERRUPTED = (
    "interrupted: the tool server stopped while this call was running; it may or may not have happened. "
    "It is not run again by itself. Look at the state it would have changed before you repeat it."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A call as the journal has it; `text` and `is_error` when it is done."""

    id: str
    tool: str
    target: str | None
    digest: str
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


class Journal:
    """Open with the directory of the journal volume."""

    def __init__(self, directory: Path) -> None:
        self._db = sqlite3.connect(directory / "calls.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def entry(self, call: str) -> Entry | None:
        """The call with that id, if it was ever received."""
        row = self._db.execute(
            "SELECT id, tool, target, digest, state, text, is_error, published FROM calls WHERE id = ?",
            (call,),
        ).fetchone()
        return None if row is None else _entry(row)

    def receive(self, *, call: str, tool: str, target: str | None, digest: str) -> None:
        """Note a call that is not decided yet."""
        self._db.execute(
            "INSERT INTO calls (id, tool, target, digest, state, received) VALUES (?, ?, ?, ?, 'waiting', ?)",
            (call, tool, target, digest, time.time()),
        )

    def start(self, call: str) -> None:
        """From here on the call may have happened."""
        self._db.execute("UPDATE calls SET state = 'started' WHERE id = ? AND state = 'waiting'", (call,))

    def finish(self, call: str, text: str, *, is_error: bool) -> None:
        self._db.execute(
            "UPDATE calls SET state = 'done', text = ?, is_error = ?, ended = ? WHERE id = ?",
            (text, int(is_error), time.time(), call),
        )

    def publish(self, call: str) -> None:
        """Note that the stream has acknowledged the call's outcome."""
        self._db.execute("UPDATE calls SET published = 1 WHERE id = ?", (call,))

    def interrupt(self) -> list[Entry]:
        """Give every call that was running an outcome; those whose outcome is not in the stream yet.

        Called once, at start, before the first call.
        """
        self._db.execute(
            "UPDATE calls SET state = 'done', text = ?, is_error = 1, ended = ? WHERE state = 'started'",
            (INTERRUPTED, time.time()),
        )
        rows = self._db.execute(
            "SELECT id, tool, target, digest, state, text, is_error, published FROM calls "
            "WHERE state = 'done' AND published = 0 ORDER BY received"
        )
        return [_entry(row) for row in rows]

    def decide(self, decision: Decision) -> None:
        """Keep a decision; the first one for a call stands."""
        self._db.execute(
            "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?, ?, ?)",
            (
                decision.call,
                decision.digest,
                decision.decision,
                decision.scope,
                decision.decided_by,
                decision.comment,
            ),
        )

    def decision(self, call: str, digest: str) -> Decision | None:
        """The decision about this call, or an approval of the same digest that holds for the run."""
        row = self._db.execute(
            "SELECT call, digest, decision, scope, decided_by, comment FROM decisions WHERE digest = ? AND "
            "(call = ? OR (scope = 'run' AND decision = 'Approved')) ORDER BY call = ? DESC LIMIT 1",
            (digest, call, call),
        ).fetchone()
        return None if row is None else Decision(*row)


def _entry(row: tuple[str, str, str | None, str, str, str | None, int | None, int]) -> Entry:
    call, tool, target, digest, state, text, is_error, published = row
    return Entry(call, tool, target, digest, state, text, bool(is_error), bool(published))
