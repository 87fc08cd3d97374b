"""What stands behind a Service: (Service, pods) -> endpoints, each with the ports it has. Pure.

A named targetPort is looked up in each pod, so two pods may answer one Service at different ports: endpoints
are grouped by the ports that they have.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sympozium.localkube.controllers.job.pods import deleting, ready, terminal
from sympozium.localkube.types import Object

HEADLESS = "service.kubernetes.io/headless"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
Ports = tuple[tuple[str, str, int, str], ...]
"""(name, protocol, port, appProtocol or "") of each port that an endpoint has."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One pod behind a Service."""

    pod: Object
    address: str
    ports: Ports
    ready: bool
    serving: bool
    terminating: bool
    hostname: str

    @property
    def target(self) -> Object:
        meta = self.pod["metadata"]
        return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def selects(service: Object, pod: Object) -> bool:
    """A Service without a selector selects nothing: somebody else keeps its endpoints."""
    selector = service["spec"].get("selector")
    if not selector or service["spec"]["type"] == "ExternalName":
        return False
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def backends(service: Object, pods: Iterable[Object]) -> list[Backend]:
    """Of the pods that the Service selects, those that have an address and have not ended; by name."""
    spec = service["spec"]
    unready = bool(spec.get("publishNotReadyAddresses"))
    found = []
    for pod in pods:
        status = pod.get("status") or {}
        address = status.get("podIP")
        if not address or terminal(pod) or not selects(service, pod):
            continue
        serving, leaving = ready(pod), deleting(pod)
        found.append(
            Backend(
                pod=pod,
                address=address,
                ports=ports_of(service, pod),
                ready=unready or (serving and not leaving),
                serving=serving,
                terminating=leaving,
                hostname=_hostname(service, pod),
            )
        )
    return sorted(found, key=lambda backend: str(backend.pod["metadata"]["name"]))


def _hostname(service: Object, pod: Object) -> str:
    """A pod has a name of its own below a Service that it names as its subdomain."""
    spec = pod["spec"]
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        return str(spec["hostname"])
    return ""


def ports_of(service: Object, pod: Object) -> Ports:
    """The Service's ports at this pod; a named target that the pod lacks is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = find_port(port, pod)
        if number is not None:
            found.append((port.get("name", ""), port["protocol"], number, port.get("appProtocol", "")))
    return tuple(found)


def find_port(port: Object, pod: Object) -> int | None:
    target: Any = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*sidecars, *spec.get("containers", ())):
        for known in container.get("ports") or ():
            same = known.get("name") == target and known.get("protocol", "TCP") == port["protocol"]
            if same:
                return int(known["containerPort"])
    return None


def trigger_time(service: Object, found: Iterable[Backend]) -> str:
    """When the last of what the endpoints follow from happened: for measuring how late they are."""
    stamps = [str(service["metadata"].get("creationTimestamp", ""))]
    for backend in found:
        conditions = (backend.pod.get("status") or {}).get("conditions") or ()
        stamps += [str(c.get("lastTransitionTime") or "") for c in conditions if c.get("type") == "Ready"]
    return max(stamps)
