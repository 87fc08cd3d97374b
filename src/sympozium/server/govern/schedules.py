"""Schedules: the runs that they made, and when they are due next."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from sympozium.actions.runs import phase_of
from sympozium.api.meta import LABEL_SCHEDULE
from sympozium.api.schedule import TICK_ANNOTATION
from sympozium.api.ticks import Schedule
from sympozium.kube import ForbiddenError
from sympozium.kube.conditions import parse_time, rfc3339
from sympozium.kube.resources import EVENTS, Object, key_of, selector
from sympozium.names import label_value
from sympozium.server.copies import RUNS
from sympozium.server.govern.sight import Key, Sight
from sympozium.server.models.govern import PastTick, ScheduleSummary
from sympozium.server.runs.summary import head

SCHEDULES: Final = "sympoziumschedules"
_MISSED: Final = frozenset({"MissedTicks", "TooLate", "StillRunning"})
"""Reasons of the Events that the controller writes of ticks that make no run."""


async def schedules(sight: Sight, *, past: int, next_: int) -> list[ScheduleSummary]:
    """By name."""
    found = sorted(await sight.of(SCHEDULES), key=key_of)
    made: defaultdict[Key, list[Object]] = defaultdict(list)
    for run in await sight.beside(RUNS):
        if label := (run["metadata"].get("labels") or {}).get(LABEL_SCHEDULE):
            made[run["metadata"]["namespace"], label].append(run)
    missed = await _missed(sight)
    now = datetime.now(UTC)
    return [
        summary(
            obj,
            made[obj["metadata"]["namespace"], label_value(obj["metadata"]["name"])],
            past=past,
            next_=next_,
            now=now,
            missed=None if missed is None else missed[key_of(obj)],
        )
        for obj in found
    ]


def summary(
    obj: Object, made: list[Object], *, past: int, next_: int, now: datetime, missed: int | None
) -> ScheduleSummary:
    """`made` are the runs of the schedule that the caller may list."""
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    suspended = bool(spec.get("suspend"))
    newest = sorted(made, key=_at, reverse=True)[:past]
    return ScheduleSummary(
        namespace=metadata["namespace"],
        name=metadata["name"],
        instance=spec["instanceRef"],
        schedule=spec["schedule"],
        time_zone=spec.get("timeZone"),
        type=spec.get("type") or "scheduled",
        suspended=suspended,
        phase=status.get("phase"),
        task=head(spec["task"]),
        past=[PastTick(at=_at(run), run=run["metadata"]["name"], phase=phase_of(run)) for run in newest],
        next=[] if suspended else [rfc3339(tick) for tick in _ticks(obj, now, next_)],
        missed=missed,
    )


def _ticks(obj: Object, now: datetime, count: int) -> list[datetime]:
    """None for a schedule that cannot be understood: its phase says so."""
    spec = obj["spec"]
    try:
        plan = Schedule(
            spec["schedule"],
            time_zone=spec.get("timeZone"),
            anchor=parse_time(obj["metadata"]["creationTimestamp"]),
        )
        return list(islice(plan.ticks(now), count))
    except ValueError:
        return []


async def _missed(sight: Sight) -> Counter[Key] | None:
    """How many ticks made no run, as the Events tell that the caller may read; None without the right."""
    fields = selector({"involvedObject.kind": "SympoziumSchedule"})
    try:
        events = await sight.caller.kube.list(EVENTS, sight.namespace, fields=fields)
    except ForbiddenError:
        return None
    counts = Counter[Key]()
    for event in events:
        if event.get("reason") in _MISSED:
            about = event["involvedObject"]
            counts[about.get("namespace", ""), about["name"]] += int(event.get("count") or 1)
    return counts


def _at(run: Object) -> str:
    """The tick that caused it; when it was made, for one that a person asked for."""
    tick = (run["metadata"].get("annotations") or {}).get(TICK_ANNOTATION, "fire:")
    made = str(run["metadata"]["creationTimestamp"])
    return made if tick.startswith("fire:") else rfc3339(parse_time(tick))
