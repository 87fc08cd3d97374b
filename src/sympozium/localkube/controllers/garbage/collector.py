"""What becomes of an object whose owners changed.

An object is deleted when none of its owners exists any more; while one does, references to those that
are gone are taken out. Before anything is deleted the object and its unknown owners are read from the API,
and the deletion carries uid and resourceVersion, so a late look never takes what has a new owner.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping

from sympozium.localkube.controllers.api import Client
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.discovery import Served
from sympozium.localkube.controllers.garbage.graph import (
    FOREGROUND,
    ORPHAN,
    Graph,
    Node,
    Owner,
    node_of,
    owners_of,
)
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

NAME = "generic-garbage-collector"
UNRESOLVABLE_DELAY = 60.0


class UnresolvableError(Exception):
    """Whether an owner exists cannot be told: its kind is not served, or it could not own this object."""


class Collector:
    """Keys are uids. `kinds()` maps (apiVersion, kind) to what serves it."""

    def __init__(
        self,
        client: Client,
        graph: Graph,
        kinds: Callable[[], Mapping[tuple[str, str], Served]],
        counts: Counter[tuple[str, str]],
    ) -> None:
        self._client = client
        self._graph = graph
        self._kinds = kinds
        self._counts = counts
        self.controller: Controller[str] = Controller(NAME, self.sync, counts, workers=4)

    def changed(self, served: Served, new: Object | None, old: Object | None) -> None:
        """A watch saw a change."""
        if new is not None:
            look = self._graph.put(node_of(served, new))
        elif old is not None:
            look = self._graph.remove(old["metadata"]["uid"])
        else:
            return
        for uid in look:
            self.controller.queue.add(uid)

    async def sync(self, uid: str) -> float | None:
        node = self._graph.nodes.get(uid)
        if node is None:
            return None
        current = await self._client.find(node.path)
        if current is None or current["metadata"]["uid"] != uid:
            return None  # the watch will say, or has said so
        node = node_of(node.served, current)
        if node.orphans_dependents:
            await self._orphan(node, current)
            return None
        if node.waits_for_dependents:
            await self._foreground(node, current)
            # Itself a dependent of something that waits: it is deleted already, so there is nothing to add.
            return None
        if node.deleting or not node.owners:
            return None
        try:
            await self._collect(node, current)
        except UnresolvableError as error:
            self._counts[NAME, "unresolvable"] += 1
            log.info("%s is kept: %s", node.path, error)
            return UNRESOLVABLE_DELAY
        return None

    async def _collect(self, node: Node, current: Object) -> None:
        solid, gone, waiting = [], [], []
        for owner in node.owners:
            # An object may have thousands, and requests within this process never wait.
            await asyncio.sleep(0)
            found = await self._find(owner, node)
            if found is None:
                gone.append(owner)
            elif found.waits_for_dependents and owner.blocks:
                waiting.append(owner)
            else:
                solid.append(owner)
        if solid:
            if gone or waiting:
                await self._forget_owners(node, current, {owner.uid for owner in (*gone, *waiting)})
            return
        # An owner waits for this object: what it owns itself must be gone with it, so it waits in turn.
        foreground = bool(waiting) and bool(self._graph.dependents(node.uid))
        await self._delete(node, current, "Foreground" if foreground else _policy(node))

    async def _find(self, owner: Owner, node: Node) -> Node | None:
        """The owner, if an object with that uid exists where it can own `node`.

        A namespaced owner in another namespace is none. One of a cluster-scoped object is a mistake that
        must not cost the object: raises UnresolvableError, as for a kind that is not served.
        """
        known = self._graph.nodes.get(owner.uid)
        served = known.served if known else self._kinds().get((owner.api_version, owner.kind))
        if served is None:
            raise UnresolvableError(f"no kind {owner.kind} in {owner.api_version} is served")
        if served.namespaced and not node.namespace:
            raise UnresolvableError(f"{owner.kind} {owner.name} has a namespace and cannot own it")
        if known is not None:
            reachable = not served.namespaced or known.namespace == node.namespace
            return known if reachable else None
        path = served.path(node.namespace if served.namespaced else "", owner.name)
        found = await self._client.find(path)
        if found is None or found["metadata"]["uid"] != owner.uid:
            return None
        return node_of(served, found)

    async def _foreground(self, node: Node, current: Object) -> None:
        blocking = self._graph.blocking(node.uid)
        for dependent in self._graph.dependents(node.uid):
            if not dependent.deleting:
                self.controller.queue.add(dependent.uid)
        if not blocking:
            await self._drop_finalizer(node, current, FOREGROUND)

    async def _orphan(self, node: Node, current: Object) -> None:
        for dependent in self._graph.dependents(node.uid):
            obj = await self._client.find(dependent.path)
            if obj is not None and obj["metadata"]["uid"] == dependent.uid:
                await self._forget_owners(dependent, obj, {node.uid})
        await self._drop_finalizer(node, current, ORPHAN)

    async def _forget_owners(self, node: Node, current: Object, uids: set[str]) -> None:
        kept = [ref for ref in current["metadata"].get("ownerReferences") or () if ref["uid"] not in uids]
        if len(kept) == len(owners_of(current)):
            return
        await self._patch(node, current, {"ownerReferences": kept or None})

    async def _drop_finalizer(self, node: Node, current: Object, finalizer: str) -> None:
        left = [name for name in current["metadata"].get("finalizers") or () if name != finalizer]
        await self._patch(node, current, {"finalizers": left or None})

    async def _patch(self, node: Node, current: Object, metadata: Object) -> None:
        version = current["metadata"]["resourceVersion"]
        try:
            await self._client.merge(node.path, {"metadata": {**metadata, "resourceVersion": version}})
        except ApiError as error:
            if error.code != 404:
                raise

    async def _delete(self, node: Node, current: Object, policy: str) -> None:
        version = current["metadata"]["resourceVersion"]
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": policy,
            "preconditions": {"uid": node.uid, "resourceVersion": version},
        }
        try:
            await self._client.call("DELETE", node.path, options)
        except ApiError as error:
            if error.code == 404:
                return
            raise
        self._counts[NAME, "collected"] += 1


def _policy(node: Node) -> str:
    """What the object's own finalizers ask for, else Background."""
    if ORPHAN in node.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in node.finalizers else "Background"
