"""What stands behind the addresses and names of Services: a value made from Service and EndpointSlice objects.

docs/contracts.md, "Services on one machine", says which fields count. Only TCP is passed on.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sympozium.node.objects import Object

DOMAIN = "cluster.local"
_SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Backend:
    """One endpoint: the pod behind it, or an address that the node dials itself."""

    address: str
    port: int
    pod: str = ""
    """Its uid."""
    service: tuple[str, str] = ("", "")
    """Namespace and name of the Service whose endpoint it is; empty for a pod that is reached by its address."""


@dataclass(slots=True)
class Table:
    """`backends` by (address, port); `hosts` by namespace and then by short name: addresses."""

    backends: dict[tuple[str, int], list[Backend]] = field(default_factory=dict)
    hosts: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    sticky: set[str] = field(default_factory=set)
    """Addresses whose clients keep their endpoint (session affinity)."""

    def addresses(self) -> set[str]:
        return {address for address, _ in self.backends}


def table(services: Iterable[Object], slices: Iterable[Object]) -> Table:
    """The whole of it."""
    result = Table()
    by_service: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for found in slices:
        name = (found["metadata"].get("labels") or {}).get(_SERVICE_LABEL, "")
        by_service[found["metadata"]["namespace"], name].append(found)
    for service in services:
        meta, spec = service["metadata"], service["spec"]
        where = (meta["namespace"], meta["name"])
        address = spec.get("clusterIP") or ""
        own = by_service.get(where, [])
        if address and address != "None":
            result.hosts[where] = [address]
            for port in spec.get("ports") or ():
                if port.get("protocol", "TCP") == "TCP":
                    result.backends[address, port["port"]] = list(_backends(port, own, where))
            if spec.get("sessionAffinity") == "ClientIP":
                result.sticky.add(address)
        elif address == "None":
            _headless(result, where, own)
    return result


def _usable(found: Iterable[Object]) -> list[Object]:
    """Endpoints that are ready; when none is, those that still serve while they end."""
    every = [e for one in found for e in one.get("endpoints") or ()]
    ready = [e for e in every if (e.get("conditions") or {}).get("ready") is not False]
    return ready or [e for e in every if _serves_last(e.get("conditions") or {})]


def _serves_last(conditions: Mapping[str, bool]) -> bool:
    return bool(conditions.get("serving") and conditions.get("terminating"))


def _backends(port: Object, slices: list[Object], service: tuple[str, str]) -> Iterator[Backend]:
    usable = [id(endpoint) for endpoint in _usable(slices)]
    for one in slices:
        targets = [p for p in one.get("ports") or () if (p.get("name") or "") == (port.get("name") or "")]
        for endpoint in one.get("endpoints") or ():
            if id(endpoint) in usable and endpoint.get("addresses"):
                ref = endpoint.get("targetRef") or {}
                uid = ref.get("uid", "") if ref.get("kind") == "Pod" else ""
                yield from (
                    Backend(endpoint["addresses"][0], t["port"], uid, service)
                    for t in targets
                    if t.get("port")
                )


def _headless(result: Table, where: tuple[str, str], slices: list[Object]) -> None:
    namespace, name = where
    for endpoint in _usable(slices):
        for address in endpoint.get("addresses") or ():
            result.hosts.setdefault(where, []).append(address)
            if hostname := endpoint.get("hostname"):
                result.hosts.setdefault((namespace, f"{hostname}.{name}"), []).append(address)


def names(known: Table, namespace: str) -> dict[str, list[str]]:
    """Lines of /etc/hosts for a pod of a namespace: address -> names."""
    result: dict[str, list[str]] = {}
    for (where, name), addresses in known.hosts.items():
        head, _, service = name.rpartition(".")
        first = f"{head}.{service}" if head else service
        forms = [f"{first}.{where}.svc.{DOMAIN}", f"{first}.{where}.svc", f"{first}.{where}"]
        if where == namespace:
            forms.append(first)
        for address in addresses:
            result.setdefault(address, []).extend(forms)
    return result


def environment(services: Iterable[Object], namespace: str) -> dict[str, str]:
    """The variables of a namespace's Services, as containers get them with `enableServiceLinks`.

    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    result: dict[str, str] = {}
    for service in services:
        address, ports = service["spec"].get("clusterIP") or "None", service["spec"].get("ports") or ()
        if service["metadata"]["namespace"] != namespace or address == "None" or not ports:
            continue
        name = _variable(service["metadata"]["name"])
        result[f"{name}_SERVICE_HOST"] = address
        result[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        first = ports[0].get("protocol", "TCP").lower()
        result[f"{name}_PORT"] = f"{first}://{address}:{ports[0]['port']}"
        for port in ports:
            protocol, number = port.get("protocol", "TCP"), str(port["port"])
            if port.get("name"):
                result[f"{name}_SERVICE_PORT_{_variable(port['name'])}"] = number
            prefix = f"{name}_PORT_{number}_{protocol}"
            result[prefix] = f"{protocol.lower()}://{address}:{number}"
            result |= {
                f"{prefix}_PROTO": protocol.lower(),
                f"{prefix}_PORT": number,
                f"{prefix}_ADDR": address,
            }
    return result


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
