"""Status and conditions of a Deployment. Pure.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
"""

import datetime as dt
from collections.abc import Sequence

from sympozium.localkube.controllers.apps import conditions
from sympozium.localkube.controllers.apps.amounts import max_unavailable, wanted
from sympozium.localkube.controllers.apps.pods import moment
from sympozium.localkube.controllers.apps.replicas import FAILURE
from sympozium.localkube.controllers.apps.sizes import count
from sympozium.localkube.controllers.recorder import timestamp
from sympozium.localkube.types import Object

NO_LIMIT = 2**31 - 1
PROGRESSING = "Progressing"
AVAILABLE = "Available"
TIMED_OUT = "ProgressDeadlineExceeded"
DONE = "NewReplicaSetAvailable"
PAUSED = "DeploymentPaused"


def status_of(deployment: Object) -> Object:
    return deployment.get("status") or {}


def progressing(status: Object) -> Object | None:
    return conditions.find(status.get("conditions") or (), PROGRESSING)


def deadline(deployment: Object) -> int | None:
    """progressDeadlineSeconds; None for none."""
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds in {None, NO_LIMIT} else int(seconds)


def with_condition(
    status: Object, kind: str, value: str, reason: str, message: str, now: dt.datetime
) -> Object:
    listed: list[Object] = status.get("conditions") or []
    made = conditions.make(kind, value, reason, message, timestamp(now))
    return {**status, "conditions": conditions.put(listed, made)}


def pause_noted(deployment: Object, now: dt.datetime) -> Object:
    """The status with Progressing Unknown when pausing and resuming: the clock of the deadline starts anew."""
    status, paused = status_of(deployment), bool(deployment["spec"].get("paused"))
    known = progressing(status)
    reason = known.get("reason") if known else None
    if deadline(deployment) is None or reason == TIMED_OUT or paused == (reason == PAUSED):
        return status
    word, reason = ("paused", PAUSED) if paused else ("resumed", "DeploymentResumed")
    return with_condition(status, PROGRESSING, "Unknown", reason, f"Deployment is {word}", now)


def counted(deployment: Object, new: Object | None, every: Sequence[Object], now: dt.datetime) -> Object:
    """The counters and the Available condition; the other conditions as they were."""
    old = status_of(deployment)
    ready = sum(count(one, "readyReplicas") for one in every)
    available = sum(count(one, "availableReplicas") for one in every)
    counters = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": sum(count(one, "replicas") for one in every),
        "updatedReplicas": count(new, "replicas") if new else 0,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(wanted(one) for one in every) - available),
    }
    status: Object = {key: value for key, value in counters.items() if value}
    status["terminatingReplicas"] = sum(count(one, "terminatingReplicas") for one in every)
    for key in ("collisionCount", "conditions"):
        if old.get(key) is not None:
            status[key] = old[key]
    if available >= wanted(deployment) - max_unavailable(deployment):
        text = "Deployment has minimum availability."
        return with_condition(status, AVAILABLE, "True", "MinimumReplicasAvailable", text, now)
    text = "Deployment does not have minimum availability."
    return with_condition(status, AVAILABLE, "False", "MinimumReplicasUnavailable", text, now)


def rollout_status(
    deployment: Object, new: Object | None, every: Sequence[Object], now: dt.datetime
) -> Object:
    """The status during a rollout: with progress, or the lack of it, and what the ReplicaSets were refused."""
    status = counted(deployment, new, every, now)
    listed: list[Object] = status.get("conditions") or []
    if deadline(deployment) is None:
        listed = conditions.without(listed, PROGRESSING)
    elif not _settled(deployment, status):
        listed = _judged(deployment, new, {**status, "conditions": listed}, now)
    failure = _failure(new, every)
    listed = conditions.without(listed, FAILURE) if failure is None else conditions.put(listed, failure)
    return {**status, "conditions": listed}


def _settled(deployment: Object, status: Object) -> bool:
    """No rollout is under way: whatever happens to pods now is no lack of progress."""
    known = progressing(status_of(deployment))
    done = known is not None and known.get("reason") == DONE
    return done and status.get("replicas", 0) == status.get("updatedReplicas", 0)


def complete(deployment: Object, status: Object) -> bool:
    size = wanted(deployment)
    keys = ("updatedReplicas", "replicas", "availableReplicas")
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return seen and all(status.get(key, 0) == size for key in keys)


def _moved(old: Object, new: Object) -> bool:
    def outdated(status: Object) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    keys = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return outdated(new) < outdated(old) or any(new.get(key, 0) > old.get(key, 0) for key in keys)


def _judged(deployment: Object, new: Object | None, status: Object, now: dt.datetime) -> list[Object]:
    """The conditions with Progressing as it is now."""
    stamp = timestamp(now)
    listed: list[Object] = status["conditions"]
    who = f'Deployment "{deployment["metadata"]["name"]}"'
    if new is not None:
        who = f'ReplicaSet "{new["metadata"]["name"]}"'
    if complete(deployment, status):
        made = conditions.make(PROGRESSING, "True", DONE, f"{who} has successfully progressed.", stamp)
        return conditions.put(listed, made)
    known = progressing(status_of(deployment))
    if _moved(status_of(deployment), status):
        made = conditions.make(PROGRESSING, "True", "ReplicaSetUpdated", f"{who} is progressing.", stamp)
        if known is not None and known["status"] == "True":
            made["lastTransitionTime"] = known["lastTransitionTime"]
        return [*conditions.without(listed, PROGRESSING), made]
    if time_left(deployment, status, now) == 0:
        made = conditions.make(PROGRESSING, "False", TIMED_OUT, f"{who} has timed out progressing.", stamp)
        return conditions.put(listed, made)
    return listed


def time_left(deployment: Object, status: Object, now: dt.datetime) -> float | None:
    """Seconds until the rollout counts as stuck; 0 when it does, None when nothing is to be expected."""
    seconds, known = deadline(deployment), progressing(status)
    if seconds is None or known is None or known.get("reason") == DONE or complete(deployment, status):
        return None
    if known.get("reason") == TIMED_OUT:
        return 0.0
    since = moment(known["lastUpdateTime"])
    # Stamps are whole seconds: stuck is what is past the deadline, not at it.
    left = (since + dt.timedelta(seconds=seconds) - now).total_seconds()
    return left + 1 if left >= 0 else 0.0


def _failure(new: Object | None, every: Sequence[Object]) -> Object | None:
    """The refusal that a ReplicaSet reports, of the new one before all others."""
    for one in [*([new] if new else []), *every]:
        found = conditions.find((one.get("status") or {}).get("conditions") or (), FAILURE)
        if found is not None:
            return {**found, "lastUpdateTime": found.get("lastTransitionTime")}
    return None
