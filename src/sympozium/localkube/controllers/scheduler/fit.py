"""Whether a pod can be on one node, and if not, why: kube-scheduler's filters in its order and words. Pure.

The first filter that objects is the reason; it says whether taking other pods away would help.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from sympozium.localkube.controllers.scheduler.resources import (
    DEFAULT_PODS,
    Amounts,
    Load,
    allocatable,
    conflicts,
    host_ports,
    requests,
)
from sympozium.localkube.types import Object

UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
NO_TOLERATION = "node(s) had untolerated taint(s)"
NO_MATCH = "node(s) didn't match Pod's node affinity/selector"
NO_PORT = "node(s) didn't have free ports for the requested pod ports"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """`reasons` are counted over the nodes; `curable` when the absence of other pods could help."""

    reasons: tuple[str, ...]
    curable: bool = False


def obstacle(pod: Object, node: Object, load: Load) -> Obstacle | None:
    """What keeps the pod off the node, by what the node has given away already."""
    spec = node.get("spec") or {}
    if spec.get("unschedulable") and not _tolerated(pod, UNSCHEDULABLE):
        return Obstacle(("node(s) were unschedulable",))
    if any(not _tolerated(pod, taint) for taint in hard_taints(node)):
        return Obstacle((NO_TOLERATION,))
    if not selected(pod, node):
        return Obstacle((NO_MATCH,))
    if conflicts(host_ports(pod), load.ports):
        return Obstacle((NO_PORT,), curable=True)
    return _room(requests(pod), node, load)


def hard_taints(node: Object) -> Iterable[Object]:
    """Taints that keep pods away. A node that is not ready counts as tainted so, as its controller would do."""
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("effect") in {"NoSchedule", "NoExecute"} and taint["key"] != UNSCHEDULABLE["key"]:
            yield taint
    if not is_ready(node):
        yield NOT_READY


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
    if operator in {"Gt", "Lt"}:
        value, mine = taint.get("value") or "", toleration.get("value") or ""
        if key != taint["key"] or not (_integer(value) and _integer(mine)):
            return False
        return int(value) > int(mine) if operator == "Gt" else int(value) < int(mine)
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
    return not affinity or node_selected(affinity, node)


def node_selected(selector: Object, node: Object) -> bool:
    """A NodeSelector: one of its terms has to hold whole; a term that says nothing never holds."""
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        (term.get("matchExpressions") or term.get("matchFields"))
        and all(_expression(e, labels) for e in term.get("matchExpressions") or ())
        and all(_expression(e, fields) for e in term.get("matchFields") or ())
        for term in selector.get("nodeSelectorTerms") or ()
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


def _room(asked: Amounts, node: Object, load: Load) -> Obstacle | None:
    given = allocatable(node)
    found, hopeless = [], False
    if load.pods + 1 > int(given.get("pods", DEFAULT_PODS)):
        found.append("Too many pods")
    for name, amount in sorted(asked.items()):
        whole = given.get(name, Decimal(0))
        if amount > whole - load.amounts.get(name, Decimal(0)):
            found.append(f"Insufficient {name}")
            hopeless = hopeless or amount > whole
    return Obstacle(tuple(found), curable=not hopeless) if found else None
