"""The old Endpoints object from endpoints, and slices from an Endpoints object. Pure."""

import ipaddress
from collections.abc import Sequence

from sympozium.localkube.controllers.services.backends import HEADLESS, TRIGGER, Backend, Ports
from sympozium.localkube.controllers.services.slices import API, SERVICE_NAME, copied_labels
from sympozium.localkube.defaults.endpoints import ENDPOINTS_MANAGED_BY, MANAGED_BY
from sympozium.localkube.defaults.services import headless
from sympozium.localkube.types import Object

CONTROLLER = "endpoint-controller"
MIRROR = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LIMIT = 1000


def endpoints_object(service: Object, found: Sequence[Backend], stamp: str) -> Object:
    """The Endpoints of a Service with a selector."""
    meta = service["metadata"]
    unready = bool(service["spec"].get("publishNotReadyAddresses"))
    chosen = [backend for backend in found if unready or not backend.terminating]
    annotations = {TRIGGER: stamp}
    if len(chosen) > LIMIT:
        chosen = chosen[:LIMIT]
        annotations[OVER_CAPACITY] = "truncated"
    groups: dict[Ports, dict[str, list[Object]]] = {}
    for backend in chosen:
        subset = groups.setdefault(backend.ports, {})
        subset.setdefault("addresses" if backend.ready else "notReadyAddresses", []).append(_address(backend))
    labels = {**copied_labels(service), ENDPOINTS_MANAGED_BY: CONTROLLER}
    if headless(service["spec"]):
        labels[HEADLESS] = ""
    made: Object = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": annotations,
        },
    }
    subsets = [_subset(ports, subset) for ports, subset in sorted(groups.items(), key=lambda i: str(i[0]))]
    return made | ({"subsets": subsets} if subsets else {})


def _subset(ports: Ports, subset: dict[str, list[Object]]) -> Object:
    made: Object = {
        key: sorted(addresses, key=lambda a: (ipaddress.ip_address(a["ip"]), a["targetRef"]["uid"]))
        for key, addresses in subset.items()
    }
    rendered = [
        {
            **({"name": name} if name else {}),
            "port": number,
            "protocol": protocol,
            **({"appProtocol": application} if application else {}),
        }
        for name, protocol, number, application in ports
    ]
    return made | ({"ports": rendered} if rendered else {})


def _address(backend: Backend) -> Object:
    node = backend.pod["spec"].get("nodeName")
    return {
        "ip": backend.address,
        **({"hostname": backend.hostname} if backend.hostname else {}),
        **({"nodeName": node} if node else {}),
        "targetRef": backend.target,
    }


def mirrored(endpoints: Object) -> list[Object]:
    """The slices of Endpoints that a person keeps: one for each subset and family."""
    meta = endpoints["metadata"]
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k not in {MANAGED_BY, SERVICE_NAME}}
    made_for: Object = {
        "generateName": f"{meta['name']}-",
        "namespace": meta["namespace"],
        "labels": {**labels, MANAGED_BY: MIRROR, SERVICE_NAME: meta["name"]},
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "name": meta["name"],
                "uid": meta["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    made = []
    for subset in endpoints.get("subsets") or ():
        for family in ("IPv4", "IPv6"):
            entries = [
                _mirrored_endpoint(address, ready=key == "addresses")
                for key in ("addresses", "notReadyAddresses")
                for address in subset.get(key) or ()
                if f"IPv{ipaddress.ip_address(address['ip']).version}" == family
            ]
            if entries:
                ports = [{"name": "", **port} for port in subset.get("ports") or ()]
                made.append(
                    {
                        "apiVersion": API,
                        "kind": "EndpointSlice",
                        "metadata": made_for,
                        "addressType": family,
                        "endpoints": entries,
                        "ports": ports or None,
                    }
                )
    return made


def _mirrored_endpoint(address: Object, *, ready: bool) -> Object:
    made: Object = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    for key in ("hostname", "nodeName", "targetRef"):
        if address.get(key):
            made[key] = address[key]
    return made
