"""The queue over the copies: which runs wait, which have a pod, who is beneath whom, and who goes next.

Two workers may look at two runs at once; the slot of a run that is being started is taken until its Job is in
the copy. With thousands of runs in the queue their places are computed when somebody may have become free to go,
and not for each newcomer: who comes behind a run that waits cannot go before it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

from sympozium.api.base import Object
from sympozium.api.config import QueueLimits
from sympozium.api.run import TERMINAL, AgentRun
from sympozium.controllers.context import Context, MissingError, parse
from sympozium.controllers.run.children import awaited_by
from sympozium.controllers.run.plan import names
from sympozium.controllers.run.queue import GO, Key, Member, Place, Waiting, places
from sympozium.controllers.run.tree import Tree, instance_of
from sympozium.kube import Request
from sympozium.kube.resources import key_of
from sympozium.policy.limits import Limit, concurrent
from sympozium.policy.resolve import MissingReferenceError

_SUSPENDED = Place(0, "suspended: set spec.suspend to false to let it start")


class Slots:
    """`wake` is called for runs that may start since the last look."""

    def __init__(self, context: Context, wake: Callable[[Request], None]) -> None:
        self._context = context
        self._wake = wake
        self._starting: dict[Key, Object] = {}
        self._retrying: set[Key] = set()
        """Runs whose start failed."""
        self._dirty = True
        self._places: dict[Key, Place] = {}
        self._held: dict[Key, Place] = {}
        """Instance -> the last place that was given to a run of it that is beneath no other, for instances that are full."""
        self._freed = asyncio.Event()
        caches = context.caches
        caches.runs.add_handler(self._run_changed)
        caches.jobs.add_handler(self._job_changed)
        caches.configs.add_handler(lambda *_: self._free())
        caches.policies.add_handler(self._limits_changed)
        caches.instances.add_handler(self._limits_changed)

    async def run(self) -> None:
        """Wake the runs whose turn has come, whenever somebody made room; until cancelled."""
        while True:
            await self._freed.wait()
            self._freed.clear()
            for key, place in self._current().items():
                if place.go and key not in self._retrying:
                    self._wake(Request(*key))

    def place(self, run: Object) -> Place:
        """The place of a run that has no Job."""
        key, instance = key_of(run), instance_of(run)
        alone = not run["spec"].get("parent")
        if alone and self._context.config().queue is None:
            return _SUSPENDED if run["spec"].get("suspend") else GO
        newcomer = key not in self._places
        if newcomer and alone and not run["spec"].get("suspend") and (last := self._held.get(instance)):
            behind = Place((last.position or 0) + 1, last.reason)
            self._held[instance] = self._places[key] = behind
            return behind
        self._dirty = self._dirty or newcomer
        return self._current().get(key, GO)

    @asynccontextmanager
    async def take(self, run: Object) -> AsyncIterator[None]:
        """Hold the slot of a run while it is being started."""
        key = key_of(run)
        self._starting[key] = run
        self._retrying.discard(key)
        self._dirty = True
        try:
            yield
        except BaseException:
            # It comes again by its own back-off. Woken by the slot that it gives back, it would fail without a pause.
            self._retrying.add(key)
            raise
        finally:
            del self._starting[key]
            self._free()

    def _current(self) -> dict[Key, Place]:
        if not self._dirty:
            return self._places
        runs = [run for run in self._context.caches.runs.list() if _lives(run)]
        tree = Tree(runs, self._context.caches.runs, self._has_pod)
        waiting: list[Waiting] = []
        active: list[Member] = []
        for run in runs:
            if self._has_pod(key_of(run)):
                active.append(tree.member(run))
            elif not run["metadata"].get("deletionTimestamp"):
                waiting.append(tree.waiting(run))
        limits = self._context.config().queue or QueueLimits()
        self._places = places(waiting, active, limits, cache(self._beneath))
        self._held = {}
        for item in sorted(waiting, key=lambda w: w.order):
            if not item.suspended and not item.above and not self._places[item.key].go:
                self._held[item.instance] = self._places[item.key]
        self._dirty = False
        return self._places

    def _has_pod(self, key: Key) -> bool:
        return key in self._starting or self._context.caches.jobs.get(key[0], names.job(key[1])) is not None

    def _beneath(self, key: Key) -> Limit | None:
        """How many runs may work beneath a run; None when it cannot be told: then its children's policy says no."""
        obj = self._context.caches.runs.get(*key)
        if obj is None:
            return None
        try:
            run = parse(AgentRun, obj)
            instance = self._context.instance(run.namespace, run.spec.instance_ref)
            return concurrent(self._context.effective(instance, run.spec.parent), instance)
        except (MissingError, MissingReferenceError):
            return None

    # -- what makes the places wrong, and what makes room

    def _run_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._retrying.discard(key_of(old))
        if new is None or (old is not None and _signature(old) != _signature(new)):
            self._free()
        elif old is None and awaited_by(new) is not None:
            self._free()  # its parent works no more
        # A newcomer takes its place when it is looked at.

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._free()
        elif old is None:
            self._dirty = True

    def _limits_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or old.get("spec") != new.get("spec"):
            self._free()

    def _free(self) -> None:
        self._dirty = True
        self._freed.set()


def _signature(run: Object) -> tuple[bool, bool, bool]:
    """What of a run matters to the queue."""
    return (_lives(run), bool(run["spec"].get("suspend")), bool(run["metadata"].get("deletionTimestamp")))


def _lives(run: Object) -> bool:
    return (run.get("status") or {}).get("phase") not in TERMINAL
