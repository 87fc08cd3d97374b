"""One step of a ReplicaSet or ReplicationController: (object, its pods, now) -> what to do. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from sympozium.localkube.controllers.apps import conditions, ranking
from sympozium.localkube.controllers.apps.amounts import wanted
from sympozium.localkube.controllers.apps.children import labels_of
from sympozium.localkube.controllers.apps.pods import (
    active,
    available,
    deleting,
    next_check,
    ready,
    terminating,
)
from sympozium.localkube.controllers.recorder import timestamp
from sympozium.localkube.types import Object

BURST = 500
FAILURE = "ReplicaFailure"


@dataclass(slots=True)
class Plan:
    """`create` so many pods, or `delete` these; then write `status`, unless it is None. `again` is in seconds."""

    create: int = 0
    delete: list[Object] = field(default_factory=list)
    status: Object | None = None
    again: float | None = None


def decide(owner: Object, pods: Sequence[Object], siblings: Sequence[Object], now: dt.datetime) -> Plan:
    """`pods` are all that it owns, `siblings` those of the ReplicaSets that have the same owner."""
    alive = [pod for pod in pods if active(pod)]
    if not deleting(owner):
        surplus = len(alive) - wanted(owner)
        if surplus < 0:
            return Plan(create=min(-surplus, BURST))
        if surplus > 0:
            return Plan(delete=ranking.victims(alive, min(surplus, BURST), siblings or alive, now))
    seconds = int(owner["spec"].get("minReadySeconds") or 0)
    new = status(owner, pods, "", now)
    again = next_check(alive, seconds, now) if seconds else None
    return Plan(status=None if new == owner.get("status") else new, again=again)


def status(owner: Object, pods: Sequence[Object], failure: str, now: dt.datetime) -> Object:
    """The whole status; `failure` is why pods could not be made or deleted, or ""."""
    alive = [pod for pod in pods if active(pod)]
    seconds = int(owner["spec"].get("minReadySeconds") or 0)
    template = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    counts = {
        "fullyLabeledReplicas": sum(template.items() <= labels_of(pod).items() for pod in alive),
        "readyReplicas": sum(ready(pod) for pod in alive),
        "availableReplicas": sum(available(pod, seconds, now) for pod in alive),
    }
    made: Object = {"replicas": len(alive)} | {key: value for key, value in counts.items() if value}
    made["observedGeneration"] = owner["metadata"].get("generation", 0)
    if owner["kind"] == "ReplicaSet":
        made["terminatingReplicas"] = sum(terminating(pod) for pod in pods)
    listed = _conditions(owner, len(alive), failure, now)
    return made | {"conditions": listed} if listed else made


def _conditions(owner: Object, count: int, failure: str, now: dt.datetime) -> list[Object]:
    old: list[Object] = (owner.get("status") or {}).get("conditions") or []
    if not failure:
        return conditions.without(old, FAILURE)
    if conditions.find(old, FAILURE) is not None:
        return old
    made = {
        "type": FAILURE,
        "status": "True",
        "reason": "FailedCreate" if count < wanted(owner) else "FailedDelete",
        "message": failure,
        "lastTransitionTime": timestamp(now),
    }
    return conditions.put(old, made)
