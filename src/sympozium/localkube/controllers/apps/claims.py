"""The PersistentVolumeClaims of a StatefulSet's pods, and who owns them. Pure.

persistentVolumeClaimRetentionPolicy is carried out by the garbage collector: a claim that is to go with the set is
owned by the set, one that is to go with a pod that was scaled away by the pod.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention
"""

import copy
from collections.abc import Mapping

from sympozium.localkube.controllers.apps.identity import claim_name, ordinal_of, ordinals, templates_of
from sympozium.localkube.controllers.apps.pods import controller_reference
from sympozium.localkube.types import Object

Known = Mapping[str, Object]
"""The claims of the namespace, by name."""


def wished(stateful_set: Object, ordinal: int) -> list[Object]:
    """The claims of a pod as they are created."""
    labels = stateful_set["spec"]["selector"].get("matchLabels") or {}
    made = []
    for template in templates_of(stateful_set):
        claim = copy.deepcopy(template)
        claim.pop("status", None)
        meta = {key: value for key, value in claim["metadata"].items() if key in {"labels", "annotations"}}
        meta["name"] = claim_name(stateful_set, template, ordinal)
        meta["namespace"] = stateful_set["metadata"]["namespace"]
        meta["labels"] = {**(meta.get("labels") or {}), **labels}
        claim |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta}
        made.append(claim)
    return made


def missing(stateful_set: Object, ordinal: int, known: Known) -> list[Object]:
    return [claim for claim in wished(stateful_set, ordinal) if claim["metadata"]["name"] not in known]


def blocked(stateful_set: Object, ordinal: int, known: Known) -> str:
    """Why the pod cannot be made: the name of a claim that is on its way out, or ""."""
    for template in templates_of(stateful_set):
        name = claim_name(stateful_set, template, ordinal)
        if name in known and known[name]["metadata"].get("deletionTimestamp"):
            return name
    return ""


def stale(stateful_set: Object, pod_name: str, ordinal: int, known: Known) -> bool:
    """Whether a claim still belongs to the pod that had this name before: it is about to be deleted with it."""
    if _policy(stateful_set)[1] == "Retain":
        return False
    for template in templates_of(stateful_set):
        claim = known.get(claim_name(stateful_set, template, ordinal))
        if claim is not None and any(_names(r, "v1", "Pod", pod_name) for r in _references(claim)):
            return True
    return False


def reowned(stateful_set: Object, pod: Object, known: Known) -> list[tuple[Object, Object]]:
    """(old, new) of each claim of the pod whose owners are not what the policy says."""
    changes = []
    for template in templates_of(stateful_set):
        claim = known.get(claim_name(stateful_set, template, ordinal_of(pod)))
        if claim is None:
            continue
        references = _owners(stateful_set, pod, claim)
        if references is not None and references != _references(claim):
            meta = {key: value for key, value in claim["metadata"].items() if key != "ownerReferences"}
            if references:
                meta["ownerReferences"] = references
            changes.append((claim, {**claim, "metadata": meta}))
    return changes


def contested(stateful_set: Object, pod: Object, claim: Object) -> bool:
    """Whether somebody else controls the claim; then the policy does not hold for it."""
    if _policy(stateful_set) == ("Retain", "Retain"):
        return False
    for reference in _references(claim):
        for api_version, kind, obj in _family(stateful_set, pod):
            if _names(reference, api_version, kind, obj["metadata"]["name"]):
                if reference["uid"] != obj["metadata"]["uid"]:
                    return True
                break
        else:
            if reference.get("controller"):
                return True
    return False


def _owners(stateful_set: Object, pod: Object, claim: Object) -> list[Object] | None:
    """The owner references that the claim is to have; None when it is to be left alone."""
    family = _family(stateful_set, pod)
    known = _references(claim)
    for reference in known:
        for api_version, kind, obj in family:
            named = _names(reference, api_version, kind, obj["metadata"]["name"])
            if named and reference["uid"] != obj["metadata"]["uid"]:
                return None  # of a predecessor of the same name: the collector deals with it
    others = [r for r in known if not any(_names(r, v, k, o["metadata"]["name"]) for v, k, o in family)]
    if contested(stateful_set, pod, claim):
        return others
    when_deleted, when_scaled = _policy(stateful_set)
    gone = ordinal_of(pod) not in ordinals(stateful_set)
    if gone and when_scaled == "Delete":
        owner = {"apiVersion": "v1", "kind": "Pod", **pod}
    elif when_deleted == "Delete":
        owner = stateful_set
    else:
        return others
    if any(r["uid"] == owner["metadata"]["uid"] and r.get("controller") for r in known) and len(known) == (
        len(others) + 1
    ):
        return known
    return [*others, controller_reference(owner)]


def _family(stateful_set: Object, pod: Object) -> tuple[tuple[str, str, Object], ...]:
    return ("apps/v1", "StatefulSet", stateful_set), ("v1", "Pod", pod)


def _policy(stateful_set: Object) -> tuple[str, str]:
    """(whenDeleted, whenScaled)."""
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return policy.get("whenDeleted") or "Retain", policy.get("whenScaled") or "Retain"


def _references(obj: Object) -> list[Object]:
    found: list[Object] = obj["metadata"].get("ownerReferences") or []
    return found


def _names(reference: Object, api_version: str, kind: str, name: str) -> bool:
    return (reference["apiVersion"], reference["kind"], reference["name"]) == (api_version, kind, name)
