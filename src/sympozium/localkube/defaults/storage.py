"""PersistentVolumeClaims, PersistentVolumes and StorageClasses: https://kubernetes.io/docs/concepts/storage/

The binder is `controllers.volumes`; here is what a writer may say, and what may change later.
"""

from decimal import Decimal
from typing import Any

from sympozium.localkube.defaults.labels import selector_shape_causes
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.metadata import name_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object
from sympozium.quantities import parse

MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_POLICIES = ("Delete", "Recycle", "Retain")
_VOLUME_MODES = ("Block", "Filesystem")
_NOT_SOURCES = {
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
}
PVC_PROTECTION = "kubernetes.io/pvc-protection"
PV_PROTECTION = "kubernetes.io/pv-protection"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def storage(amounts: Any) -> Decimal:
    """The `storage` of a resource list, 0 without one."""
    found = (amounts or {}).get("storage")
    return parse(found) if found is not None else Decimal(0)


def sources(spec: Object) -> Object:
    """The volume source of a PersistentVolume: the one field that says where the data is."""
    return {key: value for key, value in spec.items() if key not in _NOT_SOURCES}


def _protect(obj: Object, finalizer: str) -> None:
    finalizers = obj["metadata"].setdefault("finalizers", [])
    if finalizer not in finalizers:
        finalizers.append(finalizer)


def _modes(spec: Object, missing: str) -> list[Cause]:
    modes = spec.get("accessModes") or []
    causes = [] if modes else [gotext.required("spec.accessModes", missing)]
    causes += [gotext.unsupported("spec.accessModes", mode, MODES) for mode in modes if mode not in MODES]
    if "ReadWriteOncePod" in modes and any(mode != "ReadWriteOncePod" for mode in modes):
        why = "may not use ReadWriteOncePod with other access modes"
        causes.append(gotext.forbidden("spec.accessModes", why))
    return causes


