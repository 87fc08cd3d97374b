"""Whether a schedule makes a run now, and what becomes of the runs that it made. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sympozium import durations
from sympozium.api.run import TERMINAL
from sympozium.api.schedule import FIRE_ANNOTATION, FIRED_ANNOTATION, SympoziumSchedule
from sympozium.api.ticks import Schedule, jitter, stamp
from sympozium.kube.conditions import parse_time
from sympozium.names import derive


@dataclass(frozen=True, slots=True)
class Made:
    """A run that this schedule made before."""

    name: str
    phase: str
    created: datetime
    tick: datetime | None = None
    """What caused it; None for one that a person asked for."""

    @property
    def when(self) -> datetime:
        return self.tick or self.created

    @property
    def active(self) -> bool:
        return self.phase not in TERMINAL


@dataclass(frozen=True, slots=True)
class Fire:
    """Make this run. `tick` is None for one that a person asked for."""

    name: str
    tick: datetime | None
    cause: str


@dataclass(slots=True)
class Decision:
    """What to do now, and when to look again."""

    fire: list[Fire] = field(default_factory=list)
    cancel: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """(reason, message) of ticks that make no run: Events."""
    seen: datetime | None = None
    """The last tick that was dealt with, run or not: it is never looked at again."""
    next_tick: datetime | None = None
    look_at: datetime | None = None


def decide(
    schedule: SympoziumSchedule, plan: Schedule, made: Sequence[Made], *, since: datetime, now: datetime
) -> Decision:
    """`since` is the last tick that was dealt with, or the creation of the schedule."""
    decision = Decision()
    spec, meta = schedule.spec, schedule.metadata
    token = meta.annotations.get(FIRE_ANNOTATION)
    if token and token != meta.annotations.get(FIRED_ANNOTATION):
        decision.fire.append(Fire(derive(schedule.name, "fire", token), None, f"fire:{token}"))
    if spec.suspend:
        return decision
    most = durations.parse(spec.jitter) if spec.jitter else 0.0
    missed = plan.due(since, now)
    tick = missed.last
    decision.next_tick = plan.after(now)
    decision.look_at = decision.next_tick + jitter(meta.uid, decision.next_tick, most)
    if tick is None:
        return decision
    start = tick + jitter(meta.uid, tick, most)
    if start > now:
        decision.look_at = min(start, decision.look_at)
        return decision
    decision.seen = tick
    if missed.earlier:
        number = f"more than {missed.earlier}" if missed.more else str(missed.earlier)
        decision.skipped.append(
            ("MissedTicks", f"{number} earlier ticks passed while nobody looked; only the last one is run")
        )
    deadline = spec.starting_deadline_seconds
    if deadline is not None and now > start + timedelta(seconds=deadline):
        late = int((now - start).total_seconds())
        decision.skipped.append(
            ("TooLate", f"tick {tick.isoformat()} is {late} s late, {deadline} s are allowed")
        )
        return decision
    _concurrency(schedule, Fire(derive(schedule.name, stamp(tick)), tick, tick.isoformat()), made, decision)
    return decision


def _concurrency(schedule: SympoziumSchedule, fire: Fire, made: Sequence[Made], decision: Decision) -> None:
    if any(run.name == fire.name for run in made):
        # Made before a crash that kept us from remembering it: the same run again is no second one.
        decision.fire.append(fire)
        return
    active = [run.name for run in made if run.active]
    policy = schedule.spec.concurrency_policy
    if active and policy == "Forbid":
        decision.skipped.append(
            (
                "StillRunning",
                f"tick {fire.cause} left out: {', '.join(active)} has not ended (concurrencyPolicy Forbid)",
            )
        )
        return
    if policy == "Replace":
        decision.cancel += active
    decision.fire.append(fire)


def surplus(schedule: SympoziumSchedule, made: Sequence[Made]) -> list[str]:
    """Names of finished runs beyond the history limits, the oldest first."""
    spec = schedule.spec
    limits = (
        (("Succeeded",), spec.successful_runs_history_limit),
        (("Failed", "Cancelled"), spec.failed_runs_history_limit),
    )
    names: list[str] = []
    for phases, limit in limits:
        if limit is None:
            continue
        finished = sorted(
            (run for run in made if run.phase in phases), key=lambda run: (run.created, run.name)
        )
        names += [run.name for run in finished[: max(len(finished) - limit, 0)]]
    return names


def created_at(obj: dict[str, object]) -> datetime:
    """When an object was created."""
    meta = obj["metadata"]
    assert isinstance(meta, dict)
    return parse_time(meta["creationTimestamp"])
