"""What the pods of a workload are, on values; and the pod that a template asks for."""

import copy
import datetime as dt
from collections.abc import Iterable

from sympozium.localkube.types import Object

NAME_LIMIT = 253


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def ended(pod: Object) -> bool:
    return phase(pod) in {"Succeeded", "Failed"}


def deleting(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def active(pod: Object) -> bool:
    return not ended(pod) and not deleting(pod)


def terminating(pod: Object) -> bool:
    """Being deleted, and not at its end yet."""
    return deleting(pod) and not ended(pod)


def ready_since(pod: Object) -> dt.datetime | None:
    """When the pod became ready; None when it is not. A condition without a time is as old as can be."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            stamp = condition.get("lastTransitionTime")
            return moment(stamp) if stamp else dt.datetime.min.replace(tzinfo=dt.UTC)
    return None


def ready(pod: Object) -> bool:
    return ready_since(pod) is not None


def wait_for_available(pod: Object, seconds: int, now: dt.datetime) -> float | None:
    """Seconds until a ready pod counts as available; 0 when it does, None when it is not ready."""
    since = ready_since(pod)
    if since is None:
        return None
    if not seconds:
        return 0.0
    return max(0.0, (since + dt.timedelta(seconds=seconds) - now).total_seconds())


def available(pod: Object, seconds: int, now: dt.datetime) -> bool:
    """Ready for minReadySeconds."""
    return wait_for_available(pod, seconds, now) == 0.0


def next_check(pods: Iterable[Object], seconds: int, now: dt.datetime) -> float | None:
    """When the next of the pods becomes available by the mere passing of time."""
    waits = [wait for pod in pods if (wait := wait_for_available(pod, seconds, now))]
    # Stamps are whole seconds and a timer may be early: a moment later the answer is certain.
    return min(waits) + 0.05 if waits else None


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def controller_reference(owner: Object) -> Object:
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def from_template(owner: Object, template: Object) -> Object:
    """The pod of a template, controlled by `owner`; its name is made from the owner's."""
    meta, given = owner["metadata"], template.get("metadata") or {}
    prefix = f"{meta['name']}-"
    made: Object = {
        "generateName": prefix if len(prefix) <= NAME_LIMIT else meta["name"],
        "namespace": meta["namespace"],
        "ownerReferences": [controller_reference(owner)],
    }
    for key in ("labels", "annotations", "finalizers"):
        if given.get(key):
            made[key] = copy.copy(given[key])
    spec = copy.deepcopy(template["spec"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}