def _words(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    if spec.get("volumeMode") and spec["volumeMode"] not in _VOLUME_MODES:
        causes.append(gotext.unsupported("spec.volumeMode", spec["volumeMode"], _VOLUME_MODES))
    name = spec.get("storageClassName")
    if name:
        causes += [
            gotext.invalid("spec.storageClassName", name, why) for why in name_errors(name, "subdomain")
        ]
    return causes


# -- claims ------------------------------------------------------------------------------------


def _default_claim(claim: Object) -> None:
    fill(claim.setdefault("spec", {}), volumeMode="Filesystem")


def _create_claim(claim: Object) -> None:
    claim["status"] = {"phase": "Pending"}
    _protect(claim, PVC_PROTECTION)


def _check_claim(claim: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = claim["spec"]
    causes = _modes(spec, "at least 1 access mode is required") + _words(spec)
    if spec.get("selector"):
        causes += selector_shape_causes(spec["selector"], "spec.selector")
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked is None:
        causes.append(gotext.required("spec.resources[storage]"))
    elif parse(asked) <= 0:
        causes.append(gotext.invalid("spec.resources[storage]", asked, "must be greater than zero"))
    for key in ("dataSource", "dataSourceRef"):
        if spec.get(key):
            why = "this API server has no volume populators or snapshots: leave it out"
            causes.append(gotext.forbidden(f"spec.{key}", why))
    if old is not None:
        causes += _claim_changes(claim, old)
    return causes


def _claim_changes(claim: Object, old: Object) -> list[Cause]:
    spec, before = claim["spec"], old["spec"]
    phase = (old.get("status") or {}).get("phase")
    free = {"volumeName"} if not before.get("volumeName") else set()
    # A class may be given later to a claim that had none: the default class, after it was made.
    if "storageClassName" not in before:
        free.add("storageClassName")
    if phase == "Bound":
        free |= {"resources", "volumeAttributesClassName"}
    if {k: v for k, v in spec.items() if k not in free} != {k: v for k, v in before.items() if k not in free}:
        return [gotext.forbidden("spec", f"{_FIXED}\n{_difference(spec, before)}")]
    new_size = storage((spec.get("resources") or {}).get("requests"))
    old_size = storage((before.get("resources") or {}).get("requests"))
    if new_size < old_size:
        given = storage((old.get("status") or {}).get("capacity"))
        if not given or new_size <= given:
            why = "field can not be less than status.capacity"
            return [gotext.forbidden("spec.resources.requests.storage", why)]
    return []


def _difference(spec: Object, old: Object) -> str:
    return "\n".join(
        line
        for key in sorted({*spec, *old})
        if spec.get(key) != old.get(key)
        for line in (f"- {key}: {gotext.shown(old.get(key))}", f"+ {key}: {gotext.shown(spec.get(key))}")
    )


# -- volumes -----------------------------------------------------------------------------------


def _default_volume(volume: Object) -> None:
    spec = volume.setdefault("spec", {})
    fill(spec, persistentVolumeReclaimPolicy="Retain")
    fill(spec, volumeMode="Filesystem")
    if "hostPath" in spec:
        fill(spec["hostPath"], type="")
    if spec.get("claimRef"):
        fill(spec["claimRef"], kind="PersistentVolumeClaim", apiVersion="v1")


def _create_volume(volume: Object) -> None:
    volume["status"] = {"phase": "Pending"}
    _protect(volume, PV_PROTECTION)


def _check_volume(volume: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = volume["spec"]
    causes = _modes(spec, "") + _words(spec)
    capacity = spec.get("capacity") or {}
    if not capacity:
        causes.append(gotext.required("spec.capacity"))
    if set(capacity) != {"storage"}:
        causes.append(gotext.unsupported("spec.capacity", capacity, ("storage",)))
    elif parse(capacity["storage"]) <= 0:
        causes.append(
            gotext.invalid("spec.capacity[storage]", capacity["storage"], "must be greater than zero")
        )
    policy = spec["persistentVolumeReclaimPolicy"]
    if policy not in _POLICIES:
        causes.append(gotext.unsupported("spec.persistentVolumeReclaimPolicy", policy, _POLICIES))
    elif policy == "Recycle":
        why = "this API server recycles no volumes (deprecated in Kubernetes): use Delete or Retain"
        causes.append(gotext.forbidden("spec.persistentVolumeReclaimPolicy", why))
    causes += _source(spec)
    if old is not None and sources(spec) != sources(old["spec"]):
        why = f"spec.persistentvolumesource is immutable after creation\n{_difference(spec, old['spec'])}"
        causes.append(gotext.forbidden("spec.persistentvolumesource", why))
    if old is not None and spec["volumeMode"] != old["spec"].get("volumeMode", "Filesystem"):
        causes.append(gotext.invalid("volumeMode", spec["volumeMode"], "field is immutable"))
    return causes


def _source(spec: Object) -> list[Cause]:
    found = sorted(sources(spec))
    if not found:
        return [gotext.required("spec", "must specify a volume type")]
    causes = [gotext.forbidden(f"spec.{key}", "may not specify more than 1 volume type") for key in found[1:]]
    for key in {"hostPath", "local"} & set(found):
        path = spec[key].get("path", "")
        if not path:
            causes.append(gotext.required(f"spec.{key}.path"))
        elif ".." in path.split("/"):
            causes.append(gotext.invalid(f"spec.{key}.path", path, "must not contain '..'"))
    if "local" in found and not (spec.get("nodeAffinity") or {}).get("required"):
        causes.append(gotext.required("spec.nodeAffinity", "Local volume requires node affinity"))
    return causes


# -- classes -----------------------------------------------------------------------------------


def _default_class(obj: Object) -> None:
    fill(obj, reclaimPolicy="Delete")
    fill(obj, volumeBindingMode="Immediate")


def _check_class(obj: Object, old: Object | None, _subresource: str) -> list[Cause]:
    causes: list[Cause] = []
    if not obj.get("provisioner"):
        causes.append(gotext.required("provisioner", obj.get("provisioner") or ""))
    if obj["reclaimPolicy"] not in {"Delete", "Retain"}:
        causes.append(gotext.unsupported("reclaimPolicy", obj["reclaimPolicy"], ("Delete", "Retain")))
    modes = ("Immediate", "WaitForFirstConsumer")
    if obj["volumeBindingMode"] not in modes:
        causes.append(gotext.unsupported("volumeBindingMode", obj["volumeBindingMode"], modes))
    if old is not None:
        if (obj.get("parameters") or {}) != (old.get("parameters") or {}):
            why = "updates to parameters are forbidden."
            causes.append(gotext.forbidden("parameters", why))
        if obj.get("provisioner") != old.get("provisioner"):
            causes.append(gotext.forbidden("provisioner", "updates to provisioner are forbidden."))
        if obj["reclaimPolicy"] != old["reclaimPolicy"]:
            causes.append(gotext.invalid("reclaimPolicy", obj["reclaimPolicy"], "field is immutable"))
        if obj["volumeBindingMode"] != old["volumeBindingMode"]:
            causes.append(gotext.invalid("volumeBindingMode", obj["volumeBindingMode"], "field is immutable"))
    return causes


CLAIM = Strategy(status=True, default=_default_claim, create=_create_claim, check=_check_claim)
VOLUME = Strategy(status=True, default=_default_volume, create=_create_volume, check=_check_volume)
STORAGE_CLASS = Strategy(default=_default_class, check=_check_class)
