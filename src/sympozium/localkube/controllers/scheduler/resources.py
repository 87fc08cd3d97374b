"""What pods ask for, and what of a node is given away. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from sympozium.localkube.types import Object
from sympozium.quantities import parse

DEFAULT_PODS = 110
Amounts = dict[str, Decimal]
HostPort = tuple[str, str, int]
"""(address or 0.0.0.0, protocol, port)."""


@dataclass(slots=True)
class Load:
    """What the pods of a node have asked for: their number, amounts by resource, ports of the host."""

    pods: int = 0
    amounts: Amounts = field(default_factory=dict)
    ports: Counter[HostPort] = field(default_factory=Counter)

    def add(self, asked: Amounts, ports: tuple[HostPort, ...] = ()) -> None:
        self.pods += 1
        for name, amount in asked.items():
            self.amounts[name] = self.amounts.get(name, Decimal(0)) + amount
        self.ports.update(ports)

    def remove(self, asked: Amounts, ports: tuple[HostPort, ...] = ()) -> None:
        self.pods -= 1
        for name, amount in asked.items():
            self.amounts[name] -= amount
        self.ports.subtract(ports)
        self.ports = +self.ports

    def copy(self) -> "Load":
        return Load(self.pods, dict(self.amounts), Counter(self.ports))


def requests(pod: Object) -> Amounts:
    """What a pod needs at its greediest moment.

    Main containers and sidecars add up; an ordinary init container runs beside the sidecars before it.
    """
    spec = pod["spec"]
    total: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        asked = _container(container)
        if container.get("restartPolicy") == "Always":
            total = _sum(total, asked)
        else:
            peak = _max(peak, _sum(total, asked))
    for container in spec.get("containers") or ():
        total = _sum(total, _container(container))
    needed = _max(peak, total)
    whole = (spec.get("resources") or {}).get("requests") or {}
    needed |= {name: parse(value) for name, value in whole.items()}
    overhead = {name: parse(value) for name, value in (spec.get("overhead") or {}).items()}
    return {name: amount for name, amount in _sum(needed, overhead).items() if amount}


def _container(container: Object) -> Amounts:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: parse(value) for name, value in asked.items()}


def _sum(first: Amounts, second: Amounts) -> Amounts:
    zero = Decimal(0)
    return {name: first.get(name, zero) + second.get(name, zero) for name in first | second}


def _max(first: Amounts, second: Amounts) -> Amounts:
    zero = Decimal(0)
    return {name: max(first.get(name, zero), second.get(name, zero)) for name in first | second}


def host_ports(pod: Object) -> tuple[HostPort, ...]:
    """The ports of the host that a pod's containers and sidecars take."""
    return tuple(dict.fromkeys(_host_ports(pod)))


def _host_ports(pod: Object) -> Iterator[HostPort]:
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*sidecars, *(spec.get("containers") or ())):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), int(port["hostPort"])  # noqa: S104 - a wildcard, not a bind


def conflicts(wanted: tuple[HostPort, ...], taken: Counter[HostPort]) -> bool:
    """Every address collides with the wildcard."""
    for address, protocol, port in wanted:
        for other, other_protocol, other_port in taken:
            same = (protocol, port) == (other_protocol, other_port)
            if same and (address == other or "0.0.0.0" in {address, other}):  # noqa: S104 - as above
                return True
    return False


def allocatable(node: Object) -> Amounts:
    given = (node.get("status") or {}).get("allocatable") or {}
    return {name: parse(value) for name, value in given.items()}
