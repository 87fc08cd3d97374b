"""Pods: what the server sets, and what may change after creation."""

from typing import Any

import orjson

from sympozium.localkube import metadata
from sympozium.localkube.defaults.podspec import containers, default_spec
from sympozium.localkube.defaults.podvalidation import check_spec
from sympozium.localkube.defaults.podwarnings import spec_warnings
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object
from sympozium.quantities import parse

_MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
GATES = "schedulingGates"


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
    if old is not None and not causes:
        causes += _changes(pod["spec"], old["spec"])
    return causes


def _changes(spec: Object, old: Object) -> list[Cause]:
    causes: list[Cause] = []
    if len(spec["containers"]) != len(old["containers"]):
        return [gotext.forbidden("spec.containers", "pod updates may not add or remove containers")]
    if len(spec.get("initContainers") or ()) != len(old.get("initContainers") or ()):
        return [gotext.forbidden("spec.initContainers", "pod updates may not add or remove containers")]
    causes += _deadline(spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    before = old.get("tolerations") or []
    added = spec.get("tolerations") or []
    if any(toleration not in added for toleration in before):
        causes.append(
            gotext.forbidden(
                "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
            )
        )
    if causes:
        return causes
    if _fixed(spec, old, gated=bool(old.get(GATES))) != _fixed(old, old, gated=bool(old.get(GATES))):
        causes.append(gotext.forbidden("spec", f"{_MUTABLE}\n{_difference(spec, old)}"))
    return causes


def _deadline(new: Any, old: Any) -> list[Cause]:
    if new == old:
        return []
    if old is not None and (new is None or new > old):
        why = f"must be less than or equal to previous value {old}"
        if new is None:
            why = "must not update from a positive integer to nil value"
        return [gotext.invalid("spec.activeDeadlineSeconds", new, why)]
    return []


def _fixed(spec: Object, old: Object, *, gated: bool) -> Object:
    """The spec with what may change replaced by what `old` has."""
    kept: Object = orjson.loads(orjson.dumps(spec))
    for key in ("initContainers", "containers"):
        for container, before in zip(kept.get(key) or (), old.get(key) or (), strict=False):
            container["image"] = before.get("image")
    free = ["activeDeadlineSeconds", "tolerations"]
    if spec.get("terminationGracePeriodSeconds") == 1 and (old.get("terminationGracePeriodSeconds") or 0) < 0:
        free.append("terminationGracePeriodSeconds")
    if gated:
        free += [GATES, "nodeSelector", "affinity"]
    for key in free:
        kept.pop(key, None)
    return kept


def _difference(spec: Object, old: Object) -> str:
    """The fields that differ, old and new, so that the writer sees which one it was."""
    lines = []
    for key in sorted({*spec, *old}):
        if spec.get(key) != old.get(key):
            lines += [f"- {key}: {gotext.shown(old.get(key))}", f"+ {key}: {gotext.shown(spec.get(key))}"]
    return "\n".join(lines)


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
