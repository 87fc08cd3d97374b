"""The Service `default/kubernetes`, its Endpoints and its EndpointSlice: where the API answers.

Made by the API server itself, as in Kubernetes, and made again when somebody deletes or changes them.
"""

import asyncio
import logging
from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.services import slices, subsets
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

NAME = "kubernetes-service-controller"
KEY = ("default", "kubernetes")
PERIOD = 60.0


def wanted(address: str, cluster_ip: str) -> dict[str, Object]:
    """Plural -> object; `address` is the API's host:port."""
    host, _, port = address.rpartition(":")
    meta: Object = {"name": KEY[1], "namespace": KEY[0]}
    target: Object = {"name": "https", "port": int(port), "protocol": "TCP"}
    return {
        "services": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {
                "type": "ClusterIP",
                "clusterIP": cluster_ip,
                "sessionAffinity": "None",
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": int(port)}],
            },
        },
        "endpoints": {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {**meta, "labels": {subsets.SKIP: "true"}},
            "subsets": [{"addresses": [{"ip": host}], "ports": [target]}],
        },
        "endpointslices": {
            "apiVersion": slices.API,
            "kind": "EndpointSlice",
            "metadata": {**meta, "labels": {slices.SERVICE_NAME: KEY[1]}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
            "ports": [target],
        },
    }


class ApiService:
    """`run()` keeps the three objects."""

    def __init__(
        self,
        client: Client,
        caches: dict[str, Informer],
        counts: Counter[tuple[str, str]],
        *,
        address: str,
        cluster_ip: str,
    ) -> None:
        """`client` is the API server's own identity."""
        self._client = client
        self._caches = {plural: caches[plural] for plural in ("services", "endpoints", "endpointslices")}
        self._counts = counts
        self._wanted = wanted(address, cluster_ip)
        self._changed = asyncio.Event()
        for cache in self._caches.values():
            cache.on_change(self._seen)

    def _seen(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is not None and (obj["metadata"]["namespace"], obj["metadata"]["name"]) == KEY:
            self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            try:
                for plural, obj in self._wanted.items():
                    await self._ensure(plural, obj)
            except ApiError as error:
                self._counts[NAME, "errors"] += 1
                log.warning("%s: %s; again in %.0f s", NAME, error, PERIOD)
                await asyncio.sleep(PERIOD)
                continue
            await self._changed.wait()

    async def _ensure(self, plural: str, obj: Object) -> None:
        path = path_of(obj["apiVersion"], plural, KEY[0])
        present = self._caches[plural].items.get(KEY)
        if present is None:
            present = await self._client.find(f"{path}/{KEY[1]}")
        if present is None:
            self._caches[plural].observe(await self._client.create(path, obj))
        elif self._differs(present, obj):
            stored = await self._client.merge(f"{path}/{KEY[1]}", _patch(obj))
            self._caches[plural].observe(stored)

    @staticmethod
    def _differs(present: Object, obj: Object) -> bool:
        if "spec" in obj:
            return bool(present["spec"].get("ports") != obj["spec"]["ports"])
        return any(present.get(key) != obj[key] for key in ("subsets", "endpoints", "ports") if key in obj)


def _patch(obj: Object) -> Object:
    """The address is not patched: it is for life."""
    if "spec" in obj:
        return {"spec": {"ports": obj["spec"]["ports"]}}
    return {key: obj[key] for key in ("subsets", "endpoints", "ports") if key in obj}
