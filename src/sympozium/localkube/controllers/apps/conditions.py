"""Lists of conditions, on values: one of each type, the one that was set last at the end."""

from collections.abc import Iterable

from sympozium.localkube.types import Object


def find(conditions: Iterable[Object], kind: str) -> Object | None:
    return next((c for c in conditions if c["type"] == kind), None)


def without(conditions: Iterable[Object], kind: str) -> list[Object]:
    return [c for c in conditions if c["type"] != kind]


def put(conditions: list[Object], made: Object) -> list[Object]:
    """Nothing changes when status and reason are the same; the time of the transition stays with the status."""
    old = find(conditions, made["type"])
    if old is not None and old["status"] == made["status"]:
        if old.get("reason") == made.get("reason"):
            return conditions
        made = {**made, "lastTransitionTime": old.get("lastTransitionTime", made["lastTransitionTime"])}
    return [*without(conditions, made["type"]), made]


def make(kind: str, status: str, reason: str, message: str, stamp: str) -> Object:
    """A condition of a Deployment."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
    }
