"""Pods: what the server sets, and what may change after creation."""

from typing import Any

from sympozium.localkube import metadata
from sympozium.localkube.defaults.podspec import containers, default_spec
from sympozium.localkube.defaults.podupdates import GATES, update_causes
from sympozium.localkube.defaults.podvalidation import check_spec
from sympozium.localkube.defaults.podwarnings import spec_warnings
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.types import Cause, Object
from sympozium.quantities import parse


def default_pod(pod: Object) -> None:
    spec = pod.setdefault("spec", {})
    default_spec(spec)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    fill(spec, enableServiceLinks=True)
    for container in containers(spec):
        limits = container["resources"].get("limits")
        if limits:
            requests = container["resources"].setdefault("requests", {})
            for name, amount in limits.items():
                requests.setdefault(name, amount)


def create_pod(pod: Object) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod["spec"])}
    if pod["spec"].get(GATES):
        pod["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastTransitionTime": metadata.now(),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]


def update_pod(pod: Object, old: Object, subresource: str) -> None:
    """The class of service is decided once; deletion is not undone through a status."""
    if subresource == "status":
        quality = old.get("status", {}).get("qosClass")
        if quality:
            pod.setdefault("status", {})["qosClass"] = quality
        if "ownerReferences" in old["metadata"]:
            pod["metadata"]["ownerReferences"] = old["metadata"]["ownerReferences"]
        else:
            pod["metadata"].pop("ownerReferences", None)


def qos_class(spec: Object) -> str:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    guaranteed, anything = True, False
    for container in containers(spec):
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            limit, request = _amount(limits.get(name)), _amount(requests.get(name))
            anything = anything or bool(limit or request)
            if not limit or (request or limit) != limit:
                guaranteed = False
    if not anything:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _amount(quantity: Any) -> Any:
    return parse(quantity) if quantity is not None else None


def check_pod(pod: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    causes = check_spec(pod["spec"], "spec", pod["metadata"].get("name", ""))
    return causes if old is None else causes + update_causes(pod["spec"], old["spec"])


def _warn(pod: Object, _old: Object | None) -> list[str]:
    return spec_warnings(pod["spec"], "spec")


POD = Strategy(
    status=True,
    generation=True,
    status_metadata=True,
    default=default_pod,
    create=create_pod,
    update=update_pod,
    check=check_pod,
    warn=_warn,
)
