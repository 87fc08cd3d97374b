"""What is asked of the index, as SQL: filters, order, place in the order.

A page begins after a place, which is the value that is sorted by and the uid of the last run that was shown. So runs that
are created meanwhile move nothing, and a cursor tells nothing but what its holder has seen.
"""

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sympozium.server.runs import labels, search

Sort = Literal["-created", "created", "-duration", "-tokens", "-cost"]
ORDERS: Final[Mapping[str, str]] = {
    "-created": "runs.created",
    "created": "runs.created",
    "-duration": "coalesce(runs.duration, -1)",
    "-tokens": "runs.input + runs.output",
    "-cost": "coalesce(runs.input * prices.input + runs.output * prices.output, -1)",
}
FACETS: Final = ("phase", "instance", "pack")


class CursorError(ValueError):
    """Not a cursor of this list."""


@dataclass(frozen=True, slots=True)
class Query:
    """`namespaces`: those that the caller may see, None for all. Times are milliseconds since the epoch."""

    namespaces: Collection[str] | None = None
    phases: Collection[str] = ()
    instance: str = ""
    pack: str = ""
    persona: str = ""
    schedule: str = ""
    trigger: str = ""
    """A kind of trigger, or the name of what triggered."""
    labels: str = ""
    words: str = ""
    since: int | None = None
    until: int | None = None
    ended_since: int | None = None
    sort: Sort = "-created"
    limit: int = 50
    cursor: str = ""

    def chosen(self) -> dict[str, Collection[str]]:
        """What is filtered by, of the facets."""
        chosen: dict[str, Collection[str]] = {
            "phase": self.phases,
            "instance": [self.instance],
            "pack": [self.pack],
        }
        return {facet: values for facet, values in chosen.items() if any(values)}


@dataclass(frozen=True, slots=True)
class Condition:
    """A WHERE clause with its parameters."""

    sql: str
    parameters: list[Any]

    def but(self, sql: str, *parameters: Any) -> "Condition":
        return Condition(f"({self.sql}) AND {sql}", [*self.parameters, *parameters])


def base(query: Query) -> Condition:
    """All that the query asks but for what the facets choose. Raises ValueError for a bad label selector."""
    parts: list[tuple[str, list[Any]]] = []
    if query.namespaces is not None:
        parts.append(_among("runs.namespace", query.namespaces))
    if query.labels:
        parts.append(labels.condition(query.labels))
    if query.trigger:
        parts.append(("? IN (runs.trigger, runs.cause)", [query.trigger]))
    if query.persona:
        parts.append(("runs.persona = ?", [query.persona]))
    if query.schedule:
        parts.append(("runs.schedule = ?", [query.schedule]))
    if query.since is not None:
        parts.append(("runs.created >= ?", [query.since]))
    if query.until is not None:
        parts.append(("runs.created < ?", [query.until]))
    if query.ended_since is not None:
        parts.append(("runs.ended >= ?", [query.ended_since]))
    if query.words.strip():
        # The hits are looked up once and used by all that counts and lists.
        parts.append(("runs.id IN (SELECT id FROM hits)", []))
    return _all(parts)


def matching(query: Query) -> Condition:
    """All that the query asks."""
    whole = base(query)
    return _all([(whole.sql, whole.parameters), *(_among(f"runs.{f}", v) for f, v in query.chosen().items())])


def expression(query: Query) -> str:
    """What to look up in the texts; empty without words."""
    return search.expression(query.words)


def after(query: Query) -> Condition | None:
    """What comes after the cursor. Raises CursorError."""
    if not query.cursor:
        return None
    value, uid = _read(query)
    sign = ">" if query.sort == "created" else "<"
    return Condition(f"({ORDERS[query.sort]}, runs.uid) {sign} (?, ?)", [value, uid])


def order(query: Query) -> str:
    way = "ASC" if query.sort == "created" else "DESC"
    return f"{ORDERS[query.sort]} {way}, runs.uid {way}"


def cursor(query: Query, value: float, uid: str) -> str:
    """The place of a run in the order of this query."""
    return base64.urlsafe_b64encode(json.dumps([query.sort, value, uid]).encode()).decode().rstrip("=")


def _read(query: Query) -> tuple[float, str]:
    text = query.cursor
    try:
        sort, value, uid = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, TypeError, RecursionError) as exc:
        raise CursorError("the cursor cannot be read: take it from `cursor` of the page before") from exc
    if (
        sort != query.sort
        or type(value) not in (int, float)
        or not isinstance(uid, str)
        or not -(2**63) <= value < 2**63
    ):
        raise CursorError(f"the cursor is of another list than sort={query.sort}: begin without one")
    return value, search.clean(uid)


def _among(column: str, values: Collection[str]) -> tuple[str, list[Any]]:
    return f"{column} IN ({', '.join('?' * len(values))})", sorted(values)


def _all(parts: list[tuple[str, list[Any]]]) -> Condition:
    return Condition(
        " AND ".join(f"({sql})" for sql, _ in parts) or "1", [p for _, given in parts for p in given]
    )
