"""EndpointSlices for Endpoints that a person or another program keeps, of Services without a selector."""

from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.services import slices, subsets
from sympozium.localkube.defaults.endpoints import ENDPOINTS_MANAGED_BY
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "endpointslicemirroring-controller"


class Mirror:
    """One key is one Endpoints object."""

    def __init__(self, client: Client, caches: dict[str, Informer], counts: Counter[tuple[str, str]]) -> None:
        """`caches` has services, endpoints and endpointslices."""
        self._client = client
        self._services = caches["services"]
        self._endpoints = caches["endpoints"]
        self._slices = caches["endpointslices"]
        self.controller: Controller[Key] = Controller(NAME, self.sync, counts)
        self._endpoints.on_change(self._changed)
        self._services.on_change(self._changed)

    def _changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is not None and not (obj.get("spec") or {}).get("selector"):
            self.controller.queue.add(key_of(obj))

    async def sync(self, key: Key) -> float | None:
        """Raises ApiError when a write is refused."""
        endpoints, service = self._endpoints.items.get(key), self._services.items.get(key)
        wanted = subsets.mirrored(endpoints) if endpoints and service and mirrors(endpoints, service) else []
        present = self._present(key)
        for made in wanted:
            old = next((one for one in present if one["addressType"] == made["addressType"]), None)
            if old is not None:
                present.remove(old)
                await self._update(old, made)
            else:
                path = path_of(slices.API, "endpointslices", key[0])
                self._slices.observe(await self._client.create(path, made))
        for old in present:
            meta = old["metadata"]
            path = path_of(slices.API, "endpointslices", key[0], meta["name"])
            await self._client.delete(path, uid=meta["uid"])
            self._slices.forget(old)
        return None

    def _present(self, key: Key) -> list[Object]:
        found = [
            one
            for (namespace, _), one in self._slices.items.items()
            if namespace == key[0]
            and (one["metadata"].get("labels") or {}).get(slices.SERVICE_NAME) == key[1]
        ]
        return slices.kept_by(found, subsets.MIRROR)

    async def _update(self, old: Object, made: Object) -> None:
        meta = old["metadata"]
        same = (meta.get("labels") or {}) == made["metadata"]["labels"]
        if same and all((old.get(key) or None) == made[key] for key in ("endpoints", "ports")):
            return
        put = {
            **made,
            "metadata": {
                **made["metadata"],
                "name": meta["name"],
                "resourceVersion": meta["resourceVersion"],
            },
        }
        path = path_of(slices.API, "endpointslices", meta["namespace"], meta["name"])
        try:
            self._slices.observe(await self._client.put(path, put))
        except ApiError as error:
            if error.code != 404:
                raise
            self._slices.forget(old)


def mirrors(endpoints: Object, service: Object) -> bool:
    """Not those that a controller keeps, and not those that ask to be left alone."""
    meta = endpoints["metadata"]
    labels = meta.get("labels") or {}
    if labels.get(subsets.SKIP) == "true" or ENDPOINTS_MANAGED_BY in labels:
        return False
    return not service["spec"].get("selector") and subsets.LEADER not in (meta.get("annotations") or {})
