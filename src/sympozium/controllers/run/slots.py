"""The queue over the copies: which runs wait, which have a pod, and who goes next.

Two workers may look at two runs at once; the slot of a run that is being started is taken until its Job is in
the copy. With thousands of runs in the queue their places are computed when somebody may have become free to go,
and not for each newcomer: who comes behind a run that waits cannot go before it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sympozium.api.base import Object
from sympozium.api.run import TERMINAL
from sympozium.controllers.context import Context
from sympozium.controllers.run.plan import names
from sympozium.controllers.run.queue import GO, Key, Place, Waiting, places
from sympozium.kube import Request

_SUSPENDED = Place(0, "suspended: set spec.suspend to false to let it start")


class Slots:
    """`wake` is called for runs that may start since the last look."""

    def __init__(self, context: Context, wake: Callable[[Request], None]) -> None:
        self._context = context
        self._wake = wake
        self._starting: dict[Key, Key] = {}
        self._dirty = True
        self._places: dict[Key, Place] = {}
        self._held: dict[Key, Place] = {}
        """Instance -> the last place that was given to a run of it, for instances that are full."""
        self._freed = asyncio.Event()
        caches = context.caches
        caches.runs.add_handler(self._run_changed)
        caches.jobs.add_handler(self._job_changed)
        caches.configs.add_handler(lambda *_: self._free())

    async def run(self) -> None:
        """Wake the runs whose turn has come, whenever somebody made room; until cancelled."""
        while True:
            await self._freed.wait()
            self._freed.clear()
            for key, place in self._current().items():
                if place.go:
                    self._wake(Request(*key))

    def place(self, run: Object) -> Place:
        """The place of a run that has no Job."""
        key, instance = _key(run), _instance(run)
        if self._context.config().queue is None:
            return _SUSPENDED if run["spec"].get("suspend") else GO
        newcomer = key not in self._places
        if newcomer and not run["spec"].get("suspend") and (last := self._held.get(instance)):
            behind = Place((last.position or 0) + 1, last.reason)
            self._held[instance] = self._places[key] = behind
            return behind
        self._dirty = self._dirty or newcomer
        return self._current().get(key, GO)

    @asynccontextmanager
    async def take(self, run: Object) -> AsyncIterator[None]:
        """Hold the slot of a run while it is being started."""
        key = _key(run)
        self._starting[key] = _instance(run)
        self._dirty = True
        try:
            yield
        finally:
            del self._starting[key]
            self._free()

    def _current(self) -> dict[Key, Place]:
        if not self._dirty:
            return self._places
        waiting: list[Waiting] = []
        active: list[Key] = list(self._starting.values())
        for run in self._context.caches.runs.list():
            key = _key(run)
            if not _lives(run) or key in self._starting:
                continue
            if self._context.caches.jobs.get(key[0], names.job(key[1])) is not None:
                active.append(_instance(run))
            elif not run["metadata"].get("deletionTimestamp"):
                suspended = bool(run["spec"].get("suspend"))
                created = run["metadata"]["creationTimestamp"]
                waiting.append(Waiting(key, _instance(run), created, suspended=suspended))
        limits = self._context.config().queue
        self._places = places(waiting, active, limits) if limits else _unlimited(waiting)
        self._held = {}
        for item in sorted(waiting, key=lambda w: w.order):
            if not item.suspended and not self._places[item.key].go:
                self._held[item.instance] = self._places[item.key]
        self._dirty = False
        return self._places

    # -- what makes the places wrong, and what makes room

    def _run_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or (old is not None and _signature(old) != _signature(new)):
            self._free()
        # A newcomer takes its place when it is looked at.

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._free()
        elif old is None:
            self._dirty = True

    def _free(self) -> None:
        self._dirty = True
        self._freed.set()


def _unlimited(waiting: list[Waiting]) -> dict[Key, Place]:
    return {run.key: _SUSPENDED if run.suspended else GO for run in waiting}


def _signature(run: Object) -> tuple[bool, bool, bool]:
    """What of a run matters to the queue."""
    return (_lives(run), bool(run["spec"].get("suspend")), bool(run["metadata"].get("deletionTimestamp")))


def _lives(run: Object) -> bool:
    return (run.get("status") or {}).get("phase") not in TERMINAL


def _key(run: Object) -> Key:
    return run["metadata"]["namespace"], run["metadata"]["name"]


def _instance(run: Object) -> Key:
    return run["metadata"]["namespace"], run["spec"]["instanceRef"]
