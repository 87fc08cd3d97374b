"""Which nodes a DaemonSet's pods are for. Pure.

https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
"""

import copy
from dataclasses import dataclass

from sympozium.localkube.controllers.apps.history import HASH
from sympozium.localkube.controllers.apps.pods import from_template
from sympozium.localkube.controllers.scheduler.fit import selected, tolerates
from sympozium.localkube.types import Object

GENERATION = "pod-template-generation"
DEPRECATED = "deprecated.daemonset.template.generation"
NODE = "node.kubernetes.io/"
TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)


@dataclass(frozen=True, slots=True)
class Fit:
    """`runs`: a pod is to be made there; `stays`: one that is there may stay."""

    runs: bool
    stays: bool


def tolerations(spec: Object) -> list[Object]:
    """A template's tolerations and those that every daemon has."""
    wished = [*TOLERATED, *([("network-unavailable", "NoSchedule")] if spec.get("hostNetwork") else [])]
    made = [copy.copy(one) for one in spec.get("tolerations") or ()]
    for name, effect in wished:
        added = {"key": f"{NODE}{name}", "operator": "Exists", "effect": effect}
        if added not in made:
            made.append(added)
    return made


def fit(daemon_set: Object, node: Object) -> Fit:
    spec = daemon_set["spec"]["template"]["spec"]
    if spec.get("nodeName") and spec["nodeName"] != node["metadata"]["name"]:
        return Fit(runs=False, stays=False)
    if not selected({"spec": spec}, node):
        return Fit(runs=False, stays=False)
    accepted = tolerations(spec)
    against = [
        taint["effect"]
        for taint in (node.get("spec") or {}).get("taints") or ()
        if taint.get("effect") in {"NoSchedule", "NoExecute"}
        and not any(tolerates(one, taint) for one in accepted)
    ]
    return Fit(runs=not against, stays="NoExecute" not in against)


def build(daemon_set: Object, mark: str, node: str) -> Object:
    """The pod of a node. The scheduler binds it: its affinity takes no other node."""
    pod = from_template(daemon_set, daemon_set["spec"]["template"])
    labels = {**(pod["metadata"].get("labels") or {}), HASH: mark}
    generation = generation_of(daemon_set)
    if generation is not None:
        labels[GENERATION] = generation
    pod["metadata"]["labels"] = labels
    spec = pod["spec"]
    spec["tolerations"] = tolerations(spec)
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [term]}
    return pod


def generation_of(daemon_set: Object) -> str | None:
    """The counter of template changes that API servers keep in an annotation; None when it is no number."""
    text = (daemon_set["metadata"].get("annotations") or {}).get(DEPRECATED, "")
    return text if text.removeprefix("-").isdecimal() else None


def node_of(pod: Object) -> str:
    """The node of the pod, or the one that its affinity names; "" when there is none."""
    bound = pod["spec"].get("nodeName")
    if bound:
        return str(bound)
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            if one["key"] == "metadata.name" and one["operator"] == "In" and len(one["values"]) == 1:
                return str(one["values"][0])
    return ""
