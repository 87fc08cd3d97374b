"""Endpoints into EndpointSlices: at most 100 in each, grouped by ports, changing as few slices as possible. Pure.

A Service without endpoints has one empty slice, so that who waits for slices sees that there are none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sympozium.localkube.controllers.services.backends import HEADLESS, TRIGGER, Backend, Ports
from sympozium.localkube.defaults.endpoints import MANAGED_BY
from sympozium.localkube.defaults.services import headless
from sympozium.localkube.types import Object

CONTROLLER = "endpointslice-controller.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
ZONE = "topology.kubernetes.io/zone"
MAX_ENDPOINTS = 100
API = "discovery.k8s.io/v1"


@dataclass(slots=True)
class Change:
    """`update` are (stored, wanted) pairs."""

    create: list[Object] = field(default_factory=list)
    update: list[tuple[Object, Object]] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def plan(
    service: Object, found: Sequence[Backend], present: Sequence[Object], nodes: dict[str, Object], stamp: str
) -> Change:
    """What to write so that the Service's own slices (`present`) say what `found` is."""
    groups: dict[Ports, list[Object]] = {}
    for backend in found:
        groups.setdefault(backend.ports, []).append(endpoint(backend, nodes))
    if not groups:
        groups[()] = []
    meta = wanted_metadata(service)
    change = Change()
    free = [old for old in present if not old["metadata"].get("deletionTimestamp")]
    for ports, endpoints in sorted(groups.items(), key=lambda item: str(item[0])):
        _group(ports, endpoints, free, meta, change, stamp)
    change.delete += free
    return change


def _group(
    ports: Ports, endpoints: list[Object], free: list[Object], meta: Object, change: Change, stamp: str
) -> None:
    rendered = [_port(port) for port in ports] or None
    mine = [old for old in free if (old.get("ports") or None) == rendered] or free[:1]
    chunks = [endpoints[i : i + MAX_ENDPOINTS] for i in range(0, len(endpoints), MAX_ENDPOINTS)] or [[]]
    for chunk in chunks:
        body = {"addressType": "IPv4", "endpoints": chunk or None, "ports": rendered}
        old = mine.pop(0) if mine else None
        if old is None:
            change.create.append(_slice(meta, body, stamp))
            continue
        free.remove(old)
        if _differs(old, meta, body):
            change.update.append((old, _slice(meta, body, stamp)))


def _differs(old: Object, meta: Object, body: Object) -> bool:
    if (old["metadata"].get("labels") or {}) != meta["labels"]:
        return True
    return any((old.get(key) or None) != body[key] for key in ("endpoints", "ports"))


def _slice(meta: Object, body: Object, stamp: str) -> Object:
    return {
        "apiVersion": API,
        "kind": "EndpointSlice",
        "metadata": {**meta, "annotations": {TRIGGER: stamp}},
        **body,
    }


def endpoint(backend: Backend, nodes: dict[str, Object]) -> Object:
    """One entry of a slice."""
    made: Object = {
        "addresses": [backend.address],
        "conditions": {
            "ready": backend.ready,
            "serving": backend.serving,
            "terminating": backend.terminating,
        },
    }
    if backend.hostname:
        made["hostname"] = backend.hostname
    node = backend.pod["spec"].get("nodeName")
    if node:
        made["nodeName"] = node
    made["targetRef"] = backend.target
    zone = ((nodes.get(node) or {}).get("metadata", {}).get("labels") or {}).get(ZONE)
    if zone:
        made["zone"] = zone
    return made


def _port(port: tuple[str, str, int, str]) -> Object:
    name, protocol, number, application = port
    made: Object = {"name": name, "port": number, "protocol": protocol}
    return made | ({"appProtocol": application} if application else {})


def copied_labels(service: Object) -> dict[str, str]:
    """The Service's labels without those that say who keeps what."""
    reserved = {SERVICE_NAME, MANAGED_BY, HEADLESS}
    labels = service["metadata"].get("labels") or {}
    return {key: value for key, value in labels.items() if key not in reserved}


def wanted_metadata(service: Object) -> Object:
    meta = service["metadata"]
    labels = {**copied_labels(service), MANAGED_BY: CONTROLLER, SERVICE_NAME: meta["name"]}
    if headless(service["spec"]):
        labels[HEADLESS] = ""
    return {
        "generateName": f"{meta['name']}-",
        "namespace": meta["namespace"],
        "labels": labels,
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "name": meta["name"],
                "uid": meta["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def kept_by(slices: Iterable[Object], who: str) -> list[Object]:
    """The slices that this controller keeps; those of others are theirs."""
    return [one for one in slices if (one["metadata"].get("labels") or {}).get(MANAGED_BY) == who]
