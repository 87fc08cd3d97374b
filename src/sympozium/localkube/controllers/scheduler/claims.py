"""The claims of a pod: what keeps it from any node, and which volumes are made once it has one. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from sympozium.localkube.controllers.scheduler.fit import node_selected
from sympozium.localkube.controllers.volumes import match
from sympozium.localkube.types import Object

UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
ONCE = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
Find = Callable[[str, str], Object | None]
"""(namespace, name) -> object."""


@dataclass(frozen=True, slots=True)
class Claims:
    """`problem` is for all nodes; `waiting` are claims that are bound once the pod has a node."""

    problem: str = ""
    waiting: tuple[Object, ...] = ()
    bound: tuple[Object, ...] = ()


def look(pod: Object, find: Find, find_class: Callable[[str], Object | None]) -> Claims:
    """The state of the pod's claims."""
    waiting: list[Object] = []
    bound: list[Object] = []
    unbound = False
    for name in match.claims_of(pod):
        claim = find(pod["metadata"]["namespace"], name)
        if claim is None:
            return Claims(problem=f'persistentvolumeclaim "{name}" not found')
        if claim["metadata"].get("deletionTimestamp"):
            return Claims(problem=f'persistentvolumeclaim "{name}" is being deleted')
        if (claim.get("status") or {}).get("phase") == "Lost":
            volume = claim["spec"].get("volumeName", "")
            return Claims(
                problem=f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"'
            )
        if match.annotation(claim, match.BIND_COMPLETED) and claim["spec"].get("volumeName"):
            bound.append(claim)
        elif _delayed(claim, find_class):
            waiting.append(claim)
        else:
            unbound = True
    return Claims(UNBOUND if unbound else "", tuple(waiting), tuple(bound))


def _delayed(claim: Object, find_class: Callable[[str], Object | None]) -> bool:
    found = find_class(match.class_of(claim))
    return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"


def allows(volume: Object | None, node: Object) -> bool:
    """Whether a bound volume can be reached from the node."""
    affinity = ((volume or {}).get("spec") or {}).get("nodeAffinity") or {}
    required = affinity.get("required")
    return not required or node_selected(required, node)
