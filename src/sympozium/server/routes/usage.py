"""What runs have used, and what goes on: `/api/v1/usage`, `/api/v1/overview`. From the copies, after access reviews."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query as Parameter
from pydantic import AwareDatetime

from sympozium.resources import SCHEDULES
from sympozium.server.access import CallerOf
from sympozium.server.govern.approvals import approvals
from sympozium.server.govern.sight import Sight
from sympozium.server.models.govern import ApprovalSummary
from sympozium.server.models.usage import NextTick, Overview, Spend, Tokens, Usage
from sympozium.server.names import NamespaceQuery
from sympozium.server.parts import Parts, PartsOf
from sympozium.server.problems import Problem
from sympozium.server.runs.ledger import Dimension
from sympozium.server.runs.query import Query
from sympozium.server.runs.scope import Scope, scope
from sympozium.server.runs.usage import ROWS_MAX, row

router = APIRouter(tags=["usage"])
_SHOWN: Final = 100
_RECENT: Final = 10
_NEXT: Final = 10
_ACTIVE: Final = ("Running", "AwaitingApproval", "Serving")
_DAY: Final = timedelta(days=1)


@router.get("/usage")
async def usage(
    caller: CallerOf,
    parts: PartsOf,
    by: Annotated[list[Dimension], Parameter(max_length=2)] = ["day"],  # noqa: B006 - FastAPI copies it
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    namespace: NamespaceQuery = None,
) -> Usage:
    """Tokens, time and cost of runs that have ended, also of those that are gone; by up to two dimensions."""
    if len(set(by)) != len(by):
        raise Problem(422, f"by: {by[0]} is asked for twice")
    seen = await scope(caller, namespace, parts.usage.namespaces)
    prices = parts.copies.prices
    found = await parts.usage.figures(
        by, prices, namespaces=seen.namespaces, since=_milliseconds(since), until=_milliseconds(until)
    )
    rows = [row(by, keys, summed, prices) for keys, summed in list(found.rows.items())[-ROWS_MAX:]]
    notes = [parts.usage.note] if parts.usage.note else []
    if len(found.rows) > ROWS_MAX:
        notes.append(
            f"the last {ROWS_MAX} of {len(found.rows)} rows are shown: ask for a shorter time (since, until)"
        )
    return Usage(
        rows=rows,
        totals=found.totals.shown(prices),
        currency=prices.currency or None,
        unpriced=sorted(found.unpriced),
        note="; ".join(notes) or None,
        partial=seen.partial,
    )


@router.get("/overview")
async def overview(caller: CallerOf, parts: PartsOf, namespace: NamespaceQuery = None) -> Overview:
    """What runs, what failed, what comes next, and what it costs."""
    seen = await scope(caller, namespace, parts.listing.namespaces)
    sight = Sight(caller, parts, namespace)
    now = datetime.now(UTC)
    listing, names = parts.listing, seen.namespaces
    spend, tokens = await _spent(parts, await scope(caller, namespace, parts.usage.namespaces), now)
    yesterday = _milliseconds(now - _DAY)
    return Overview(
        phases=await listing.phases(names),
        running=await listing.some(Query(names, phases=_ACTIVE, limit=_SHOWN)),
        failed=await listing.some(Query(names, phases=["Failed"], ended_since=yesterday, limit=_SHOWN)),
        recent=await listing.some(Query(names, limit=_RECENT)),
        spend=spend,
        tokens=tokens,
        waiting=await _waiting(sight),
        next=await _next(sight),
        stopped=listing.stopped,
        partial=seen.partial,
    )


async def _spent(parts: Parts, seen: Scope, now: datetime) -> tuple[Spend | None, Tokens]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    prices = parts.copies.prices
    today, week = [
        (await parts.usage.figures([], prices, namespaces=seen.namespaces, since=_milliseconds(since))).totals
        for since in (midnight, now - 7 * _DAY)
    ]
    spend = Spend(today=today.shown(prices).cost, week=week.shown(prices).cost, currency=prices.currency)
    tokens = Tokens(today=today.input + today.output, week=week.input + week.output)
    return spend if prices.currency else None, tokens


async def _waiting(sight: Sight) -> list[ApprovalSummary]:
    """None for those who may not list requests."""
    try:
        return (await approvals(sight, "waiting")).items[:_SHOWN]
    except Problem as problem:
        return _none_if_forbidden(problem)


async def _next(sight: Sight) -> list[NextTick]:
    """None for those who may not list schedules."""
    try:
        schedules = await sight.of(SCHEDULES.plural)
    except Problem as problem:
        return _none_if_forbidden(problem)
    ticks = [
        NextTick(
            namespace=schedule["metadata"]["namespace"], schedule=schedule["metadata"]["name"],
            instance=schedule["spec"]["instanceRef"], at=at,
        )
        for schedule in schedules
        if not schedule["spec"].get("suspend") and (at := (schedule.get("status") or {}).get("nextRunTime"))
    ]  # fmt: skip
    return sorted(ticks, key=lambda tick: tick.at)[:_NEXT]


def _none_if_forbidden(problem: Problem) -> list[Any]:
    if problem.status != 403:
        raise problem
    return []


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)
