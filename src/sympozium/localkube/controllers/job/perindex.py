"""backoffLimitPerIndex: how often each index has failed, which have failed for good, and successPolicy. Pure.

The count of an index is an annotation of its newest pod. So that it survives, the last failed pod of an
index keeps its finalizer, uncounted, until its replacement (with the count plus one) exists.
https://kubernetes.io/docs/concepts/workloads/controllers/job/#backoff-limit-per-index
"""

from collections.abc import Sequence

from sympozium.localkube.controllers.job import indexes
from sympozium.localkube.controllers.job.failurepolicy import judge
from sympozium.localkube.controllers.job.pods import active, failed, finish_time, index_of, tracked
from sympozium.localkube.types import Object

FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"


def per_index(job: Object) -> bool:
    return job["spec"].get("backoffLimitPerIndex") is not None


def _number(pod: Object, annotation: str) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isdecimal() else 0


def counts(pod: Object) -> tuple[int, int]:
    """(failures, ignored failures) of the pod's index before this pod."""
    return _number(pod, FAILURES), _number(pod, IGNORED)


def counts_after(job: Object, pod: Object) -> tuple[int, int]:
    """The counts with the failure of this pod."""
    failures, ignored = counts(pod)
    if judge(job["spec"].get("podFailurePolicy"), pod).action == "Ignore":
        return failures, ignored + 1
    return failures + 1, ignored


def annotations(failures: int, ignored: int) -> dict[str, str]:
    """What the next pod of an index carries."""
    return {FAILURES: str(failures), **({IGNORED: str(ignored)} if ignored else {})}


def _index(job: Object, pod: Object) -> int | None:
    index = index_of(pod)
    return index if index is not None and index < int(job["spec"].get("completions") or 0) else None


def failed_indexes(job: Object, pods: Sequence[Object], *, wait_for_end: bool) -> set[int]:
    """Those written down, and those whose uncounted pods have failed once too often, or by a rule FailIndex."""
    found = indexes.parse((job.get("status") or {}).get("failedIndexes") or "")
    limit = int(job["spec"]["backoffLimitPerIndex"])
    for pod in pods:
        index = _index(job, pod)
        if index is None or not tracked(pod) or not failed(pod, wait_for_end=wait_for_end):
            continue
        action = judge(job["spec"].get("podFailurePolicy"), pod).action
        if action == "FailIndex" or (action != "Ignore" and counts(pod)[0] >= limit):
            found.add(index)
    return found


def held(job: Object, pods: Sequence[Object], settled: set[int], *, wait_for_end: bool) -> dict[int, Object]:
    """By index, the failed pod that waits for its replacement; `settled` are indexes that get none."""
    running = {index for pod in pods if active(pod) and (index := _index(job, pod)) is not None}
    found: dict[int, Object] = {}
    for pod in pods:
        index = _index(job, pod)
        if index is None or index in settled or index in running:
            continue
        if not tracked(pod) or not failed(pod, wait_for_end=wait_for_end):
            continue
        known = found.get(index)
        if known is None or (sum(counts(known)), finish_time(known)) <= (sum(counts(pod)), finish_time(pod)):
            found[index] = pod
    return found


def success(job: Object, completed: set[int]) -> str:
    """The message of the first rule of successPolicy that is met, or ""."""
    for place, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        wanted, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        if wanted is not None:
            needed = indexes.parse(wanted)
            have = len(needed & completed)
            met = bool(needed) and (have == len(needed) or (count is not None and have >= count))
        else:
            met = bool(completed) and count is not None and len(completed) >= count
        if met:
            return f"Matched rules at index {place}"
    return ""
