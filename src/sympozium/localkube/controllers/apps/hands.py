"""The writes of these controllers, each told to the cache of its kind at once.

So the next decision is made on a state that has all own writes in it. Deletes carry the uid: a name that was taken
anew in the meantime is not ours to delete.
"""

import asyncio
from collections.abc import Sequence

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.apps.children import Claims
from sympozium.localkube.controllers.apps.pods import controller_reference
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.mergepatch import difference
from sympozium.localkube.controllers.recorder import record
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

Event = tuple[str, str, str]
"""(type, reason, message)."""


class Hands:
    """One controller's writes."""

    def __init__(self, client: Client, component: str, caches: dict[str, Informer]) -> None:
        """`caches` are by kind."""
        self.client = client
        self.component = component
        self._caches = caches

    async def tell(self, about: Object, events: Sequence[Event]) -> None:
        for kind, reason, message in events:
            await record(self.client, self.component, about, reason, message, warning=kind == "Warning")

    async def create(self, obj: Object) -> Object:
        await asyncio.sleep(0)  # hundreds of pods in a row are no reason to keep everybody else waiting
        stored = await self.client.create(path(obj, collection=True), obj)
        self._caches[obj["kind"]].observe(stored)
        return stored

    async def change(self, old: Object, new: Object, subresource: str = "") -> Object | None:
        """What makes `old` into `new`, if nobody else has changed it; None when it is gone."""
        patch = difference(old, new)
        if not patch:
            return old
        patch.setdefault("metadata", {})["resourceVersion"] = old["metadata"]["resourceVersion"]
        cache = self._caches[old["kind"]]
        try:
            stored = await self.client.merge(path(old, subresource), patch)
        except ApiError as error:
            if error.code == 404:
                cache.forget(old)
                return None
            raise
        cache.observe(stored)
        return stored

    async def status(self, obj: Object, status: Object, annotations: Object | None = None) -> Object | None:
        new = {**obj, "status": status}
        if annotations is not None:
            new["metadata"] = {**obj["metadata"], "annotations": annotations}
        return await self.change(obj, new, "status")

    async def delete(self, obj: Object) -> bool:
        """Whether it was there to be deleted."""
        cache = self._caches[obj["kind"]]
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": obj["metadata"]["uid"]},
        }
        try:
            answer = await self.client.call("DELETE", path(obj), options)
        except ApiError as error:
            if error.code not in {404, 409}:
                raise
            cache.forget(obj)
            return False
        if answer.get("kind") == obj["kind"]:
            cache.observe(answer)
        else:
            cache.forget(obj)
        return True

    async def settle(self, owner: Object, claims: Claims) -> bool:
        """Adopt and release; whether anything was done.

        Before the first adoption the owner is read again: one that is on its way out, as of now, adopts nothing.
        """
        for child in claims.release:
            uid = owner["metadata"]["uid"]
            left = [r for r in child["metadata"].get("ownerReferences") or () if r["uid"] != uid]
            await self._references(child, left)
        if not claims.adopt:
            return bool(claims.release)
        fresh = await self.client.find(path(owner))
        if fresh is None or fresh["metadata"]["uid"] != owner["metadata"]["uid"]:
            self._caches[owner["kind"]].forget(owner)
            return True
        if fresh["metadata"].get("deletionTimestamp"):
            self._caches[owner["kind"]].observe(fresh)
            return True
        for child in claims.adopt:
            references = [*(child["metadata"].get("ownerReferences") or ()), controller_reference(owner)]
            await self._references(child, references)
        return True

    async def _references(self, child: Object, references: list[Object]) -> None:
        meta = {key: value for key, value in child["metadata"].items() if key != "ownerReferences"}
        if references:
            meta["ownerReferences"] = references
        await self.change(child, {**child, "metadata": meta})


PLURALS = {
    "Pod": "pods",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "ReplicationController": "replicationcontrollers",
    "ReplicaSet": "replicasets",
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "ControllerRevision": "controllerrevisions",
}


def path(obj: Object, subresource: str = "", *, collection: bool = False) -> str:
    meta = obj["metadata"]
    name = "" if collection else meta["name"]
    return path_of(obj["apiVersion"], PLURALS[obj["kind"]], meta["namespace"], name, subresource)
