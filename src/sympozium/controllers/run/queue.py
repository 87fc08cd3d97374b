"""Which runs may have a pod now. Pure.

First come, first served, with a limit for each instance and one for the installation, and for each run that has
started others a limit of those that work beneath it. A run that must wait is Queued, with a position and what it waits
for; it never fails because others are busy. A run whose instance is full does not hold up runs of others behind it.

A run that waits for its child does no work meanwhile, so that no tree of runs can lock itself out:

    its place in the installation    goes over to the child, which needs none of its own
    its place in its instance        is free; its child goes before newcomers
    its place beneath other runs     is free

So a chain of runs that wait for each other holds one place of the installation, and what a chain waits for is at
its end a run that works.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sympozium.api.config import QueueLimits
from sympozium.policy.limits import Limit

Key = tuple[str, str]
"""Namespace and name of a run."""
Beneath = Callable[[Key], Limit | None]
"""How many runs may work beneath one; None where nothing says so."""


@dataclass(frozen=True, slots=True)
class Member:
    """A run as the queue sees it; `above` has the runs that it is beneath."""

    instance: Key
    above: tuple[Key, ...] = ()
    awaited: bool = False
    """The run that started it waits for it."""
    waits: bool = False
    """It waits for one that it started."""


@dataclass(frozen=True, slots=True)
class Waiting(Member):
    """A run that has no pod yet."""

    key: Key = ("", "")
    created: str = ""
    suspended: bool = False

    @property
    def order(self) -> tuple[bool, str, Key]:
        """RFC 3339 in UTC sorts as text; the key breaks ties of one second."""
        return (not self.awaited, self.created, self.key)


@dataclass(frozen=True, slots=True)
class Place:
    """`position` is the number of runs that go first; None means: go."""

    position: int | None
    reason: str = ""

    @property
    def go(self) -> bool:
        return self.position is None


GO = Place(None)


def places(
    waiting: Sequence[Waiting], active: Iterable[Member], limits: QueueLimits, beneath: Beneath
) -> dict[Key, Place]:
    """The place of every waiting run. `active` has the runs with a pod."""
    busy = _Busy(limits, beneath)
    for member in active:
        busy.add(member)
    found: dict[Key, Place] = {}
    ahead_for: Counter[Key | None] = Counter()
    for run in sorted(waiting, key=lambda run: run.order):
        if run.suspended:
            found[run.key] = Place(0, "suspended: set spec.suspend to false to let it start")
            continue
        hindrance = busy.hindrance(run)
        if hindrance is None:
            busy.add(run)
            found[run.key] = GO
            continue
        whose, reason = hindrance
        found[run.key] = Place(ahead_for[whose], reason)
        ahead_for.update((None, run.instance, *run.above))
    return found


class _Busy:
    """Who takes which places."""

    def __init__(self, limits: QueueLimits, beneath: Beneath) -> None:
        self._limits = limits
        self._beneath = beneath
        self._total = 0
        self._of_instance: Counter[Key] = Counter()
        self._below: Counter[Key] = Counter()

    def add(self, run: Member) -> None:
        self._total += not run.awaited
        if not run.waits:
            self._of_instance[run.instance] += 1
            self._below.update(run.above)

    def hindrance(self, run: Waiting) -> tuple[Key | None, str] | None:
        """(whose places are taken, None for the installation's; in words), or None when nothing hinders."""
        most = self._limits.max_concurrent_runs
        if most is not None and not run.awaited and self._total >= most:
            return None, f"the installation has {self._total} of {most} runs at the same time"
        most = self._limits.max_concurrent_runs_per_instance
        if most is not None and self._of_instance[run.instance] >= most:
            words = f"{self._of_instance[run.instance]} of {most} runs at the same time"
            return run.instance, f"instance {run.instance[1]} has {words}"
        for above in run.above:
            limit = self._beneath(above)
            if limit is not None and self._below[above] >= limit.most:
                words = f"{self._below[above]} of {limit.most} runs work beneath {above[1]}"
                return above, f"waits for a sibling: {words} ({limit.rule})"
        return None
