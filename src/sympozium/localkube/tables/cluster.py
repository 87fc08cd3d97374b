"""Cells of storage, services and scheduling kinds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sympozium.localkube.tables.age import age
from sympozium.localkube.types import Object

MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
SHOWN = 3
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_CLASSES = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def _age(obj: Object, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _phase(obj: Object) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((obj.get("status") or {}).get("phase", ""))


def _modes(modes: Sequence[str] | None) -> str:
    return ",".join(short for mode, short in MODES.items() if mode in (modes or ()))


def _class(obj: Object) -> str:
    given = (obj["metadata"].get("annotations") or {}).get(_BETA_CLASS)
    return str(given or (obj.get("spec") or {}).get("storageClassName") or "")


def claim(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    volume = spec.get("volumeName", "")
    return [
        obj["metadata"]["name"],
        _phase(obj),
        volume,
        (status.get("capacity") or {}).get("storage", "0") if volume else "",
        _modes(status.get("accessModes")) if volume else "",
        _class(obj),
        spec.get("volumeAttributesClassName") or "<unset>",
        _age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


def volume(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    reference = spec.get("claimRef")
    return [
        obj["metadata"]["name"],
        (spec.get("capacity") or {}).get("storage", "0"),
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _phase(obj),
        f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else "",
        _class(obj),
        spec.get("volumeAttributesClassName") or "<unset>",
        (obj.get("status") or {}).get("reason", ""),
        _age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


def storage_class(obj: Object, now: datetime) -> list[Any]:
    annotations = obj["metadata"].get("annotations") or {}
    default = any(annotations.get(key) == "true" for key in _DEFAULT_CLASSES)
    return [
        obj["metadata"]["name"] + (" (default)" if default else ""),
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        _age(obj, now),
    ]


def disruption_budget(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    amounts = [
        "N/A" if spec.get(key) is None else str(spec[key]) for key in ("minAvailable", "maxUnavailable")
    ]
    allowed = (obj.get("status") or {}).get("disruptionsAllowed") or 0
    return [obj["metadata"]["name"], *amounts, allowed, _age(obj, now)]


def _some(items: Sequence[str], nothing: str) -> str:
    if not items:
        return nothing
    text = ",".join(items[:SHOWN])
    return f"{text} + {len(items) - SHOWN} more..." if len(items) > SHOWN else text


def endpoints(obj: Object, now: datetime) -> list[Any]:
    found: list[str] = []
    for subset in obj.get("subsets") or ():
        addresses = [address["ip"] for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or []
        found += [f"{ip}:{port['port']}" for port in ports for ip in addresses] if ports else addresses
    nothing = "" if obj.get("subsets") else "<none>"
    return [obj["metadata"]["name"], _some(found, nothing), _age(obj, now)]


def endpoint_slice(obj: Object, now: datetime) -> list[Any]:
    ports = [str(port.get("port") or port.get("name") or "*") for port in obj.get("ports") or ()]
    addresses = [address for one in obj.get("endpoints") or () for address in one.get("addresses") or ()]
    return [
        obj["metadata"]["name"],
        obj.get("addressType", ""),
        _some(ports, "<unset>"),
        _some(addresses, "<unset>"),
        _age(obj, now),
    ]


def priority_class(obj: Object, now: datetime) -> list[Any]:
    return [
        obj["metadata"]["name"],
        obj.get("value", 0),
        bool(obj.get("globalDefault")),
        _age(obj, now),
        obj.get("preemptionPolicy", ""),
    ]


def runtime_class(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("handler", ""), _age(obj, now)]


def external_ip(service: Object) -> str:
    """The External-IP of a Service."""
    spec = service.get("spec") or {}
    given = list(spec.get("externalIPs") or ())
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec.get("type") == "LoadBalancer":
        balancer = (service.get("status") or {}).get("loadBalancer") or {}
        ingress = [one.get("ip") or one.get("hostname") or "" for one in balancer.get("ingress") or ()]
        return ",".join([*ingress, *given]) or "<pending>"
    return ",".join(given) or "<none>"


_VOLUME = "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|VolumeMode*"
TABLES = {
    "persistentvolumeclaims": (
        "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|VolumeMode*",
        claim,
    ),
    "persistentvolumes": (
        _VOLUME,
        volume,
    ),
    "storageclasses": (
        "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age",
        storage_class,
    ),
    "poddisruptionbudgets": (
        "Name|Min Available|Max Unavailable|Allowed Disruptions:integer|Age",
        disruption_budget,
    ),
    "endpoints": ("Name|Endpoints|Age", endpoints),
    "endpointslices": ("Name|AddressType|Ports|Endpoints|Age", endpoint_slice),
    "priorityclasses": ("Name|Value:integer|Global-Default:boolean|Age|PreemptionPolicy", priority_class),
    "runtimeclasses": ("Name|Handler|Age", runtime_class),
}
