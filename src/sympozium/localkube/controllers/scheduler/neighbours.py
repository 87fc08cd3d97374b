"""Where the other pods are: inter-pod affinity, anti-affinity and topology spread constraints. Pure.

Only what is required is decided; `World` has what the pods and nodes of the moment are.
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sympozium.localkube.controllers.scheduler.fit import Obstacle, hard_taints, selected, tolerates
from sympozium.localkube.defaults.labels import matches
from sympozium.localkube.types import Object

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
SPREAD = "node(s) didn't match pod topology spread constraints"
NO_LABEL = f"{SPREAD} (missing required label)"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"


@dataclass(slots=True)
class World:
    """`placed` are (pod, node name) of pods that have a node and have not ended."""

    nodes: Sequence[Object]
    placed: Sequence[tuple[Object, str]] = ()
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """Labels of namespaces, for namespaceSelector."""

    def labels(self, node: str) -> dict[str, str]:
        for known in self.nodes:
            if known["metadata"]["name"] == node:
                return known["metadata"].get("labels") or {}
        return {}

    def without(self, gone: Iterable[str]) -> "World":
        """Without the pods of these uids."""
        left = set(gone)
        placed = [item for item in self.placed if item[0]["metadata"]["uid"] not in left]
        return World(self.nodes, placed, self.namespaces)


def terms(pod: Object, kind: str) -> list[Object]:
    """The required terms of podAffinity or podAntiAffinity."""
    found = ((pod["spec"].get("affinity") or {}).get(kind) or {}).get(REQUIRED)
    return list(found or ())


def concerned(pod: Object) -> bool:
    """Whether the pod itself has something to say about its neighbours."""
    hard = [c for c in pod["spec"].get("topologySpreadConstraints") or () if _is_hard(c)]
    return bool(hard or terms(pod, "podAffinity") or terms(pod, "podAntiAffinity"))


def obstacle(pod: Object, node: Object, world: World) -> Obstacle | None:
    """What in the neighbourhood keeps the pod off the node."""
    return _spread(pod, node, world) or _affinity(pod, node, world)


# -- spreading ---------------------------------------------------------------------------------


def _is_hard(constraint: Object) -> bool:
    return bool(constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule")


def _spread(pod: Object, node: Object, world: World) -> Obstacle | None:
    labels = node["metadata"].get("labels") or {}
    hard = [c for c in pod["spec"].get("topologySpreadConstraints") or () if _is_hard(c)]
    for constraint in hard:
        if constraint["topologyKey"] not in labels:
            return Obstacle((NO_LABEL,))
    for constraint in hard:
        if _skew(pod, labels[constraint["topologyKey"]], constraint, world) > constraint["maxSkew"]:
            return Obstacle((SPREAD,), curable=True)
    return None


def _skew(pod: Object, domain: str, constraint: Object, world: World) -> int:
    """The skew of the domain with the pod in it."""
    key = constraint["topologyKey"]
    counts = {
        (known["metadata"].get("labels") or {})[key]: 0
        for known in world.nodes
        if key in (known["metadata"].get("labels") or {}) and _counts(pod, known, constraint)
    }
    selector = _with_own_labels(constraint, pod)
    for other, name in world.placed:
        where = world.labels(name).get(key)
        same = other["metadata"]["namespace"] == pod["metadata"]["namespace"]
        if where in counts and same and not other["metadata"].get("deletionTimestamp"):
            counts[where] += matches(selector, other["metadata"].get("labels") or {})
    least = min(counts.values(), default=0)
    if len(counts) < (constraint.get("minDomains") or 1):
        least = 0
    own = matches(selector, pod["metadata"].get("labels") or {})
    return counts.get(domain, 0) + own - least


def _counts(pod: Object, node: Object, constraint: Object) -> bool:
    """Which nodes make a domain: by default those that the pod's selector takes, whatever their taints."""
    if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not selected(pod, node):
        return False
    if constraint.get("nodeTaintsPolicy", "Ignore") == "Honor":
        tolerations = pod["spec"].get("tolerations") or ()
        return all(any(tolerates(t, taint) for t in tolerations) for taint in hard_taints(node))
    return True


def _with_own_labels(part: Object, pod: Object) -> Object:
    """The labelSelector with matchLabelKeys and mismatchLabelKeys, whose values are the pod's."""
    selector = part.get("labelSelector")
    if selector is None:
        return {"matchExpressions": [{"key": "", "operator": "In", "values": []}]}  # selects nothing
    labels = pod["metadata"].get("labels") or {}
    added = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for field_name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in part.get(field_name) or ()
        if key in labels
    ]
    return {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *added]}


# -- affinity ----------------------------------------------------------------------------------


def _affinity(pod: Object, node: Object, world: World) -> Obstacle | None:
    labels = node["metadata"].get("labels") or {}
    wanted = terms(pod, "podAffinity")
    if wanted and not _near(pod, wanted, labels, world):
        return Obstacle((AFFINITY,))
    for term in terms(pod, "podAntiAffinity"):
        if _in_domain(pod, term, labels, world):
            return Obstacle((ANTI_AFFINITY,), curable=True)
    for other, name in world.placed:
        for term in terms(other, "podAntiAffinity"):
            where = world.labels(name).get(term["topologyKey"])
            here = where is not None and labels.get(term["topologyKey"]) == where
            if here and _selects(term, other, pod, world):
                return Obstacle((EXISTING,), curable=True)
    return None


def _near(pod: Object, wanted: list[Object], labels: dict[str, str], world: World) -> bool:
    if any(term["topologyKey"] not in labels for term in wanted):
        return False
    if all(_in_domain(pod, term, labels, world) for term in wanted):
        return True
    # The first of a group that wants to be together has nobody to be near.
    alone = not any(_selects(term, pod, other, world) for term in wanted for other, _ in world.placed)
    return alone and all(_selects(term, pod, pod, world) for term in wanted)


def _in_domain(pod: Object, term: Object, labels: dict[str, str], world: World) -> bool:
    """Whether a pod that the term selects is in the node's domain."""
    key = term["topologyKey"]
    return any(
        key in labels and world.labels(name).get(key) == labels[key] and _selects(term, pod, other, world)
        for other, name in world.placed
    )


def _selects(term: Object, owner: Object, other: Object, world: World) -> bool:
    if other["metadata"]["namespace"] not in set(_namespaces(term, owner, world)):
        return False
    return matches(_with_own_labels(term, owner), other["metadata"].get("labels") or {})


def _namespaces(term: Object, owner: Object, world: World) -> Iterator[str]:
    """Those named and those selected; without either the pod's own."""
    yield from term.get("namespaces") or ()
    selector = term.get("namespaceSelector")
    if selector is not None:
        yield from (name for name, labels in world.namespaces.items() if matches(selector, labels))
    elif not term.get("namespaces"):
        yield owner["metadata"]["namespace"]
