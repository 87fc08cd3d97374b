"""Counts anew what quotas limit, after something in their namespaces changed.

With no quota nothing is listened to. `run` is one task; it writes the status that the plugin reads.
"""

import asyncio
from collections.abc import Iterator

from sympozium.localkube.admission.amounts import Amounts, amounts, total
from sympozium.localkube.admission.quota.plugin import BUCKET, Pending
from sympozium.localkube.admission.quota.usage import counts, none_of, usage
from sympozium.localkube.feed import Change
from sympozium.localkube.store import Entry, MissingError, StaleError, Store
from sympozium.localkube.types import Object

QUIET = 0.2
"""Seconds of changes that are counted together."""
RESYNC = 300.0
_CORE = {
    "services": "services",
    "services.loadbalancers": "services",
    "services.nodeports": "services",
    "secrets": "secrets",
    "configmaps": "configmaps",
    "resourcequotas": "resourcequotas",
    "replicationcontrollers": "replicationcontrollers",
    "persistentvolumeclaims": "persistentvolumeclaims",
    "requests.storage": "persistentvolumeclaims",
}


def bucket_of(name: str) -> str:
    """Where the objects are that a name of a quota counts."""
    if name.startswith("count/"):
        resource, _, group = name.removeprefix("count/").partition(".")
        return f"{group}/{resource}"
    if ".storageclass.storage.k8s.io/" in name:
        return "/persistentvolumeclaims"
    return f"/{_CORE.get(name, 'pods')}"


class Recount:
    def __init__(self, store: Store, pending: Pending) -> None:
        self._store = store
        self._pending = pending
        self._heard: set[str] = set()
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        store.subscribe(BUCKET, self._quota_changed)
        for entry in store.scan(BUCKET):
            self._listen(entry.object)
            self._dirty.add(entry.namespace)

    def _quota_changed(self, change: Change) -> None:
        if change.type != "DELETED":
            self._listen(change.entry.object)
            self._mark(change.entry.namespace)

    def _listen(self, quota: Object) -> None:
        for name in quota["spec"].get("hard") or {}:
            bucket = bucket_of(name)
            if bucket not in self._heard and bucket != BUCKET:
                self._heard.add(bucket)
                self._store.subscribe(bucket, lambda change: self._mark(change.entry.namespace))

    def _mark(self, namespace: str) -> None:
        if namespace not in self._dirty and self._store.count(BUCKET, namespace):
            self._dirty.add(namespace)
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(RESYNC):
                    if not self._dirty:
                        await self._wake.wait()
            except TimeoutError:
                self._dirty |= {entry.namespace for entry in self._store.scan(BUCKET)}
            self._wake.clear()
            dirty, self._dirty = self._dirty, set()
            for namespace in dirty:
                await self.namespace(namespace)
                if self._pending.in_namespace(namespace):
                    self._dirty.add(namespace)  # until what was charged is there, or will not come
            await asyncio.sleep(QUIET)

    async def namespace(self, namespace: str) -> None:
        """Writes the status of each quota there that is not as it should be."""
        for entry in list(self._store.scan(BUCKET, namespace)):
            quota = entry.object
            status = self.status(quota, namespace)
            if (quota.get("status") or {}) == status:
                continue
            quota["status"] = status
            try:
                await self._store.update(BUCKET, namespace, entry.name, quota, expect=entry.rev)
            except (StaleError, MissingError):
                self._mark(namespace)  # somebody was faster: count again

    def _objects(self, bucket: str, namespace: str) -> Iterator[Object]:
        names = set()
        for entry in self._store.scan(bucket, namespace):
            names.add(entry.name)
            yield _decoded(entry)
        for name, obj in self._pending.of(bucket, namespace):
            if name in names:
                self._pending.stored(bucket, namespace, name)
            else:
                yield obj

    def status(self, quota: Object, namespace: str) -> Object:
        hard = quota["spec"].get("hard") or {}
        limits = amounts(hard)
        found: list[Amounts] = [none_of(limits)]
        for bucket in {bucket_of(name) for name in hard}:
            group, _, resource = bucket.rpartition("/")
            counted = (obj for obj in self._objects(bucket, namespace) if counts(quota, group, resource, obj))
            found += [usage(group, resource, obj) for obj in counted]
        used = total(found)
        return {"hard": hard, "used": {name: str(used[name]) for name in hard}}


def _decoded(entry: Entry) -> Object:
    from sympozium.localkube.objects import decoded

    return decoded(entry)
