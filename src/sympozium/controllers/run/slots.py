"""The queue over the copies: which runs wait, which have a pod, and who goes next.

Two workers may look at two runs at once; the slot of a run that is being started is taken until its Job is in
the copy. Places are computed once for each change of the world, not once for each of thousands of waiting runs.
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


class Slots:
    """`wake` is called for runs that may start since the last look."""

    def __init__(self, context: Context, wake: Callable[[Request], None]) -> None:
        self._context = context
        self._wake = wake
        self._starting: dict[Key, Key] = {}
        self._dirty = True
        self._places: dict[Key, Place] = {}
        caches = context.caches
        caches.runs.add_handler(self._changed)
        caches.jobs.add_handler(self._changed)
        caches.configs.add_handler(self._changed)
        self._woken = asyncio.Event()

    def _changed(self, *_: Object | None) -> None:
        self._dirty = True
        self._woken.set()

    async def run(self) -> None:
        """Wake the runs whose turn has come, whenever something changed; until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            for key, place in self._current().items():
                if place.go:
                    self._wake(Request(*key))

    def place(self, run: Object) -> Place:
        """The place of a run that has no Job."""
        return self._current().get(_key(run), GO)

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
            self._changed()

    def _current(self) -> dict[Key, Place]:
        if not self._dirty:
            return self._places
        waiting: list[Waiting] = []
        active: list[Key] = list(self._starting.values())
        for run in self._context.caches.runs.list():
            key = _key(run)
            if (run.get("status") or {}).get("phase") in TERMINAL or key in self._starting:
                continue
            if self._context.caches.jobs.get(key[0], names.job(key[1])) is not None:
                active.append(_instance(run))
            elif not run["metadata"].get("deletionTimestamp"):
                suspended = bool(run["spec"].get("suspend"))
                created = run["metadata"]["creationTimestamp"]
                waiting.append(Waiting(key, _instance(run), created, suspended=suspended))
        limits = self._context.config().queue
        self._places = places(waiting, active, limits) if limits else _unlimited(waiting)
        self._dirty = False
        return self._places


def _unlimited(waiting: list[Waiting]) -> dict[Key, Place]:
    held = Place(0, "suspended: set spec.suspend to false to let it start")
    return {run.key: held if run.suspended else GO for run in waiting}


def _key(run: Object) -> Key:
    return run["metadata"]["namespace"], run["metadata"]["name"]


def _instance(run: Object) -> Key:
    return run["metadata"]["namespace"], run["spec"]["instanceRef"]
