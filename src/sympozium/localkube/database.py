"""The SQLite file of the store: opened so that a commit is on disk, by one process, and known to be ours.

A file of another program is never touched: before anything is written to it, its application id must be ours
(or it must be empty, or be one of ours from before there was an id). What is wrong with it is one sentence with
the cure, because the person who reads it has just lost an API server.
"""

import sqlite3
from pathlib import Path

APPLICATION_ID = 0x73796D70
"""In the header of the file (PRAGMA application_id), for `file` and for us: "symp"."""
BUSY_SECONDS = 1.0
"""For the one before us, which is going down, to let go of the file."""
COLUMNS = ("rev", "bucket", "namespace", "name", "op", "prev", "value")
SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
  rev INTEGER PRIMARY KEY AUTOINCREMENT,
  bucket TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  op INTEGER NOT NULL,      -- 0 created, 1 updated, 2 deleted
  prev INTEGER NOT NULL,    -- revision of the state before, 0 for created
  value BLOB NOT NULL       -- the object; for a deletion its last state
);
CREATE INDEX IF NOT EXISTS log_by_key ON log (bucket, namespace, name, rev);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


class DatabaseError(Exception):
    """The file cannot be used; the text says which, why, and what to do."""


def connect(path: Path | str) -> sqlite3.Connection:
    """The locked database with its tables; `:memory:` is one of tests. Raises DatabaseError."""
    try:
        if str(path) != ":memory:":
            _keep_private(Path(path))
        made = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    except (sqlite3.Error, OSError) as error:
        raise DatabaseError(f"cannot open {path}: {error}") from error
    try:
        _prepare(made, path)
    except sqlite3.Error as error:
        made.close()
        raise DatabaseError(f"cannot open {path}: {error}{_cure(error)}") from error
    except DatabaseError:
        made.close()
        raise
    return made


def _prepare(database: sqlite3.Connection, path: Path | str) -> None:
    database.execute("PRAGMA locking_mode=EXCLUSIVE")
    found = database.execute("PRAGMA application_id").fetchone()[0]
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    ours = found == APPLICATION_ID or (found == 0 and (not tables or {"log", "meta"} <= tables))
    if not ours:
        raise DatabaseError(
            f"cannot open {path}: it is a database of another program; choose another data directory"
        )
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("PRAGMA wal_autocheckpoint=2000")
    database.executescript(SCHEMA)
    columns = tuple(row[1] for row in database.execute("PRAGMA table_info(log)"))
    if columns != COLUMNS:
        raise DatabaseError(
            f"cannot open {path}: it is a database of another program (a table log of other columns);"
            " choose another data directory"
        )
    database.execute("BEGIN IMMEDIATE")
    if found != APPLICATION_ID:
        database.execute(f"PRAGMA application_id={APPLICATION_ID}")
    database.execute("COMMIT")


def _cure(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return " (is another localkube using it?)"
    if name.startswith("SQLITE_FULL"):
        return " (make room on its disk)"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or not name:
        return " (put a copy back, or move it away to start with an empty cluster)"
    return ""


def _keep_private(path: Path) -> None:
    """Secrets are in it. SQLite gives its journal files the mode of the database."""
    path.touch(mode=0o600)
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        if file.exists():
            file.chmod(0o600)
