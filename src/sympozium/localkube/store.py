"""Objects and their history: one SQLite table, one revision for everything.

Each write is a row of `log` with the next revision, which is also the object's `resourceVersion`; the
newest row of a key is the object. That one table gives lists at an old revision (paging), watches from
an old revision, and a history that survives a restart. The latest rows are also in memory as encoded
bytes: a GET is a dictionary look-up.

The order that everything relies on: a write is inserted, the batch is committed, and only then do the
memory, the watchers and the writer learn of it. What was answered or seen is on disk. Writes that
arrive in one turn of the event loop share one commit. The database is locked exclusively, so the
compare-and-swap on revisions can be made in memory.

The store knows buckets (`<group>/<resource>`), namespaces and names, and puts the revision into
`metadata.resourceVersion`; nothing else of Kubernetes.
"""

import asyncio
import bisect
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from sympozium.localkube.database import DatabaseError, connect
from sympozium.localkube.feed import Change, Watcher
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace ("" for cluster-scoped objects) and name."""

HISTORY_SECONDS = 600.0
COMPACT_BATCH = 500
TYPES: tuple[Literal["ADDED", "MODIFIED", "DELETED"], ...] = ("ADDED", "MODIFIED", "DELETED")


class StoreError(Exception):
    """The base of what the store refuses."""


class ExistsError(StoreError):
    """A create met an object of that name."""


class MissingError(StoreError):
    """An update or delete met nothing."""


class StaleError(StoreError):
    """The object is no longer at the revision that the writer had read."""


class CompactedError(StoreError):
    """The history that was asked for is gone; `args[0]` is the oldest revision that is left."""


class UnwritableError(StoreError):
    """SQLite could not commit (disk full, I/O error): nothing of the batch was written."""


@dataclass(slots=True, eq=False)
class Entry:
    """One state of one object. `views` is a cache for representations derived from `raw`."""

    namespace: str
    name: str
    rev: int
    raw: bytes
    views: dict[Any, Any] = field(default_factory=dict)

    @property
    def object(self) -> Object:
        """A fresh copy, the caller's to change."""
        decoded: Object = orjson.loads(self.raw)
        return decoded


