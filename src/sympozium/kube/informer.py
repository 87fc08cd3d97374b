"""A local copy of a collection, kept by a watch.

It starts with a WatchList (one request that first sends what there is, then a bookmark, then changes:
https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists) and, where the server does not
know it, with a paged list followed by a watch. A broken or ended watch goes on from the last
resourceVersion, which bookmarks keep fresh; when that has become too old (410) the collection is read anew
and handlers hear the difference, so that no deletion is missed.

Handlers are called in the order of the changes, on the loop, and must be quick: they put names into work
queues. Objects in the copy belong to it: readers must not change them.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from sympozium.kube import metrics
from sympozium.kube.client import Client
from sympozium.kube.errors import ApiError, ExpiredError, InvalidError, KubeError
from sympozium.kube.resources import Object, Objects, Resource, key_of

log = logging.getLogger(__name__)

Handler = Callable[[Object | None, Object | None], None]
"""Called with (old, new): old is None for an added object, new is None for a deleted one."""
Index = Callable[[Object], Iterable[str]]
"""The values under which an object is found."""
Transform = Callable[[Object], Object]
"""Drops what nobody reads before an object is kept, to save memory."""

_INITIAL_END: Final = "k8s.io/initial-events-end"
_WATCH_SECONDS: Final = (300, 600)
_IDLE_SLACK: Final = 30.0
_BACK_OFF: Final = (0.5, 30.0)


class Cache:
    """The copy: objects by (namespace, name), and by the values of each index. No I/O."""

    def __init__(self, indexers: Mapping[str, Index]) -> None:
        self._indexers = dict(indexers)
        self._objects: dict[tuple[str, str], Object] = {}
        self._indexes: dict[str, dict[str, dict[tuple[str, str], None]]] = {name: {} for name in indexers}

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def by_index(self, index: str, value: str) -> list[Object]:
        return [self._objects[key] for key in self._indexes[index].get(value, ())]

    def put(self, obj: Object) -> Object | None:
        """Keep an object; returns the one that it replaces."""
        key = key_of(obj)
        old = self._objects.get(key)
        if old is not None:
            self._unindex(key, old)
        self._objects[key] = obj
        for name, values in self._indexers.items():
            for value in values(obj):
                self._indexes[name].setdefault(value, {})[key] = None
        return old

    def drop(self, key: tuple[str, str]) -> Object | None:
        old = self._objects.pop(key, None)
        if old is not None:
            self._unindex(key, old)
        return old

    def keys(self) -> set[tuple[str, str]]:
        return set(self._objects)

    def _unindex(self, key: tuple[str, str], obj: Object) -> None:
        for name, values in self._indexers.items():
            for value in values(obj):
                entries = self._indexes[name].get(value)
                if entries is not None:
                    entries.pop(key, None)
                    if not entries:
                        del self._indexes[name][value]


class Informer:
    """One collection: all namespaces, or one; all objects, or those of a selector."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        indexers: Mapping[str, Index] | None = None,
        transform: Transform | None = None,
    ) -> None:
        self.resource = resource
        self._client = client
        self._namespace = namespace
        self._query = {"labelSelector": labels, "fieldSelector": fields}
        self._cache = Cache(indexers or {})
        self._transform = transform
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._version = ""
        self._heard = time.monotonic()
        self._watch_list = True

    # -- reading

    @property
    def has_synced(self) -> bool:
        """Whether the copy was complete at some time since the start."""
        return self._synced.is_set()

    @property
    def version(self) -> int:
        """Up to where in the versions of the cluster the copy has come; negative while nobody can say."""
        return _number(self._version)

    @property
    def age(self) -> float:
        """Seconds since the API server last said something."""
        return time.monotonic() - self._heard

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def get(self, namespace: str, name: str) -> Object | None:
        """An object of the copy; `namespace` is empty for cluster-scoped ones."""
        return self._cache.get(namespace, name)

    def list(self, namespace: str | None = None) -> Objects:
        return [
            o for o in self._cache if namespace is None or o["metadata"].get("namespace", "") == namespace
        ]

    def by_index(self, index: str, value: str) -> Objects:
        return self._cache.by_index(index, value)

    def __len__(self) -> int:
        return len(self._cache)

    def add_handler(self, handler: Handler) -> None:
        """Hear of every change; a handler added late hears of what there is as added."""
        self._handlers.append(handler)
        for obj in self._cache:
            handler(None, obj)

    def mutation(self, obj: Object) -> None:
        """Take the answer to a write of ours into the copy, before the watch brings it.

        Without it a reconciler that runs again at once would decide on what it has already changed. An answer
        that is not newer than what the watch has brought is ignored: the object may be gone by now, while
        everything that happens to it after a newer answer is still to come.
        """
        if self.has_synced and _version(obj) > _number(self._version):
            self._put(obj)

    # -- following

    async def run(self) -> None:
        """Follow the collection until cancelled. Errors are logged, counted and tried again."""
        delay = _BACK_OFF[0]
        while True:
            try:
                if not self._version:
                    await self._fill()
                await self._follow()
                self._heard = time.monotonic()
                delay = _BACK_OFF[0]
            except ExpiredError:
                self._heard = time.monotonic()
                self._version = ""
                metrics.WATCH_RESTARTS.labels(self.resource.title, "expired").inc()
            except KubeError as error:
                metrics.WATCH_RESTARTS.labels(self.resource.title, type(error).__name__).inc()
                wait = delay * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
                log.warning("watch of %s: %s; again in %.1f s", self.resource.title, error, wait)
                await asyncio.sleep(wait)
                delay = min(delay * 2, _BACK_OFF[1])

    async def _fill(self) -> None:
        if self._watch_list:
            try:
                await self._fill_by_watch()
            except InvalidError as error:
                if self._version:
                    raise
                # An old server refuses `sendInitialEvents`; it will not learn it while we run.
                log.info("%s: no streaming lists here (%s): listing", self.resource.title, error)
                self._watch_list = False
            else:
                return
        items, version = await self._client.list_at(
            self.resource, self._namespace,
            labels=self._query["labelSelector"], fields=self._query["fieldSelector"],
        )  # fmt: skip
        self._replace(items, version)

    async def _fill_by_watch(self) -> None:
        query = {**self._parameters(), "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        items: dict[tuple[str, str], Object] = {}
        async with self._client.watch(
            self.resource, self._namespace, query=query, idle=_idle(query)
        ) as events:
            async for event in events:
                self._heard = time.monotonic()
                obj = event["object"]
                if event["type"] == "BOOKMARK":
                    if (obj["metadata"].get("annotations") or {}).get(_INITIAL_END) == "true":
                        self._replace(list(items.values()), obj["metadata"]["resourceVersion"])
                        # The same stream goes on with the changes: no second request.
                        async for later in events:
                            self._take(later)
                        return
                elif event["type"] == "DELETED":
                    items.pop(key_of(obj), None)
                else:
                    items[key_of(obj)] = obj
        if not self._version:
            raise ApiError(500, "Unknown", "the stream ended before its initial list was complete")

    async def _follow(self) -> None:
        query = {**self._parameters(), "resourceVersion": self._version}
        async with self._client.watch(
            self.resource, self._namespace, query=query, idle=_idle(query)
        ) as events:
            async for event in events:
                self._take(event)

    def _parameters(self) -> dict[str, str]:
        # Random, so that the watches of many informers do not all end in one second.
        seconds = random.randint(*_WATCH_SECONDS)  # noqa: S311 - jitter
        selectors = {key: value for key, value in self._query.items() if value}
        return {**selectors, "timeoutSeconds": str(seconds)}

    # -- changing the copy

    def _take(self, event: Object) -> None:
        self._heard = time.monotonic()
        obj = event["object"]
        match event["type"]:
            case "ADDED" | "MODIFIED":
                self._put(obj)
            case "DELETED":
                old = self._cache.drop(key_of(obj))
                self._tell(old or obj, None)
            case "BOOKMARK":
                pass
            case other:
                log.warning("watch of %s: unknown event %s ignored", self.resource.title, other)
                return
        self._version = obj["metadata"]["resourceVersion"]

    def _put(self, obj: Object) -> None:
        if self._transform:
            obj = self._transform(obj)
        kept = self._cache.get(*key_of(obj))
        if kept is not None and _same(kept, obj) and _version(kept) >= _version(obj) > 0:
            return  # the copy already has this or a newer one, by `mutation`
        self._tell(self._cache.put(obj), obj)

    def _replace(self, items: Iterable[Object], version: str) -> None:
        gone = self._cache.keys()
        for obj in items:
            gone.discard(key_of(obj))
            self._put(obj)
        for key in gone:
            self._tell(self._cache.drop(key), None)
        self._version = version
        self._heard = time.monotonic()
        self._synced.set()

    def _tell(self, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            handler(old, new)


def _idle(query: Mapping[str, str]) -> float:
    """Seconds of silence after which a connection counts as dead: the server should have ended it."""
    return float(query["timeoutSeconds"]) + _IDLE_SLACK


def _same(one: Object, other: Object) -> bool:
    return bool(one["metadata"].get("uid") == other["metadata"].get("uid"))


def _version(obj: Object) -> int:
    """A resourceVersion as a number: they compare as integers (KEP-5504); one that is none counts as oldest."""
    return _number(str(obj["metadata"].get("resourceVersion") or ""))


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else -1


def report(informers: Sequence[Informer]) -> None:
    """Have /metrics say how these are."""
    metrics.INFORMER_AGE.source = lambda: [([i.resource.title], i.age) for i in informers]
    metrics.INFORMER_OBJECTS.source = lambda: [([i.resource.title], len(i)) for i in informers]


def drop_managed_fields(obj: Object) -> Object:
    """The usual transform: `managedFields` are half of many objects, and no controller of ours reads them."""
    obj["metadata"].pop("managedFields", None)
    return obj
