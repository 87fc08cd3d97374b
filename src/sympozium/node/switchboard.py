"""Connects a pod to another pod: by the address of a Service, or by the address of the pod.

Every pod with a network of its own has an address of `10.244.0.0/16` that exists in the networks of pods alone: the
machine has no route there, and needs none. (Endpoints may not have loopback addresses, or it would be one.) What a
pod asks for arrives at its relay (`relay`), which asks here; this picks an endpoint, judges it by the policies of
both sides, and opens a socket inside the network of the pod behind it.
"""

import asyncio
import logging
import random
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path
from typing import Protocol

from sympozium.addresses import RefusedError
from sympozium.kube import Client, Informer, KubeError
from sympozium.kube.informer import drop_managed_fields
from sympozium.kube.resources import ENDPOINT_SLICES, NAMESPACES, SERVICES
from sympozium.node import netns, network, services
from sympozium.node.machine import Machine
from sympozium.node.netns import Network
from sympozium.node.network import Egress
from sympozium.node.objects import Object
from sympozium.node.services import Backend, Table

PODS = IPv4Network("10.244.0.0/16")
CLUSTER = IPv4Network("127.96.0.0/16")
RESOLVER = "10.244.0.10"
API_SERVICE = ("default", "kubernetes")
_PER_THIRD = 250
_MEMORY = 2.0
_PATIENCE = 5.0

_log = logging.getLogger(__name__)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Resident(Protocol):
    """A pod of this node."""

    @property
    def object(self) -> Object: ...
    @property
    def network(self) -> Network | None: ...
    @property
    def ip(self) -> str: ...


def pod_address(slot: int) -> str:
    """Of the pod in a slot; slots are given again when a pod is gone."""
    third, fourth = divmod(slot, _PER_THIRD)
    return str(PODS.network_address + ((third + 1) << 8) + fourth + 1)


