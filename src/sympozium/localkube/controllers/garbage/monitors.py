"""One watch for each kind that can own or be owned, as kinds come and go.

Kinds are those that discovery lists with delete, list and watch. Events are left out: they are many, and
nobody makes them own anything. Discovery is read again when a CustomResourceDefinition changes.
"""

import asyncio
import logging
from collections import Counter
from functools import partial

from sympozium.localkube.controllers.api import Client
from sympozium.localkube.controllers.discovery import Served, preferred, versions
from sympozium.localkube.controllers.garbage.collector import Collector
from sympozium.localkube.controllers.garbage.graph import Graph
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

VERBS = frozenset({"delete", "list", "watch"})
SKIPPED = frozenset({("", "events"), ("events.k8s.io", "events")})
RETRY = 2.0
KEPT = ("name", "namespace", "uid", "resourceVersion", "ownerReferences", "deletionTimestamp", "finalizers")


def reduced(obj: Object) -> Object:
    """What the graph needs, so that the cache does not hold every Secret."""
    return {"metadata": {key: obj["metadata"][key] for key in KEPT if key in obj["metadata"]}}


class Monitors:
    """Keeps the graph fed. `refresh()` after a change of kinds; `run()` for ever."""

    def __init__(self, watcher: Client, client: Client, counts: Counter[tuple[str, str]]) -> None:
        self._watcher = watcher
        self.graph = Graph()
        self._kinds: dict[tuple[str, str], Served] = {}
        self.collector = Collector(client, self.graph, lambda: self._kinds, counts)
        self._running: dict[Served, asyncio.Task[None]] = {}
        self._informers: dict[Served, Informer] = {}
        self._stale = asyncio.Event()
        self._stale.set()

    def refresh(self) -> None:
        """Read discovery again."""
        self._stale.set()

    async def run(self) -> None:
        """Watches all kinds and collects, until cancelled."""
        self._running.clear()  # after a crash: its watches ended with the group
        for served in list(self._informers):
            self._forget(served, self._informers.pop(served))
        self._stale.set()
        async with asyncio.TaskGroup() as group:
            first = True
            while True:
                await self._stale.wait()
                self._stale.clear()
                try:
                    await self._follow_kinds(group)
                except ApiError as error:
                    log.warning("discovery failed: %s; again in %.0f s", error, RETRY)
                    self._stale.set()
                    await asyncio.sleep(RETRY)
                    continue
                if first:
                    # Nothing is collected on half a picture: an owner not listed yet would be looked up for nothing.
                    for informer in self._informers.values():
                        await informer.synced.wait()
                    group.create_task(self.collector.controller.run())
                    first = False

    async def _follow_kinds(self, group: asyncio.TaskGroup) -> None:
        kinds = await versions(self._watcher)
        wanted = {
            served
            for served in await preferred(self._watcher)
            if served.verbs >= VERBS and (served.group, served.resource) not in SKIPPED
        }
        self._kinds = kinds
        for served in set(self._running) - wanted:
            self._running.pop(served).cancel()
            self._forget(served, self._informers.pop(served))
        for served in wanted - set(self._running):
            informer = Informer(self._watcher, served.path(), keep=reduced)
            informer.on_change(partial(self.collector.changed, served))
            self._informers[served] = informer
            self._running[served] = group.create_task(informer.run())

    def _forget(self, served: Served, informer: Informer) -> None:
        """A kind is gone, and so are its objects."""
        for obj in list(informer.items.values()):
            self.collector.changed(served, None, obj)
