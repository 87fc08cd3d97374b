"""What a network sees where a run connects to a Service: pods by their labels, and addresses.

The address of a Service is translated before most networks judge a connection, so a NetworkPolicy must name what is behind
it: for a Service its pods, for the Kubernetes API, which has none, the addresses of its EndpointSlices. Both are believed
for half a minute.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from sympozium.controllers.run.plan.inputs import Backend, Service
from sympozium.kube import Client
from sympozium.kube.resources import ENDPOINT_SLICES, SERVICES, Object

_BELIEVED: Final = 30.0
_API: Final = "kubernetes.io/service-name=kubernetes"


class Reaching:
    """For one installation."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._services: dict[Service, tuple[float, Backend | None]] = {}
        self._api: tuple[float, tuple[tuple[str, int], ...]] = (float("-inf"), ())

    async def backends(self, services: Iterable[Service]) -> dict[Service, Backend]:
        """Those that select pods. Raises KubeError."""
        found = {service: await self._backend(service) for service in services}
        return {service: backend for service, backend in found.items() if backend is not None}

    async def _backend(self, service: Service) -> Backend | None:
        now = asyncio.get_running_loop().time()
        at, known = self._services.get(service, (float("-inf"), None))
        if now - at < _BELIEVED:
            return known
        namespace, name = service
        known = _of(await self._client.find(SERVICES, name, namespace))
        self._services = {key: v for key, v in self._services.items() if now - v[0] < _BELIEVED}
        self._services[service] = (now, known)
        return known

    async def api_server(self) -> tuple[tuple[str, int], ...]:
        """Addresses and ports of the API servers behind `default/kubernetes`, sorted. Raises KubeError."""
        now = asyncio.get_running_loop().time()
        if now - self._api[0] >= _BELIEVED:
            slices = await self._client.list(ENDPOINT_SLICES, "default", labels=_API)
            self._api = (now, tuple(sorted({pair for one in slices for pair in _addresses(one)})))
        return self._api[1]


def _of(service: Object | None) -> Backend | None:
    spec = (service or {}).get("spec") or {}
    selector = spec.get("selector")
    if not selector or spec.get("type") == "ExternalName":
        return None
    ports = {
        int(port["port"]): port.get("targetPort") or int(port["port"]) for port in spec.get("ports") or ()
    }
    return Backend(selector, ports)


def _addresses(found: Object) -> Iterable[tuple[str, int]]:
    """Not ready is not left out: an API server that is coming back is none that a run may not reach."""
    ports = [int(port["port"]) for port in found.get("ports") or () if port.get("port")]
    for endpoint in found.get("endpoints") or ():
        for address in endpoint.get("addresses") or ():
            for port in ports:
                yield str(address), port
