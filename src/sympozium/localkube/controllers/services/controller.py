"""Keeps the EndpointSlices and the Endpoints of Services that have a selector.

One key is one Service. A pod that changes puts the Services of its namespace that select it, now or before,
on the queue; changes within a short moment are one write, so a rollout of fifty pods is not fifty.
"""

from collections import Counter
from collections.abc import Iterable

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.services import slices, subsets
from sympozium.localkube.controllers.services.backends import Backend, backends, selects, trigger_time
from sympozium.localkube.defaults.endpoints import ENDPOINTS_MANAGED_BY
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "endpointslice-controller"
ENDPOINTS = "endpoint-controller"
BATCH_SECONDS = 0.05


class ServiceController:
    """Writes slices as `client` and Endpoints as `endpoints_client`, as the two controllers of Kubernetes do."""

    def __init__(
        self,
        client: Client,
        endpoints_client: Client,
        caches: dict[str, Informer],
        counts: Counter[tuple[str, str]],
    ) -> None:
        """`caches` has services, pods, nodes, endpoints and endpointslices."""
        self._client = client
        self._endpoints_client = endpoints_client
        self._services = caches["services"]
        self._pods = caches["pods"]
        self._nodes = caches["nodes"]
        self._endpoints = caches["endpoints"]
        self._slices = caches["endpointslices"]
        self._in_namespace: dict[str, set[Key]] = {}
        """The Services of each namespace that have a selector: most pods meet none."""
        self.controller: Controller[Key] = Controller(NAME, self.sync, counts)
        self._services.on_change(self._service_changed)
        self._pods.on_change(self._pod_changed)
        self._endpoints.on_change(self._endpoints_changed)
        self._slices.on_change(self._slice_changed)

    def _service_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is None:
            return
        key = key_of(obj)
        if new is not None and new["spec"].get("selector"):
            self._in_namespace.setdefault(key[0], set()).add(key)
        elif key in self._in_namespace.get(key[0], ()):
            self._in_namespace[key[0]].discard(key)
        self.controller.queue.add(key)

    def _pod_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is None:
            return
        for key in self._in_namespace.get(obj["metadata"]["namespace"], ()):
            service = self._services.items.get(key)
            if service and any(pod is not None and selects(service, pod) for pod in (new, old)):
                self.controller.queue.add_after(key, BATCH_SECONDS)

    def _endpoints_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is not None and key_of(obj) in self._in_namespace.get(obj["metadata"]["namespace"], ()):
            self.controller.queue.add(key_of(obj))

    def _slice_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is None or not slices.kept_by([obj], slices.CONTROLLER):
            return
        name = obj["metadata"]["labels"].get(slices.SERVICE_NAME, "")
        self.controller.queue.add((obj["metadata"]["namespace"], name))

    async def sync(self, key: Key) -> float | None:
        """Raises ApiError when a write is refused."""
        service = self._services.items.get(key)
        if service is None or service["metadata"].get("deletionTimestamp"):
            await self._forget(key)
            return None
        if not service["spec"].get("selector") or service["spec"]["type"] == "ExternalName":
            return None
        found = backends(service, self._pods_of(key[0]))
        stamp = trigger_time(service, found)
        await self._sync_slices(key, service, found, stamp)
        await self._sync_endpoints(service, found, stamp)
        return None

    def _pods_of(self, namespace: str) -> Iterable[Object]:
        return [pod for (ns, _), pod in self._pods.items.items() if ns == namespace]

    def _slices_of(self, key: Key) -> list[Object]:
        return slices.kept_by(
            (
                one
                for (namespace, _), one in self._slices.items.items()
                if namespace == key[0]
                and (one["metadata"].get("labels") or {}).get(slices.SERVICE_NAME) == key[1]
            ),
            slices.CONTROLLER,
        )

    async def _sync_slices(self, key: Key, service: Object, found: list[Backend], stamp: str) -> None:
        nodes = {name: node for (_, name), node in self._nodes.items.items()}
        present = sorted(self._slices_of(key), key=lambda one: str(one["metadata"]["name"]))
        change = slices.plan(service, found, present, nodes, stamp)
        for wanted in change.create:
            path = path_of(slices.API, "endpointslices", key[0])
            try:
                self._slices.observe(await self._client.create(path, wanted))
            except ApiError as error:
                if error.code != 403:  # the namespace is going: its content goes with it
                    raise
        for old, wanted in change.update:
            meta = old["metadata"]
            wanted["metadata"] |= {"name": meta["name"], "resourceVersion": meta["resourceVersion"]}
            path = path_of(slices.API, "endpointslices", key[0], meta["name"])
            try:
                self._slices.observe(await self._client.put(path, wanted))
            except ApiError as error:
                if error.code != 404:
                    raise
                self._slices.forget(old)
        for old in change.delete:
            meta = old["metadata"]
            await self._client.delete(
                path_of(slices.API, "endpointslices", key[0], meta["name"]), uid=meta["uid"]
            )
            self._slices.forget(old)

    async def _sync_endpoints(self, service: Object, found: list[Backend], stamp: str) -> None:
        meta = service["metadata"]
        wanted = subsets.endpoints_object(service, found, stamp)
        present = self._endpoints.items.get((meta["namespace"], meta["name"]))
        path = path_of("v1", "endpoints", meta["namespace"])
        if present is None:
            try:
                self._endpoints.observe(await self._endpoints_client.create(path, wanted))
            except ApiError as error:
                if error.code != 403:
                    raise
            return
        same = (present.get("subsets") or []) == (wanted.get("subsets") or [])
        if same and (present["metadata"].get("labels") or {}) == wanted["metadata"]["labels"]:
            return
        wanted["metadata"]["resourceVersion"] = present["metadata"]["resourceVersion"]
        stored = await self._endpoints_client.put(f"{path}/{meta['name']}", wanted)
        self._endpoints.observe(stored)

    async def _forget(self, key: Key) -> None:
        """Slices have an owner and go with it; the Endpoints object is of the same name and has none."""
        known = self._endpoints.items.get(key)
        if known is None:
            return
        labels = known["metadata"].get("labels") or {}
        if labels.get(ENDPOINTS_MANAGED_BY) != subsets.CONTROLLER:
            return
        path = path_of("v1", "endpoints", *key)
        await self._endpoints_client.delete(path, uid=known["metadata"]["uid"])
        self._endpoints.forget(known)
