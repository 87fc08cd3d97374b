"""Cluster addresses and node ports of Services: free ones for those that need one, conflicts refused.

The real server keeps its allocations in objects beside the Services and repairs them; here the Services
are the allocation. What two writers take in the same moment is told apart by a short memory of
what was given and not seen in the store yet. Docs: docs/contracts.md "Services on one machine".
"""

import ipaddress
import random
import time
from collections.abc import Hashable, Iterator
from itertools import chain

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.defaults.services import EXTERNAL, headless
from sympozium.localkube.errors import invalid
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import AdmissionRequest, Cause, Object

NETWORK = ipaddress.IPv4Network("127.96.0.0/16")
API_SERVICE = str(NETWORK[1])
NODE_PORTS = range(30000, 32768)
RESERVED = 256
"""The first addresses are left to those who ask for one."""
PENDING_SECONDS = 10.0


class ServiceAdmission:
    """The plugin. One for the life of the server: it follows the Services."""

    def __init__(self, objects: Objects) -> None:
        self._owners: dict[Hashable, tuple[str, str]] = {}
        """Address, or (protocol, node port) -> namespace and name of the Service that has it."""
        self._pending: dict[Hashable, float] = {}
        for service in objects.list("", "services"):
            self._changed(service, None)
        objects.subscribe("", "services", self._changed)

    def _changed(self, new: Object | None, old: Object | None) -> None:
        if old is not None:
            for taken in _taken(old):
                self._owners.pop(taken, None)
        if new is not None:
            for taken in _taken(new):
                self._owners[taken] = _key(new)
                self._pending.pop(taken, None)

    def mutate(self, request: AdmissionRequest) -> None:
        """Gives what is missing. A Service that is wrong in other ways is left for validation to refuse."""
        if not _concerned(request) or request.obj is None:
            return
        spec = request.obj["spec"]
        if spec["type"] in {"ClusterIP", *EXTERNAL} and spec.get("ports") and not spec.get("clusterIP"):
            spec["clusterIP"] = self._address()
            spec["clusterIPs"] = [spec["clusterIP"]]
        if spec["type"] in EXTERNAL and spec.get("allocateLoadBalancerNodePorts", True):
            self._give_ports(spec)

    def _give_ports(self, spec: Object) -> None:
        """TCP and UDP of one port number share a node port where they can, as on the real server."""
        chosen: dict[int, int] = {}
        for port in spec.get("ports") or ():
            if not port.get("nodePort"):
                shared = chosen.get(port.get("port", 0))
                free = shared is not None and self._free((port["protocol"], shared))
                port["nodePort"] = shared if free else self._node_port(port["protocol"])
                self._pending[port["protocol"], port["nodePort"]] = time.monotonic()
            chosen[port.get("port", 0)] = port["nodePort"]

    def validate(self, request: AdmissionRequest) -> None:
        """Raises ApiError 422 for an address or a port that is not in the range or another Service's."""
        if not _concerned(request) or request.obj is None:
            return
        spec, before = request.obj["spec"], set(_taken(request.old)) if request.old else set()
        causes: list[Cause] = []
        address = spec.get("clusterIP")
        if address and not headless(spec) and address not in before:
            why = self._refused(address, request)
            if why:
                text = f"failed to allocate IP {address}: {why}"
                causes.append(gotext.invalid("spec.clusterIPs", [address], text))
        for index, port in enumerate(spec.get("ports") or ()):
            number, pair = port.get("nodePort"), (port["protocol"], port.get("nodePort"))
            if not number or pair in before or spec["type"] not in EXTERNAL:
                continue
            path = f"spec.ports[{index}].nodePort"
            if number not in NODE_PORTS:
                why = f"provided port is not in the valid range. The range of valid ports is {_RANGE}"
                causes.append(gotext.invalid(path, number, why))
            elif self._owners.get(pair, _key(request.obj)) != _key(request.obj):
                causes.append(gotext.invalid(path, number, "provided port is already allocated"))
        if causes:
            raise invalid("", "Service", request.name, causes)

    def _refused(self, address: str, request: AdmissionRequest) -> str:
        if ipaddress.ip_address(address) not in NETWORK:
            return "the provided network does not match the current range"
        assert request.obj is not None
        if self._owners.get(address, _key(request.obj)) != _key(request.obj):
            return "provided IP is already allocated"
        if address == API_SERVICE and _key(request.obj) != ("default", "kubernetes"):
            return "provided IP is already allocated"
        return ""

    def _free(self, wanted: Hashable) -> bool:
        given = self._pending.get(wanted)
        if given is not None and time.monotonic() - given < PENDING_SECONDS:
            return False
        return wanted not in self._owners

    def _address(self) -> str:
        last = NETWORK.num_addresses - 2
        # At random while that finds one quickly, then in order: those kept for askers come last.
        guesses = (random.randint(min(RESERVED, last), last) for _ in range(100))  # noqa: S311 - no secret
        in_order = (*range(RESERVED, last + 1), *range(2, RESERVED))
        for number in chain(guesses, in_order):
            address = str(NETWORK[number])
            if self._free(address):
                self._pending[address] = time.monotonic()
                return address
        raise _exhausted("spec.clusterIPs", "failed to allocate a serviceIP: range is full")

    def _node_port(self, protocol: str) -> int:
        numbers = [number for number in NODE_PORTS if self._free((protocol, number))]
        if not numbers:
            raise _exhausted("spec.ports", "failed to allocate a nodePort: range is full")
        return random.choice(numbers)  # noqa: S311 - no secret


_RANGE = f"{NODE_PORTS.start}-{NODE_PORTS.stop - 1}"


def _concerned(request: AdmissionRequest) -> bool:
    known = (request.group, request.resource, request.subresource) == ("", "services", "")
    return known and request.operation in {"CREATE", "UPDATE"}


def _key(service: Object) -> tuple[str, str]:
    meta = service["metadata"]
    return meta.get("namespace", ""), meta.get("name", "")


def _taken(service: Object) -> Iterator[Hashable]:
    spec = service.get("spec") or {}
    if spec.get("clusterIP") and not headless(spec):
        yield spec["clusterIP"]
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            yield port.get("protocol", "TCP"), port["nodePort"]


def _exhausted(path: str, why: str) -> Exception:
    return invalid("", "Service", "", [Cause(path, "InternalError", why)])