@dataclass(slots=True)
class _Bucket:
    """The latest objects of one resource, in the order of their keys."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    order: list[Key] = field(default_factory=list)
    rev: int = 0
    watchers: set[Watcher] = field(default_factory=set)
    listeners: list[Callable[[Change], None]] = field(default_factory=list)

    def put(self, key: Key, entry: Entry) -> None:
        if key not in self.entries:
            bisect.insort(self.order, key)
        self.entries[key] = entry

    def drop(self, key: Key) -> None:
        del self.entries[key]
        del self.order[bisect.bisect_left(self.order, key)]


@dataclass(slots=True)
class _Staged:
    """A write that is inserted but not committed yet."""

    bucket: str
    change: Change
    done: asyncio.Future[Entry]


class Store:
    """Open with `Store(path)`; use from one event loop; `close()` at the end."""

    def __init__(self, path: Path | str) -> None:
        """Raises StoreError when the file cannot be used."""
        try:
            self._db = connect(path)
        except DatabaseError as error:
            raise StoreError(str(error)) from error
        self._buckets: dict[str, _Bucket] = {}
        self._staged: dict[tuple[str, Key], _Staged] = {}
        self._marks: list[tuple[float, int]] = []
        self._awaited: list[tuple[int, asyncio.Future[None]]] = []
        self._flushing: asyncio.Handle | None = None
        self._closed = False
        self._oldest = 0
        self._swept = 0
        try:
            self.revision = self._load()
        except sqlite3.Error as error:
            self._db.close()
            raise StoreError(f"cannot read {path}: {error}") from error
        self._next = self.revision

    # -- reading -------------------------------------------------------------------------------

    @property
    def oldest(self) -> int:
        """History (watches, lists at a revision) reaches back to this revision."""
        return self._oldest

    def get(self, bucket: str, namespace: str, name: str) -> Entry | None:
        found = self._buckets.get(bucket)
        return found.entries.get((namespace, name)) if found else None

    def scan(self, bucket: str, namespace: str | None = None, *, after: Key | None = None) -> Iterator[Entry]:
        """The latest objects in the order of (namespace, name); `namespace` None is all of them.

        The iterator must be used up before the event loop turns.
        """
        found = self._buckets.get(bucket)
        if found is None:
            return
        first = after if after is not None else (namespace or "", "")
        start = bisect.bisect_right(found.order, first) if after else bisect.bisect_left(found.order, first)
        for index in range(start, len(found.order)):
            key = found.order[index]
            if namespace is not None and key[0] != namespace:
                return
            yield found.entries[key]

    def count(self, bucket: str, namespace: str | None = None, *, after: Key | None = None) -> int:
        """How many objects `scan` would give."""
        found = self._buckets.get(bucket)
        if found is None:
            return 0
        low = bisect.bisect_right(found.order, after) if after else 0
        if namespace is None:
            return len(found.order) - low
        low = max(low, bisect.bisect_left(found.order, (namespace, "")))
        return bisect.bisect_left(found.order, (namespace + "\0", "")) - low

    def changed_since(self, bucket: str, rev: int) -> bool:
        """Whether the latest state differs from the state at `rev`."""
        found = self._buckets.get(bucket)
        return found is not None and found.rev > rev

    def scan_at(
        self, bucket: str, rev: int, namespace: str | None = None, *, after: Key | None = None
    ) -> Iterable[Entry]:
        """The objects as they were at `rev`. Raises CompactedError."""
        if rev < self._oldest:
            raise CompactedError(self._oldest)
        if not self.changed_since(bucket, rev):
            return self.scan(bucket, namespace, after=after)
        rows = self._db.execute(
            "SELECT namespace, name, max(rev), op, value FROM log WHERE bucket = ? AND rev <= ?"
            " AND (? IS NULL OR namespace = ?) AND (? IS NULL OR (namespace, name) > (?, ?))"
            " GROUP BY namespace, name ORDER BY namespace, name",
            (bucket, rev, namespace, namespace, *((after[0], *after) if after else (None, None, None))),
        )
        return [Entry(ns, name, at, value) for ns, name, at, op, value in rows if op != 2]

    @property
    def watcher_count(self) -> int:
        return sum(len(bucket.watchers) for bucket in self._buckets.values())

    def buckets(self) -> list[str]:
        return [name for name, bucket in self._buckets.items() if bucket.entries]

    # -- writing -------------------------------------------------------------------------------

    async def create(self, bucket: str, namespace: str, name: str, obj: Object) -> Entry:
        """Stores `obj` and returns when it is on disk. Raises ExistsError, UnwritableError."""
        await self._unstaged(bucket, (namespace, name))
        if self.get(bucket, namespace, name) is not None:
            raise ExistsError(name)
        return await self._stage(bucket, (namespace, name), obj, op=0, old=None)

    async def update(self, bucket: str, namespace: str, name: str, obj: Object, *, expect: int) -> Entry:
        """Replaces the object that was read at revision `expect`. Raises MissingError, StaleError, UnwritableError."""
        old = await self._current(bucket, (namespace, name), expect)
        return await self._stage(bucket, (namespace, name), obj, op=1, old=old)

    async def delete(
        self, bucket: str, namespace: str, name: str, *, expect: int, last: Object | None = None
    ) -> Entry:
        """Removes the object; returns its last state (`last` if given), at the deletion's revision."""
        old = await self._current(bucket, (namespace, name), expect)
        obj = old.object if last is None else last
        return await self._stage(bucket, (namespace, name), obj, op=2, old=old)

    async def _unstaged(self, bucket: str, key: Key) -> None:
        """Waits until no write of this key is on its way; its failure is its writer's business."""
        while (staged := self._staged.get((bucket, key))) is not None:
            await asyncio.wait([staged.done])

    async def _current(self, bucket: str, key: Key, expect: int) -> Entry:
        await self._unstaged(bucket, key)
        entry = self.get(bucket, *key)
        if entry is None:
            raise MissingError(key[1])
        if entry.rev != expect:
            raise StaleError(key[1])
        return entry

    async def _stage(self, bucket: str, key: Key, obj: Object, *, op: int, old: Entry | None) -> Entry:
        if self._closed:
            raise UnwritableError("the store is closed")
        rev = self._next + 1
        obj.setdefault("metadata", {})["resourceVersion"] = str(rev)
        entry = Entry(*key, rev, orjson.dumps(obj))
        loop = asyncio.get_running_loop()
        try:
            if self._flushing is None:
                self._db.execute("BEGIN IMMEDIATE")
                self._flushing = loop.call_soon(self._flush)
            self._db.execute(
                "INSERT INTO log (rev, bucket, namespace, name, op, prev, value) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (rev, bucket, *key, op, old.rev if old else 0, entry.raw),
            )
        except sqlite3.Error as error:
            self._abandon(error)
            raise UnwritableError(str(error)) from error
        self._next = rev
        change = Change(TYPES[op], rev, entry, old)
        staged = self._staged[bucket, key] = _Staged(bucket, change, loop.create_future())
        return await asyncio.shield(staged.done)

    def _abandon(self, error: sqlite3.Error) -> None:
        """Nothing of the batch is written, and each of its writers learns why.

        Also when one insert fails: SQLite may then have rolled back all of them, and what followed would be
        outside a transaction.
        """
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._next = self.revision
        batch = list(self._staged.values())
        self._staged.clear()
        for staged in batch:
            staged.done.set_exception(UnwritableError(str(error)))
            staged.done.exception()  # retrieved here too: its writer may have been cancelled

    def _flush(self) -> None:
        """Commit, then memory, then watchers, then writers."""
        self._flushing = None
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            log.exception("commit of %d writes failed", len(self._staged))
            self._abandon(error)
            return
        batch = list(self._staged.values())
        self._staged.clear()
        for staged in batch:
            self._apply(staged.bucket, staged.change)
            staged.done.set_result(staged.change.entry)
        for rev, reached in self._awaited:
            if rev <= self.revision and not reached.done():
                reached.set_result(None)

    def _apply(self, name: str, change: Change) -> None:
        bucket = self._bucket(name)
        entry = change.entry
        key = (entry.namespace, entry.name)
        if change.type == "DELETED":
            bucket.drop(key)
        else:
            bucket.put(key, entry)
        bucket.rev = self.revision = change.rev
        for listener in bucket.listeners:
            listener(change)
        for watcher in bucket.watchers:
            watcher.offer(change)

    async def reached(self, rev: int, wait: float) -> bool:
        """Waits up to `wait` seconds until the store is at `rev`; whether it is."""
        if rev <= self.revision:
            return True
        item = (rev, asyncio.get_running_loop().create_future())
        self._awaited.append(item)
        try:
            async with asyncio.timeout(wait):
                await item[1]
        except TimeoutError:
            return False
        finally:
            self._awaited.remove(item)
        return True

    # -- following -----------------------------------------------------------------------------

    def subscribe(self, bucket: str, listener: Callable[[Change], None]) -> None:
        """Calls `listener` for each later change, before watchers and the writer learn of it.

        For indexes of this process (RBAC, the registry): it must be quick and must not raise.
        """
        self._bucket(bucket).listeners.append(listener)

    def watch(self, bucket: str, since: int, namespace: str | None = None) -> Watcher:
        """Changes after `since`, none missing and in order. Raises CompactedError. Close it after use."""
        if since < self._oldest:
            raise CompactedError(self._oldest)
        found = self._bucket(bucket)
        watcher = Watcher(since=since, namespace=namespace, forget=found.watchers.discard)
        if since < found.rev:
            for change in self._history(bucket, since, namespace):
                watcher.replay(change)
        found.watchers.add(watcher)
        return watcher

    def _history(self, bucket: str, since: int, namespace: str | None) -> Iterator[Change]:
        rows = self._db.execute(
            "SELECT new.namespace, new.name, new.rev, new.op, new.value, old.rev, old.value"
            " FROM log new LEFT JOIN log old ON old.rev = new.prev"
            " WHERE new.rev > ? AND new.rev <= ? AND new.bucket = ? AND (? IS NULL OR new.namespace = ?)"
            " ORDER BY new.rev",
            (since, self.revision, bucket, namespace, namespace),
        )
        for ns, name, rev, op, value, old_rev, old_value in rows:
            old = Entry(ns, name, old_rev, old_value) if old_rev else None
            yield Change(TYPES[op], rev, Entry(ns, name, rev, value), old)

    # -- housekeeping --------------------------------------------------------------------------

    async def compact_by_time(self, *, keep: float = HISTORY_SECONDS, now: float | None = None) -> int:
        """Marks this moment, and forgets what was superseded before the marks older than `keep` seconds.

        Called about once a minute; returns the oldest revision that is left. Raises UnwritableError: the next
        call tries again.
        """
        at = time.monotonic() if now is None else now
        self._marks.append((at, self.revision))
        due = [mark for mark in self._marks if mark[0] <= at - keep]
        if due:
            await self.compact(due[-1][1])
            self._marks = self._marks[len(due) :]
        return self._oldest

    async def compact(self, rev: int) -> None:
        """Forgets states that were superseded at or before `rev`, in small batches. Raises UnwritableError.

        The state of each object at `rev` itself stays, so history from `rev` on is complete. Only what came
        since the last time is read: each row names the one that it superseded.
        """
        target = max(min(rev, self.revision), self._oldest)
        try:
            if target > self._oldest:
                await self._between_commits()
                self._db.execute("INSERT OR REPLACE INTO meta VALUES ('oldest', ?)", (target,))
                self._oldest = target
            while self._swept < self._oldest:
                await self._between_commits()
                self._sweep()
                await asyncio.sleep(0)
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            raise UnwritableError(f"compaction: {error}") from error

    def _sweep(self) -> None:
        """One batch of compaction, in one commit with how far it has come."""
        low = self._swept
        last = self._db.execute(
            "SELECT max(rev) FROM (SELECT rev FROM log WHERE rev > ? AND rev <= ? ORDER BY rev LIMIT ?)",
            (low, self._oldest, COMPACT_BATCH),
        ).fetchone()[0]
        high = self._oldest if last is None else last
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "DELETE FROM log WHERE rev IN (SELECT prev FROM log WHERE rev > ? AND rev <= ?)", (low, high)
            )
            self._db.execute("DELETE FROM log WHERE rev > ? AND rev <= ? AND op = 2", (low, high))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('swept', ?)", (high,))
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._swept = high

    async def _between_commits(self) -> None:
        while self._staged:
            await asyncio.wait([next(iter(self._staged.values())).done])

    def end_watches(self, bucket: str | None = None) -> None:
        """Ends every watch cleanly: the server is going down, or `bucket` is no longer served."""
        found = self._buckets.values() if bucket is None else [self._bucket(bucket)]
        for bucket_ in found:
            for watcher in list(bucket_.watchers):
                watcher.close()

    def close(self) -> None:
        """Commits what is staged and closes the database."""
        if self._closed:
            return
        if self._flushing is not None:
            self._flushing.cancel()
            self._flush()
        self._closed = True
        self.end_watches()
        self._db.close()

    def _bucket(self, name: str) -> _Bucket:
        found = self._buckets.get(name)
        if found is None:
            found = self._buckets[name] = _Bucket(rev=0)
        return found

    def _load(self) -> int:
        marks = dict(self._db.execute("SELECT key, value FROM meta"))
        self._oldest, self._swept = marks.get("oldest", 0), marks.get("swept", 0)
        rows = self._db.execute(
            "SELECT bucket, namespace, name, max(rev), op, value FROM log"
            " GROUP BY bucket, namespace, name ORDER BY bucket, namespace, name"
        )
        for bucket, namespace, name, rev, op, value in rows:
            found = self._bucket(bucket)
            found.rev = max(found.rev, rev)
            if op != 2:
                found.entries[namespace, name] = Entry(namespace, name, rev, value)
                found.order.append((namespace, name))
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
        # 0 means "any" to clients, so the revision of an empty store is 1.
        return max(row[0] if row else 1, 1)
