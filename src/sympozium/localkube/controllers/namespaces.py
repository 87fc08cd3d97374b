"""A namespace that is being deleted: its contents go, then it is finalized.

https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
Everything that discovery lists is asked, so custom resources go too. What stays (finalizers, pods in
their grace) is named in the namespace's conditions, and looked at again after a moment that grows.
"""

import logging
from collections import Counter
from dataclasses import dataclass, field

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.discovery import Served, preferred
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.recorder import timestamp
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

NAME = "namespace-controller"
FIRST, LAST = 0.1, 5.0
"""Seconds between looks at what stays: the first, and the longest."""


@dataclass(slots=True)
class Remains:
    """What is left in a namespace: counts by `resource.group`, counts by finalizer, and failures."""

    resources: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.resources and not self.failures


class NamespaceController:
    """Keys are names of namespaces."""

    def __init__(self, client: Client, namespaces: Informer, counts: Counter[tuple[str, str]]) -> None:
        self._client = client
        self._namespaces = namespaces
        self._delays: dict[str, float] = {}
        self.controller: Controller[str] = Controller(NAME, self.sync, counts, workers=2)
        namespaces.on_change(self._changed)

    def _changed(self, new: Object | None, _old: Object | None) -> None:
        if new is not None and new["metadata"].get("deletionTimestamp"):
            self.controller.queue.add(new["metadata"]["name"])

    async def sync(self, name: str) -> float | None:
        namespace = await self._client.find(path_of("v1", "namespaces", "", name))
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            self._delays.pop(name, None)
            return None
        remains = await self._delete_contents(name)
        await self._report(namespace, remains)
        if not remains.empty:
            delay = self._delays.get(name, FIRST)
            self._delays[name] = min(delay * 2, LAST)
            return delay
        self._delays.pop(name, None)
        await self._finalize(namespace)
        return None

    async def _finalize(self, namespace: Object) -> None:
        spec = namespace.get("spec") or {}
        left = [name for name in spec.get("finalizers") or () if name != "kubernetes"]
        path = path_of("v1", "namespaces", "", namespace["metadata"]["name"], "finalize")
        try:
            current = await self._client.get(path_of("v1", "namespaces", "", namespace["metadata"]["name"]))
            await self._client.put(path, {**current, "spec": {**spec, "finalizers": left}})
        except ApiError as error:
            if error.code != 404:
                raise

    async def _delete_contents(self, namespace: str) -> Remains:
        remains = Remains()
        for served in await preferred(self._client):
            if served.namespaced and {"list", "delete"} <= served.verbs:
                await self._delete_kind(served, namespace, remains)
        return remains

    async def _delete_kind(self, served: Served, namespace: str, remains: Remains) -> None:
        path = served.path(namespace)
        qualified = f"{served.resource}.{served.group}" if served.group else served.resource
        try:
            found = (await self._client.get(path)).get("items") or []
            for obj in found:
                meta = obj["metadata"]
                if not meta.get("deletionTimestamp"):
                    await self._client.delete(f"{path}/{meta['name']}", uid=meta["uid"])
            left = (await self._client.get(path)).get("items") or [] if found else []
        except ApiError as error:
            if error.code != 404:  # 404: the kind went with its CRD
                remains.failures.append(f"{qualified}: {error.message}")
            return
        for obj in left:
            remains.resources[qualified] += 1
            remains.finalizers.update(obj["metadata"].get("finalizers") or ())

    async def _report(self, namespace: Object, remains: Remains) -> None:
        """Conditions, written when they differ from those that are there."""
        old = (namespace.get("status") or {}).get("conditions") or []
        new = conditions(remains, old, timestamp())
        if new == old:
            return
        path = path_of("v1", "namespaces", "", namespace["metadata"]["name"], "status")
        try:
            await self._client.merge(path, {"status": {"conditions": new}})
        except ApiError as error:
            if error.code != 404:
                raise


def conditions(remains: Remains, old: list[Object], now: str) -> list[Object]:
    """The three conditions of a namespace that is going; none before anything stayed."""
    counts = ", ".join(
        f"{name} has {count} resource instances" for name, count in sorted(remains.resources.items())
    )
    holders = ", ".join(
        f"{name} in {count} resource instances" for name, count in sorted(remains.finalizers.items())
    )
    wanted = [
        (
            "NamespaceDeletionContentFailure",
            bool(remains.failures),
            "ContentDeletionFailed" if remains.failures else "ContentDeleted",
            "; ".join(remains.failures) or "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            bool(remains.resources),
            "SomeResourcesRemain" if remains.resources else "ContentRemoved",
            f"Some resources are remaining: {counts}" if counts else "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining",
            bool(remains.finalizers),
            "SomeFinalizersRemain" if remains.finalizers else "ContentHasNoFinalizers",
            f"Some content in the namespace has finalizers remaining: {holders}"
            if holders
            else "All content-preserving finalizers finished",
        ),
    ]
    if remains.empty and not old:
        return old
    known = {condition["type"]: condition for condition in old}
    return [
        _condition(known.get(kind), kind, state, reason, text, now) for kind, state, reason, text in wanted
    ]


def _condition(old: Object | None, kind: str, state: bool, reason: str, message: str, now: str) -> Object:
    made = {"type": kind, "status": str(state), "reason": reason, "message": message}
    if old is not None and all(old.get(key) == value for key, value in made.items()):
        return old
    same = old is not None and old.get("status") == made["status"]
    return made | {"lastTransitionTime": old["lastTransitionTime"] if same and old else now}
