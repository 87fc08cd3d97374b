"""What the pods of a Job are, on values."""

import copy
import datetime as dt
from collections.abc import Iterable, Iterator

from sympozium.localkube.types import Object

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"


def tracked(pod: Object) -> bool:
    """Whether the pod is still to be counted: it has our finalizer."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def deleting(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def terminal(pod: Object) -> bool:
    return phase(pod) in {"Succeeded", "Failed"}


def active(pod: Object) -> bool:
    return not terminal(pod) and not deleting(pod)


def terminating(pod: Object) -> bool:
    """Being deleted, and not at its end yet."""
    return deleting(pod) and not terminal(pod)


def ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def failed(pod: Object, *, wait_for_end: bool) -> bool:
    """Whether the pod counts as failed.

    A pod that is being deleted counts at once, unless the Job waits for the end of its pods
    (podReplacementPolicy Failed, podFailurePolicy); one that never ran has no end to wait for.
    """
    if phase(pod) == "Failed":
        return True
    if not terminating(pod):
        return False
    return not wait_for_end or not pod["spec"].get("nodeName")


def index_of(pod: Object) -> int | None:
    """The completion index, None when there is none or it is no number."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdecimal() else None


def restarts(pods: Iterable[Object]) -> int:
    """Restarts of the containers of pods that go on (restartPolicy OnFailure)."""
    return sum(
        int(status.get("restartCount") or 0)
        for pod in pods
        if phase(pod) in {"Running", "Pending"}
        for key in ("initContainerStatuses", "containerStatuses")
        for status in (pod.get("status") or {}).get(key) or ()
    )


def terminations(pod: Object) -> Iterator[tuple[str, Object]]:
    """(container name, terminated state) of each container that ended."""
    for key in ("initContainerStatuses", "containerStatuses"):
        for status in (pod.get("status") or {}).get(key) or ():
            ended = (status.get("state") or {}).get("terminated")
            if ended:
                yield status["name"], ended


def finish_time(pod: Object) -> dt.datetime:
    """When the pod ended: its last container, else its deletion, else its creation."""
    ends = [end["finishedAt"] for _, end in terminations(pod) if end.get("finishedAt")]
    meta = pod["metadata"]
    return parse_time(max(ends) if ends else meta.get("deletionTimestamp") or meta["creationTimestamp"])


def parse_time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def expendable_first(pod: Object) -> tuple[bool, int, bool, str]:
    """Sort key of which pod goes first when there are too many: what has done the least, the newest."""
    order = {"Pending": 0, "Unknown": 1, "Running": 2}.get(phase(pod), 3)
    stamp = pod["metadata"].get("creationTimestamp", "")
    # Newest first: the digits of the time, each turned round.
    newest = stamp.translate(str.maketrans("0123456789", "9876543210"))
    return bool(pod["spec"].get("nodeName")), order, ready(pod), newest


def build(job: Object, index: int | None, annotations: dict[str, str] | None = None) -> Object:
    """The pod to create for a Job, of one completion index if it is Indexed; `annotations` are added."""
    meta, template = job["metadata"], copy.deepcopy(job["spec"]["template"])
    given = template.get("metadata") or {}
    made: Object = {
        "generateName": f"{meta['name']}-" if index is None else f"{meta['name']}-{index}-",
        "namespace": meta["namespace"],
        "labels": dict(given.get("labels") or {}),
        "annotations": {**(given.get("annotations") or {}), **(annotations or {})},
        "finalizers": [*(f for f in given.get("finalizers") or () if f != FINALIZER), FINALIZER],
        "ownerReferences": [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": meta["name"],
                "uid": meta["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    spec = template["spec"]
    if index is not None:
        made["labels"][INDEX] = made["annotations"][INDEX] = str(index)
        spec.setdefault("hostname", f"{meta['name']}-{index}"[:63].rstrip("-"))
        for key in ("initContainers", "containers"):
            for container in spec.get(key) or ():
                _add_index(container)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}


def _add_index(container: Object) -> None:
    variables = container.get("env") or []
    if any(variable["name"] == "JOB_COMPLETION_INDEX" for variable in variables):
        return
    field = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    container["env"] = [*variables, {"name": "JOB_COMPLETION_INDEX", "valueFrom": field}]
