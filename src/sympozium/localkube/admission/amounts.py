"""Sums of quantities that keep how they were written: `1Gi` and `1536Mi` stay powers of two."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sympozium.localkube.schema.amounts import canonical
from sympozium.localkube.types import Object
from sympozium.quantities import parse


@dataclass(frozen=True, slots=True)
class Amount:
    value: Decimal
    binary: bool = False

    def __add__(self, other: "Amount") -> "Amount":
        """A sum is written as its first part, unless that is nothing."""
        return Amount(self.value + other.value, self.binary if self.value else other.binary)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.value - other.value, self.binary if self.value else other.binary)

    def __str__(self) -> str:
        if self.binary and self.value == self.value.to_integral_value() and abs(self.value) >= 1024:
            return canonical(f"{self.value / 1024:f}Ki")
        return canonical(f"{self.value:f}")


ONE = Amount(Decimal(1))
ZERO = Amount(Decimal(0))
Amounts = dict[str, Amount]


def amount(text: str | float) -> Amount:
    return Amount(parse(text), str(text).endswith("i"))


def amounts(resources: Mapping[str, str] | None) -> Amounts:
    """Of a resource list (`requests`, `hard`)."""
    return {name: amount(text) for name, text in (resources or {}).items()}


def total(parts: Iterable[Amounts]) -> Amounts:
    made: Amounts = {}
    for part in parts:
        for name, one in part.items():
            made[name] = made[name] + one if name in made else one
    return made


def _largest(parts: Iterable[Amounts]) -> Amounts:
    made: Amounts = {}
    for part in parts:
        for name, one in part.items():
            if name not in made or one.value > made[name].value:
                made[name] = one
    return made


def of_pod(spec: Object, kind: str) -> Amounts:
    """Requests or limits of a pod: its containers and sidecars together, or the largest init container.

    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """

    def own(container: Object) -> Amounts:
        return amounts((container.get("resources") or {}).get(kind))

    running = [own(container) for container in spec.get("containers") or ()]
    sidecars: list[Amounts] = []
    starting: list[Amounts] = []
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars.append(own(container))
            starting.append(total(sidecars))
        else:
            starting.append(total([*sidecars, own(container)]))
    made = _largest([total([*running, *sidecars]), *starting])
    overhead = amounts(spec.get("overhead"))
    made = total([made, {k: v for k, v in overhead.items() if kind == "requests" or k in made}])
    # What the pod as a whole asks for takes the place of the sum.
    return {**made, **amounts((spec.get("resources") or {}).get(kind))}
