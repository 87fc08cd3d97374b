"""The index of runs: a table and their texts in SQLite's memory. No I/O, and not for two threads at once.

Kubernetes can list runs by label, page by page, and in one order. What people want is the longest, the failed of last week,
those that speak of `checkout`, and how many there are of each: 10,000 objects are looked at for that each time, which a
table does in milliseconds. It holds nothing that is not in the objects, and is made anew with each start.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from sympozium.server.runs import query as asking, search
from sympozium.server.runs.query import FACETS, Query
from sympozium.server.runs.summary import summary

Key = tuple[str, str]
Object = dict[str, Any]
FACET_VALUES: Final = 100
"""Values of a facet that are counted: the most frequent ones."""
MOST: Final = 10**12
"""Tokens that a run is believed to have used, and millions of times fewer than a sum can hold."""
_SCHEMA: Final = f"""
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL,
    created INTEGER NOT NULL, ended INTEGER NOT NULL, duration INTEGER, input INTEGER NOT NULL, output INTEGER NOT NULL, phase TEXT NOT NULL,
    instance TEXT, pack TEXT, persona TEXT, schedule TEXT, trigger TEXT, cause TEXT, model TEXT, labels TEXT NOT NULL,
    UNIQUE (namespace, name)
);
CREATE INDEX runs_created ON runs (created, uid);
CREATE INDEX runs_facets ON runs (namespace, phase, instance, pack);
CREATE TABLE prices (model TEXT PRIMARY KEY, input REAL NOT NULL, output REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE hits (id INTEGER PRIMARY KEY);
{search.SCHEMA};
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One run as the index keeps it."""

    columns: tuple[Any, ...]
    texts: tuple[str, ...]

    @property
    def key(self) -> Key:
        namespace, name, *_ = self.columns
        return namespace, name

    @classmethod
    def of(cls, run: Object) -> "Row":
        found = summary(run)
        meta, spec, status = run["metadata"], run.get("spec") or {}, run.get("status") or {}
        cause = found.trigger
        texts = (found.name, spec.get("task"), status.get("result"), status.get("error"), found.instance)
        return cls(
            (
                found.namespace, found.name, found.uid, milliseconds(found.created_at), milliseconds(found.completed_at),
                None if found.duration_ms is None else amount(found.duration_ms),
                amount(found.input_tokens), amount(found.output_tokens), found.phase, found.instance, found.pack, found.persona,
                found.schedule, cause.kind if cause else None, cause.name if cause else None, found.model,
                orjson.dumps(meta.get("labels") or {}).decode(),
            ),
            tuple(search.clean(str(text or "")) for text in texts),
        )  # fmt: skip


@dataclass(slots=True)
class Hit:
    """A run of a page, and where the words that were looked for are in it."""

    key: Key
    pieces: list[search.Piece] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    hits: list[Hit]
    total: int
    facets: dict[str, dict[str, int]]
    cursor: str | None


class Index:
    def __init__(self) -> None:
        # Whoever owns the index sees to it that one thread at a time is in here.
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._db.executescript(_SCHEMA)

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM runs").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    # -- what there is

    def update(self, rows: Iterable[Row], gone: Iterable[Key] = ()) -> None:
        """Take runs as they are now, and forget those that are gone."""
        with self._transaction():
            for key in gone:
                self._drop(key)
            for row in rows:
                self._drop(row.key)
                self._add(row)

    def price(self, prices: Mapping[str, tuple[float, float]]) -> None:
        """What a token of each model costs, by model: what `-cost` sorts by."""
        with self._transaction():
            self._db.execute("DELETE FROM prices")
            rows = [(model, *price) for model, price in prices.items()]
            self._db.executemany("INSERT INTO prices VALUES (?, ?, ?)", rows)

    def models(self) -> list[str]:
        """Of all runs that there are."""
        found = self._db.execute("SELECT DISTINCT model FROM runs WHERE model IS NOT NULL")
        return [model for (model,) in found]

    def namespaces(self) -> list[str]:
        """Those that have runs."""
        return [n for (n,) in self._db.execute("SELECT DISTINCT namespace FROM runs ORDER BY namespace")]

    # -- asking

    def page(self, query: Query) -> Page:
        """Raises ValueError for a cursor or label selector that cannot be read."""
        after = asking.after(query)
        everything = asking.matching(query)
        with self._searching(query) as expression:
            total, facets = self._tally(query)
            found = self._select(query, everything.but(after.sql, *after.parameters) if after else everything)
            shown = found[: query.limit]
            pieces = self._pieces([number for number, *_ in shown], expression)
        last = None
        if len(found) > query.limit:
            *_, uid, value = shown[-1]
            last = asking.cursor(query, value, uid)
        hits = [Hit(key, pieces.get(number, [])) for number, key, *_ in shown]
        return Page(hits, total, facets, last)

    def keys(self, query: Query) -> list[Key]:
        """The runs of one page, without counting anything."""
        with self._searching(query):
            return [key for _, key, _, _ in self._select(query, asking.matching(query))[: query.limit]]

    def phases(self, namespaces: Iterable[str] | None) -> dict[str, int]:
        """How many runs there are of each phase."""
        return self._tally(Query(None if namespaces is None else list(namespaces)))[1]["phase"]

    # -- below

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _searching(self, query: Query) -> Iterator[str]:
        """The runs that have the words are in `hits` meanwhile."""
        expression = asking.expression(query)
        if expression:
            self._db.execute("INSERT INTO hits SELECT rowid FROM texts WHERE texts MATCH ?", [expression])
        try:
            yield expression
        finally:
            if expression:
                self._db.execute("DELETE FROM hits")

    def _drop(self, key: Key) -> None:
        found = self._db.execute("SELECT id FROM runs WHERE (namespace, name) = (?, ?)", key).fetchone()
        if found:
            self._db.execute("DELETE FROM runs WHERE id = ?", found)
            self._db.execute("DELETE FROM texts WHERE rowid = ?", found)

    def _add(self, row: Row) -> None:
        marks = ", ".join("?" * len(row.columns))
        made = self._db.execute(f"INSERT INTO runs VALUES (NULL, {marks})", row.columns)  # noqa: S608
        fields = ", ".join(search.FIELDS)
        marks = ", ".join("?" * len(search.FIELDS))
        self._db.execute(
            f"INSERT INTO texts (rowid, {fields}) VALUES (?, {marks})",  # noqa: S608
            (made.lastrowid, *row.texts),
        )

    def _tally(self, query: Query) -> tuple[int, dict[str, dict[str, int]]]:
        """How many runs there are, and of which kinds, in one pass.

        A facet counts what would be there if it were not filtered by, so that one can choose another value.
        """
        chosen = {name: frozenset(values) for name, values in query.chosen().items()}
        counts: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
        total = 0
        condition = asking.base(query)
        columns = ", ".join(f"runs.{name}" for name in FACETS)
        found = self._db.execute(
            # Grouped as its index is ordered, by namespace first: that saves the sorting.
            f"SELECT count(*), {columns} FROM runs WHERE {condition.sql} GROUP BY runs.namespace, {columns}",  # noqa: S608
            condition.parameters,
        )
        for number, *values in found:
            misses = [
                name
                for name, value in zip(FACETS, values, strict=True)
                if value not in chosen.get(name, (value,))
            ]
            total += 0 if misses else number
            for name, value in zip(FACETS, values, strict=True):
                if value is not None and misses in ([], [name]):
                    counts[name][value] += number
        return total, {name: dict(counted.most_common(FACET_VALUES)) for name, counted in counts.items()}

    def _select(self, query: Query, condition: asking.Condition) -> list[tuple[int, Key, str, float]]:
        """One more than the page has, to know whether there is a next one."""
        joined = " LEFT JOIN prices ON prices.model = runs.model" if query.sort == "-cost" else ""
        found = self._db.execute(
            f"SELECT runs.id, runs.namespace, runs.name, runs.uid, {asking.ORDERS[query.sort]} FROM runs{joined}"  # noqa: S608
            f" WHERE {condition.sql} ORDER BY {asking.order(query)} LIMIT ?",
            [*condition.parameters, query.limit + 1],
        )
        return [(number, (namespace, name), uid, value) for number, namespace, name, uid, value in found]

    def _pieces(self, ids: Sequence[int], expression: str) -> dict[int, list[search.Piece]]:
        if not expression or not ids:
            return {}
        marks = search.Marks()
        places = ", ".join("?" * len(ids))
        found = self._db.execute(
            # `+` keeps SQLite from asking the texts anew for each of the rows.
            f"SELECT rowid, {marks.columns} FROM texts WHERE texts MATCH ? AND +rowid IN ({places})",  # noqa: S608
            [expression, *ids],
        )
        return {number: marks.pieces(snippets) for number, *snippets in found}


def amount(number: int | None) -> int:
    """A number of tokens, calls or milliseconds, within what can be kept and summed.

    A model that is not honest can say any number of tokens, and one beyond 64 bits, or a sum of two that is, would be an error
    for everybody's figures.
    """
    return max(0, min(number or 0, MOST))


def milliseconds(time: str | None) -> int:
    """Since the epoch, of RFC 3339; 0 for what is none."""
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000) if time else 0
    except ValueError:
        return 0