class Switchboard:
    """`run` follows Services and their endpoints; `changed` is set when names may have changed."""

    def __init__(self, client: Client, machine: Machine, pods: Callable[[], Mapping[str, Resident]]) -> None:
        self._client = client
        self._machine = machine
        self._pods = pods
        self._services = Informer(client, SERVICES, transform=drop_managed_fields)
        self._slices = Informer(client, ENDPOINT_SLICES, transform=drop_managed_fields)
        self._table: Table | None = None
        self._known: dict[tuple[str, str], tuple[float, list[Object] | Mapping[str, str]]] = {}
        self._patient = True
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        for informer in (self._services, self._slices):
            informer.add_handler(lambda _old, _new: self._stale())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._services.run())
            group.create_task(self._slices.run())

    def _stale(self) -> None:
        self._table = None
        self.changed.set()

    async def wait_synced(self) -> None:
        """Until Services are known; not for ever, since an API server need not have any."""
        if not self._patient:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._services.wait_synced()
                await self._slices.wait_synced()
        except TimeoutError:
            _log.warning("Services of this API server are not known yet; pods start without them")
            self._patient = False

    @property
    def table(self) -> Table:
        if self._table is None:
            self._table = services.table(self._services.list(), self._slices.list())
        return self._table

    def environment(self, namespace: str) -> dict[str, str]:
        return services.environment(self._services.list(), namespace)

    # -- connections

    async def route(self, source: Object, egress: Egress, address: str, port: int) -> Backend | None:
        """The Service's endpoint or the pod that a connection goes to; None when the address is neither.

        Raises RefusedError, or OSError when policies cannot be read.
        """
        if (address, port) in self.table.backends:
            found = self.table.backends[address, port]
        elif backend := self._pod_at(address, port):
            found = [backend]
        elif (
            IPv4Address(address) in PODS
            or IPv4Address(address) in CLUSTER
            or address in self.table.addresses()
        ):
            raise RefusedError(f"no Service and no pod has {address}:{port}")
        else:
            return None
        permitted = [b for b in found if await self.permits(source, egress, address, port, b)]
        if not permitted:
            raise RefusedError(f"{address}:{port} is not allowed by policies" if found else "no endpoints")
        if address in self.table.sticky:
            return permitted[zlib.crc32(source["metadata"]["uid"].encode()) % len(permitted)]
        return random.choice(permitted)  # noqa: S311  # balance, not secrecy

    def _pod_at(self, address: str, port: int) -> Backend | None:
        if IPv4Address(address) not in PODS:
            return None
        return next(
            (Backend(address, port, uid) for uid, pod in self._pods().items() if pod.ip == address), None
        )

    async def permits(
        self, source: Object, egress: Egress, address: str, port: int, backend: Backend
    ) -> bool:
        """Whether the policies of both sides allow it."""
        target = self._pods().get(backend.pod)
        if target is None:
            return egress.allows(address, port) or (
                _is_ipv4(backend.address) and egress.allows(backend.address, backend.port)
            )
        there, here = target.object["metadata"]["namespace"], source["metadata"]["namespace"]
        labels = {name: await self._namespace_labels(name) for name in {there, here}}
        if not egress.allows(address, port) and not egress.allows_pod(
            target.object, backend.port, labels[there]
        ):
            return False
        policies = await self._policies(there)
        return network.ingress(target.object, backend.port, policies, source, labels[here])

    async def _policies(self, namespace: str) -> list[Object]:
        """Not older than two seconds, nor than the last change: a page load of a hundred connections asks once."""
        at, found = self._known.get(("policies", namespace), (0.0, []))
        if time.monotonic() - at > _MEMORY:
            found = await self._machine.network_policies(namespace)
            self._known["policies", namespace] = time.monotonic(), found
        return list(found)  # type: ignore[arg-type]  # by the key

    async def _namespace_labels(self, namespace: str) -> Mapping[str, str]:
        at, found = self._known.get(("labels", namespace), (0.0, {}))
        if time.monotonic() - at > _MEMORY:
            try:
                found = (await self._client.get(NAMESPACES, namespace))["metadata"].get("labels") or {}
            except KubeError as exc:
                raise OSError(f"namespace {namespace} cannot be read: {exc}") from exc
            self._known["labels", namespace] = time.monotonic(), found
        return found  # type: ignore[return-value]  # by the key

    def forget_policies(self, namespace: str) -> None:
        """They have changed."""
        self._known.pop(("policies", namespace), None)

    async def dial(self, backend: Backend) -> Streams:
        """Raises RefusedError, or OSError when the other side does not answer."""
        target = self._pods().get(backend.pod)
        if backend.pod and target is None:
            raise RefusedError(f"the pod behind {backend.address}:{backend.port} is gone")
        if target is None or target.network is None:
            if of_the_machine(backend.address) and not self._stands_there(backend, target):
                raise RefusedError(f"{backend.address}:{backend.port} is the machine's own, and no pod's")
            return await asyncio.open_connection(backend.address, backend.port)
        opened = netns.socket_inside(target.network)
        try:
            await asyncio.get_running_loop().sock_connect(opened, (target.ip, backend.port))
        except BaseException:
            opened.close()
            raise
        return await asyncio.open_connection(sock=opened)

    @staticmethod
    def _stands_there(backend: Backend, pod: Resident | None) -> bool:
        """Whether an endpoint on the machine's loopback is the API server, or a pod of the Service's namespace."""
        if backend.service == API_SERVICE:
            return True
        if pod is None or pod.ip != backend.address:
            return False
        return backend.service[0] in {"", pod.object["metadata"]["namespace"]}


def _is_ipv4(address: str) -> bool:
    try:
        return ip_address(address).version == 4
    except ValueError:
        return False


def of_the_machine(address: str) -> bool:
    """Whether an address is this machine, seen from itself: what listens there relies on nobody else reaching it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return True  # a name: endpoints of a Service are addresses
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return parsed.is_loopback or parsed.is_unspecified or parsed.is_link_local


def resolver_of_the_machine(text: str | None = None) -> str | None:
    """The first IPv4 name server in resolv.conf(5)."""
    if text is None:
        path = Path("/etc/resolv.conf")
        text = path.read_text() if path.exists() else ""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                socket.inet_pton(socket.AF_INET, words[1])
            except OSError:
                continue
            return words[1]
    return None
