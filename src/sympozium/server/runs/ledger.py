"""The ledger of usage: a row for each run that has ended, kept when the run is gone. SQLite; one thread at a time.

Runs are deleted, by people and by the limits of schedules, and what they cost was spent all the same. A row is written
again whenever its run is seen, so a crash loses nothing of the runs that are still there, and a ledger that is missing or damaged
is made anew from them; what is lost then is said. Amounts of money are not in it: prices are corrected, tokens are not.
"""

import logging
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from sympozium.api.run import TERMINAL
from sympozium.kube.resources import Object, key_of
from sympozium.server.runs.batches import StartOverError
from sympozium.server.runs.index import amount, milliseconds
from sympozium.server.runs.summary import summary

log = logging.getLogger(__name__)
FILE: Final = "usage.db"
VERSION: Final = 1
DELETED: Final = "Deleted"
"""What stands for the phase of a run that was deleted before it ended."""
Dimension = Literal["day", "pack", "persona", "instance", "model", "namespace", "user"]
_SCHEMA: Final = f"""
CREATE TABLE runs (
    uid TEXT PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, instance TEXT, pack TEXT, persona TEXT, model TEXT,
    user TEXT, phase TEXT NOT NULL, day TEXT NOT NULL, ended INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
    calls INTEGER NOT NULL, duration INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_ended ON runs (ended, namespace);
PRAGMA user_version = {VERSION};
"""
_COLUMNS: Final = 15


@dataclass(frozen=True, slots=True)
class Sum:
    """Of the runs of one model that have the same keys. `duration` is in milliseconds."""

    keys: tuple[str | None, ...]
    model: str | None
    runs: int
    succeeded: int
    failed: int
    input: int
    output: int
    calls: int
    duration: int


class Ledger:
    def __init__(self, directory: Path | None) -> None:
        """`directory` None, or one that cannot be used, keeps the ledger in memory; `note` says so."""
        self._path = directory / FILE if directory else None
        self.note: str | None = None
        """What people should know of the figures."""
        self.behind: str | None = None
        """Why the newest runs are not in it, while that is so."""
        self._db = self._open()

    def close(self) -> None:
        self._db.close()

    def write(self, runs: Iterable[Object]) -> None:
        """Take runs that have ended. Raises StartOverError when all that there are must be given again."""
        rows = []
        for run in runs:
            try:
                rows.append(_row(run))
            except (AttributeError, KeyError, TypeError, ValueError) as exc:
                # The schema keeps such objects out; one that is older than the schema must not keep the others out.
                log.warning(
                    "agentrun %s/%s is not counted, it is not what it should be: %r", *key_of(run), exc
                )
        marks = ", ".join("?" * _COLUMNS)
        try:
            with self._mending(), self._db:
                self._db.executemany(f"INSERT OR REPLACE INTO runs VALUES ({marks})", rows)  # noqa: S608 - marks
        except sqlite3.OperationalError as exc:
            self.behind = (
                f"the ledger cannot be written ({exc}): usage of the newest runs is missing until it can"
            )
            raise
        self.behind = None

    def sums(
        self,
        by: Collection[Dimension],
        *,
        namespaces: Collection[str] | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> list[Sum]:
        """By these dimensions and by model; times are milliseconds since the epoch, of the end. Raises StartOverError."""
        terms, parameters = ["1"], list[Any]()
        if namespaces is not None:
            terms.append(f"namespace IN ({', '.join('?' * len(namespaces))})")
            parameters += sorted(namespaces)
        for sign, time in ((">=", since), ("<", until)):
            if time is not None:
                terms.append(f"ended {sign} ?")
                parameters.append(time)
        columns = ", ".join([*by, "model"])
        with self._mending():
            found = self._db.execute(
                f"SELECT {columns}, count(*), sum(phase = 'Succeeded'), sum(phase = 'Failed'), sum(input), sum(output),"  # noqa: S608
                f" sum(calls), sum(duration) FROM runs WHERE {' AND '.join(terms)} GROUP BY {columns}",
                parameters,
            ).fetchall()
        size = len(by)
        return [Sum(tuple(row[:size]), *row[size:]) for row in found]

    def namespaces(self) -> list[str]:
        """Those of which there is a row. Raises StartOverError."""
        with self._mending():
            return [n for (n,) in self._db.execute("SELECT DISTINCT namespace FROM runs")]

    # -- the file

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            self.note = "the ledger is in memory: usage of runs that were deleted before the last start is not counted"
            return _prepared(sqlite3.connect(":memory:", check_same_thread=False))
        try:
            return self._open_file(self._path)
        except (sqlite3.OperationalError, OSError) as exc:
            self.note = (
                f"the ledger {self._path} cannot be opened ({exc}): it is kept in memory until the next start"
            )
        except sqlite3.DatabaseError as exc:
            self._set_aside(self._path, exc)
            return self._open_file(self._path)
        log.error("%s", self.note)
        return _prepared(sqlite3.connect(":memory:", check_same_thread=False))

    def _open_file(self, path: Path) -> sqlite3.Connection:
        # For its owner alone: it says who let agents do how much.
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            return _prepared(connection)
        except BaseException:
            connection.close()
            raise

    def _set_aside(self, path: Path, reason: Exception) -> None:
        """Make room for a new ledger. The old one is kept, for whoever wants to look into it."""
        at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = path.with_name(f"{path.name}.damaged-{at}")
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        self.note = (
            f"the ledger was damaged ({reason}) and made anew at {at}: usage of runs that had been deleted by then is not"
            f" counted; the old one is {aside}"
        )
        log.error("%s", self.note)

    @contextmanager
    def _mending(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as exc:
            # Its subclasses are a disk that is full, a busy file, or a mistake of ours: nothing to begin anew for.
            if type(exc) is not sqlite3.DatabaseError or self._path is None:
                raise
            self._db.close()
            self._set_aside(self._path, exc)
            self._db = self._open()
            raise StartOverError(str(exc)) from exc


def has_ended(run: Object) -> bool:
    """Whether a row is due."""
    return (run.get("status") or {}).get("phase") in {*TERMINAL, DELETED}


def as_deleted(run: Object) -> Object:
    """A run that was deleted before it ended, as the ledger takes it: what it had used by then was used."""
    if has_ended(run):
        return run
    ended = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**run, "status": {"completedAt": ended, **(run.get("status") or {}), "phase": DELETED}}


def _row(run: Object) -> tuple[Any, ...]:
    """Of a run that has ended."""
    phase = run["status"]["phase"]
    # The summary knows phases of the API alone.
    found = summary(run if phase != DELETED else {**run, "status": {**run["status"], "phase": "Cancelled"}})
    ended = milliseconds(found.completed_at) or milliseconds(found.created_at)
    day = datetime.fromtimestamp(ended / 1000, UTC).strftime("%Y-%m-%d")
    user = found.trigger.user if found.trigger else None
    return (
        found.uid, found.namespace, found.name, found.instance, found.pack, found.persona, found.model, user, phase, day,
        ended, amount(found.input_tokens), amount(found.output_tokens), amount(found.tool_calls), amount(found.duration_ms),
    )  # fmt: skip


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    """With its tables. Raises sqlite3.DatabaseError for a file that is damaged, or of another version."""
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    elif version != VERSION:
        raise sqlite3.DatabaseError(f"it is of version {version}, and this server writes version {VERSION}")
    return connection
