"""Which node a pod can be on, and if none, why: on values.

Filters: ready, not cordoned, taints, nodeSelector and required node affinity, room for requests and
number of pods. What a pod asks for that is not decided here (affinity between pods, spread constraints)
leaves it Pending with a message that says so, rather than being passed over.
https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from sympozium.localkube.types import Object
from sympozium.quantities import parse

DEFAULT_PODS = 110


@dataclass(slots=True)
class Load:
    """What the pods of a node have asked for: their number, and amounts by resource."""

    pods: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, asked: dict[str, Decimal]) -> None:
        self.pods += 1
        for name, amount in asked.items():
            self.amounts[name] = self.amounts.get(name, Decimal(0)) + amount

    def remove(self, asked: dict[str, Decimal]) -> None:
        self.pods -= 1
        for name, amount in asked.items():
            self.amounts[name] -= amount


@dataclass(frozen=True, slots=True)
class Choice:
    """`node` is "" when none fits; `message` then has the sentence of kube-scheduler."""

    node: str
    message: str = ""


def choose(pod: Object, nodes: Sequence[Object], loads: dict[str, Load]) -> Choice:
    """The fitting node with the fewest pods. `loads` is by node name, of pods that have not ended."""
    unsupported = not_decided(pod)
    if unsupported:
        return Choice("", f"this scheduler does not decide {unsupported}: remove it from the pod")
    why: Counter[str] = Counter()
    fitting: list[tuple[int, str]] = []
    for node in nodes:
        name = node["metadata"]["name"]
        load = loads.get(name) or Load()
        problems = list(obstacles(pod, node, load))
        if problems:
            why.update(problems)
        else:
            fitting.append((load.pods, name))
    if fitting:
        return Choice(min(fitting)[1])
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in why.items()))
    text = f"0/{len(nodes)} nodes are available" + (f": {reasons}." if reasons else ".")
    return Choice("", text if nodes else "no nodes available to schedule pods")


def not_decided(pod: Object) -> str:
    """The scheduling field of the pod that this scheduler has no answer to, or ""."""
    spec = pod["spec"]
    affinity = spec.get("affinity") or {}
    for key in ("podAffinity", "podAntiAffinity"):
        if (affinity.get(key) or {}).get("requiredDuringSchedulingIgnoredDuringExecution"):
            return f"spec.affinity.{key}"
    for constraint in spec.get("topologySpreadConstraints") or ():
        if constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule":
            return "spec.topologySpreadConstraints"
    return ""


def obstacles(pod: Object, node: Object, load: Load) -> Iterable[str]:
    """Why the pod cannot be on the node, in kube-scheduler's words; the first kind of reason is enough."""
    spec = node.get("spec") or {}
    if spec.get("unschedulable") and not _tolerated(pod, UNSCHEDULABLE):
        return ["node(s) were unschedulable"]
    if not is_ready(node):
        return ["node(s) were not ready"]
    for taint in spec.get("taints") or ():
        if taint.get("effect") in {"NoSchedule", "NoExecute"} and not _tolerated(pod, taint):
            return [f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"]
    if not selected(pod, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    return _room(pod, node, load)


UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _tolerated(pod: Object, taint: Object) -> bool:
    return any(tolerates(toleration, taint) for toleration in pod["spec"].get("tolerations") or ())


def tolerates(toleration: Object, taint: Object) -> bool:
    """https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
    if operator == "Exists":
        return key in {"", taint["key"]}
    return bool(key == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or ""))


def selected(pod: Object, node: Object) -> bool:
    """Whether the pod's nodeSelector and required node affinity take the node."""
    labels = node["metadata"].get("labels") or {}
    for key, value in (pod["spec"].get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if not affinity:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        (term.get("matchExpressions") or term.get("matchFields"))
        and all(_expression(e, labels) for e in term.get("matchExpressions") or ())
        and all(_expression(e, fields) for e in term.get("matchFields") or ())
        for term in affinity.get("nodeSelectorTerms") or ()
    )


def _expression(part: Object, labels: dict[str, str]) -> bool:
    key, values, found = part["key"], part.get("values") or [], labels.get(part["key"])
    match part["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case "Gt" | "Lt" if found is not None and _integer(found) and values and _integer(values[0]):
            more = int(found) > int(values[0])
            return more if part["operator"] == "Gt" else int(found) < int(values[0])
    return False


def _integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _room(pod: Object, node: Object, load: Load) -> list[str]:
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    found = []
    if load.pods >= int(parse(allocatable.get("pods") or DEFAULT_PODS)):
        found.append("Too many pods")
    for name, amount in sorted(requests(pod).items()):
        free = parse(allocatable.get(name) or 0) - load.amounts.get(name, Decimal(0))
        if amount > free:
            found.append(f"Insufficient {name}")
    return found


def requests(pod: Object) -> dict[str, Decimal]:
    """What a pod needs at its greediest moment.

    Main containers and sidecars add up; an ordinary init container runs beside the sidecars before it.
    """
    spec = pod["spec"]
    total: dict[str, Decimal] = {}
    peak: dict[str, Decimal] = {}
    for container in spec.get("initContainers") or ():
        asked = _container(container)
        if container.get("restartPolicy") == "Always":
            total = _sum(total, asked)
        else:
            peak = _max(peak, _sum(total, asked))
    for container in spec.get("containers") or ():
        total = _sum(total, _container(container))
    overhead = {name: parse(value) for name, value in (spec.get("overhead") or {}).items()}
    return {name: amount for name, amount in _sum(_max(peak, total), overhead).items() if amount}


def _container(container: Object) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: parse(value) for name, value in asked.items()}


def _sum(first: dict[str, Decimal], second: dict[str, Decimal]) -> dict[str, Decimal]:
    zero = Decimal(0)
    return {name: first.get(name, zero) + second.get(name, zero) for name in first | second}


def _max(first: dict[str, Decimal], second: dict[str, Decimal]) -> dict[str, Decimal]:
    zero = Decimal(0)
    return {name: max(first.get(name, zero), second.get(name, zero)) for name in first | second}
