"""Who a StatefulSet's pod is: its ordinal, its name, its labels, its volumes. Pure.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#pod-identity
"""

import re
from collections.abc import Iterable

from sympozium.localkube.controllers.apps.amounts import wanted
from sympozium.localkube.controllers.apps.history import HASH
from sympozium.localkube.controllers.apps.pods import from_template
from sympozium.localkube.types import Object

NAME = "statefulset.kubernetes.io/pod-name"
INDEX = "apps.kubernetes.io/pod-index"
_ORDINAL = re.compile(r"(.*)-([0-9]+)")


def ordinal_of(pod: Object) -> int:
    """-1 when the name has none."""
    found = _ORDINAL.fullmatch(pod["metadata"]["name"])
    return int(found[2]) if found else -1


def belongs(stateful_set: Object, pod: Object) -> bool:
    """By name; labels are the selector's business."""
    found = _ORDINAL.fullmatch(pod["metadata"]["name"])
    return found is not None and found[1] == stateful_set["metadata"]["name"]


def first(stateful_set: Object) -> int:
    return int((stateful_set["spec"].get("ordinals") or {}).get("start") or 0)


def ordinals(stateful_set: Object) -> range:
    start = first(stateful_set)
    return range(start, start + wanted(stateful_set))


def revision_of(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(HASH) or "")


def templates_of(stateful_set: Object) -> list[Object]:
    found: list[Object] = stateful_set["spec"].get("volumeClaimTemplates") or []
    return found


def claim_name(stateful_set: Object, template: Object, ordinal: int) -> str:
    return f"{template['metadata']['name']}-{stateful_set['metadata']['name']}-{ordinal}"


def build(stateful_set: Object, template: Object, revision: str, ordinal: int) -> Object:
    """The pod of an ordinal; `template` is the one of `revision`, a ControllerRevision's name."""
    pod = from_template(stateful_set, template)
    meta, name = pod["metadata"], f"{stateful_set['metadata']['name']}-{ordinal}"
    meta["name"] = name
    meta["labels"] = {**(meta.get("labels") or {}), NAME: name, INDEX: str(ordinal), HASH: revision}
    pod["spec"]["hostname"] = name
    service = stateful_set["spec"].get("serviceName")
    if service:
        pod["spec"]["subdomain"] = service
    else:
        pod["spec"].pop("subdomain", None)
    volumes = with_claims(stateful_set, pod["spec"].get("volumes") or (), ordinal)
    if volumes:
        pod["spec"]["volumes"] = volumes
    return pod


def with_claims(stateful_set: Object, volumes: Iterable[Object], ordinal: int) -> list[Object]:
    """The volumes of a pod: those of the claim templates, and the others that have no such name."""
    made = [
        {
            "name": template["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": claim_name(stateful_set, template, ordinal)},
        }
        for template in templates_of(stateful_set)
    ]
    taken = {volume["name"] for volume in made}
    return [*made, *(volume for volume in volumes if volume["name"] not in taken)]


def corrected(stateful_set: Object, pod: Object) -> Object | None:
    """The pod with the labels of its identity, if it lacks them; volumes of a pod cannot be mended."""
    labels, name = pod["metadata"].get("labels") or {}, pod["metadata"]["name"]
    if labels.get(NAME) == name or not belongs(stateful_set, pod):
        return None
    labels = {**labels, NAME: name, INDEX: str(ordinal_of(pod))}
    return {**pod, "metadata": {**pod["metadata"], "labels": labels}}
