"""Which volume a claim can have. Pure."""

from collections.abc import Iterable

from sympozium.localkube.defaults.labels import matches
from sympozium.localkube.defaults.storage import storage
from sympozium.localkube.types import Object

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def annotation(obj: Object, key: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(key, ""))


def class_of(obj: Object) -> str:
    """The class of a claim or a volume; "" is none."""
    return annotation(obj, _BETA_CLASS) or str(obj["spec"].get("storageClassName") or "")


def requested(claim: Object) -> object:
    return ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")


def is_for(volume: Object, claim: Object) -> bool:
    """Whether the volume's claimRef names this claim (and not an earlier one of its name)."""
    reference, meta = volume["spec"].get("claimRef") or {}, claim["metadata"]
    same = (reference.get("namespace"), reference.get("name")) == (meta.get("namespace"), meta["name"])
    return same and reference.get("uid") in {None, "", meta["uid"]}


def fits(volume: Object, claim: Object) -> bool:
    """Size, modes and volume mode: what a claim needs whichever volume it names."""
    spec, wanted = volume["spec"], claim["spec"]
    asked = storage((wanted.get("resources") or {}).get("requests"))
    return (
        storage(spec.get("capacity")) >= asked
        and set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ())
        and spec.get("volumeMode", "Filesystem") == wanted.get("volumeMode", "Filesystem")
    )


def choose(claim: Object, volumes: Iterable[Object]) -> Object | None:
    """The volume that is kept for the claim, else the smallest free one that fits; None when there is none."""
    free = []
    for volume in volumes:
        if volume["metadata"].get("deletionTimestamp"):
            continue
        if volume["spec"].get("claimRef"):
            if is_for(volume, claim) and fits(volume, claim):
                return volume
            continue
        selector = claim["spec"].get("selector")
        if class_of(volume) != class_of(claim) or not fits(volume, claim):
            continue
        if selector and not matches(selector, volume["metadata"].get("labels") or {}):
            continue
        if (volume.get("status") or {}).get("phase") in {"Released", "Failed"}:
            continue
        free.append(volume)
    return min(free, key=lambda v: (storage(v["spec"].get("capacity")), v["metadata"]["name"]), default=None)


def reference_to(claim: Object) -> Object:
    """A claimRef."""
    meta = claim["metadata"]
    return {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "resourceVersion": meta["resourceVersion"],
    }


def users(claim: Object, pods: Iterable[Object]) -> list[Object]:
    """Pods that name the claim as a volume."""
    meta = claim["metadata"]
    return [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == meta["namespace"]
        and any(name == meta["name"] for name in claims_of(pod))
    ]


def claims_of(pod: Object) -> list[str]:
    """Names of the claims that a pod mounts, those of its generic ephemeral volumes included."""
    found = []
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            found.append(str(claim.get("claimName", "")))
        elif "ephemeral" in volume:
            found.append(f"{pod['metadata']['name']}-{volume['name']}")
    return found
