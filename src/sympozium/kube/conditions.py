"""Conditions in the status of plain objects (`metav1.Condition`).

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/condition/
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sympozium.kube.resources import Object


def condition(kind: str, status: bool | None, reason: str, message: str = "") -> Object:
    """A condition without times; `status` None is `Unknown`."""
    word = "Unknown" if status is None else "True" if status else "False"
    return {"type": kind, "status": word, "reason": reason, "message": message}


RECONCILING, STALLED = "Reconciling", "Stalled"
"""Abnormal-true conditions by which kstatus, and so Flux, Helm 4 and kubectl's successors, know an object's state:
https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""


def standing(good: bool, reason: str, message: str, *, final: bool = False) -> tuple[list[Object], list[str]]:
    """Conditions to set and types to drop: neither for what is as it should be, `Stalled` for what will not change
    by itself (`final`), `Reconciling` for what may.
    """
    if good:
        return [], [RECONCILING, STALLED]
    kind, other = (STALLED, RECONCILING) if final else (RECONCILING, STALLED)
    return [condition(kind, True, reason, message)], [other]


def merged(
    old: Sequence[Object], new: Sequence[Object], *, now: datetime, generation: int, drop: Sequence[str] = ()
) -> list[Object]:
    """The old conditions with the new ones set and the types of `drop` removed.

    `lastTransitionTime` moves only when `status` does; when nothing else differs the result equals `old`, so
    that a comparison tells whether there is anything to write.
    """
    result = [dict(item) for item in old if item["type"] not in drop]
    for item in new:
        kept = next((c for c in result if c["type"] == item["type"]), None)
        since = kept["lastTransitionTime"] if kept and kept["status"] == item["status"] else rfc3339(now)
        complete = {**item, "lastTransitionTime": since, "observedGeneration": generation}
        if kept is None:
            result.append(complete)
        else:
            result[result.index(kept)] = complete
    return result


def find(conditions: Sequence[Object] | None, kind: str) -> Object | None:
    return next((c for c in conditions or () if c["type"] == kind), None)


def is_true(conditions: Sequence[Object] | None, kind: str) -> bool:
    found = find(conditions, kind)
    return found is not None and found["status"] == "True"


def rfc3339(moment: datetime) -> str:
    """`2026-11-26T17:00:00Z`: seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """A `metav1.Time` or `MicroTime`, aware."""
    return datetime.fromisoformat(text)
