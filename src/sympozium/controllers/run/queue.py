"""Which runs may have a pod now. Pure.

First come, first served, with a limit for each instance and one for the installation. A run that must wait is
Queued, with a position and what it waits for; it never fails because others are busy. A run whose instance is
full does not hold up runs of other instances behind it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sympozium.api.config import QueueLimits

Key = tuple[str, str]
"""Namespace and name of a run."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that has no pod yet."""

    key: Key
    instance: Key
    created: str
    suspended: bool = False

    @property
    def order(self) -> tuple[str, Key]:
        """RFC 3339 in UTC sorts as text; the key breaks ties of one second."""
        return (self.created, self.key)


@dataclass(frozen=True, slots=True)
class Place:
    """`position` is the number of runs that go first; None means: go."""

    position: int | None
    reason: str = ""

    @property
    def go(self) -> bool:
        return self.position is None


GO = Place(None)


def places(waiting: Sequence[Waiting], active: Iterable[Key], limits: QueueLimits) -> dict[Key, Place]:
    """The place of every waiting run. `active` has the instance of each run that has a pod."""
    running = Counter(active)
    total = running.total()
    found: dict[Key, Place] = {}
    ahead = 0
    ahead_of_instance: Counter[Key] = Counter()
    for run in sorted(waiting, key=lambda run: run.order):
        if run.suspended:
            found[run.key] = Place(0, "suspended: set spec.suspend to false to let it start")
            continue
        reason, position = _hindrance(run, running, total, limits), ahead
        if reason is None:
            running[run.instance] += 1
            total += 1
            found[run.key] = GO
            continue
        if limits.max_concurrent_runs is None or total < limits.max_concurrent_runs:
            position = ahead_of_instance[run.instance]
        found[run.key] = Place(position, reason)
        ahead += 1
        ahead_of_instance[run.instance] += 1
    return found


def _hindrance(run: Waiting, running: Counter[Key], total: int, limits: QueueLimits) -> str | None:
    most = limits.max_concurrent_runs_per_instance
    if most is not None and running[run.instance] >= most:
        return f"instance {run.instance[1]} has {running[run.instance]} of {most} runs at the same time"
    most = limits.max_concurrent_runs
    if most is not None and total >= most:
        return f"the installation has {total} of {most} runs at the same time"
    return None
