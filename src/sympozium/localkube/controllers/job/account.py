"""Terminal pods into counters, each exactly once, whenever we are killed.

    pod ends ─► its uid into status.uncountedTerminatedPods      (stored)
             ─► our finalizer off the pod                        (stored)
             ─► counter + 1 and the uid out of the list          (stored, one write)

A pod cannot vanish before the second step, and a uid in the list without a pod that still has our
finalizer has passed it: so each of the three may be repeated after a crash and nothing is counted
twice or never. Successes of an Indexed Job need no list: an index is in `completedIndexes` or it is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sympozium.localkube.controllers.job import indexes, perindex
from sympozium.localkube.controllers.job.failurepolicy import Verdict, judge
from sympozium.localkube.controllers.job.pods import failed, index_of, phase, tracked
from sympozium.localkube.types import Object


@dataclass(slots=True)
class Account:
    """Counters as they are after this step.

    `release` are the pods whose finalizer may go once this state is stored; `verdict` is the first FailJob.
    """

    succeeded: int
    failed: int
    uncounted_succeeded: list[str]
    uncounted_failed: list[str]
    completed: set[int]
    release: list[Object] = field(default_factory=list)
    verdict: Verdict | None = None
    failed_indexes: set[int] = field(default_factory=set)
    held: dict[int, Object] = field(default_factory=dict)
    """With a limit for each index: failed pods that are counted when their replacement is there."""

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.uncounted_failed)

    @property
    def all_succeeded(self) -> int:
        return self.succeeded + len(self.uncounted_succeeded)

    @property
    def settled(self) -> bool:
        """Nothing is on its way into the counters."""
        return not (self.uncounted_succeeded or self.uncounted_failed or self.release)


def indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def waits_for_end(job: Object) -> bool:
    """Whether a pod that is being deleted is only replaced and counted when it has ended."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or bool(spec.get("podFailurePolicy"))


def account(job: Object, pods: Sequence[Object]) -> Account:
    """The next state of the counters for all pods that the Job owns."""
    status = job.get("status") or {}
    uncounted = status.get("uncountedTerminatedPods") or {}
    live = {pod["metadata"]["uid"] for pod in pods if tracked(pod)}
    succeeded = list(uncounted.get("succeeded") or ())
    failures = list(uncounted.get("failed") or ())
    state = Account(
        succeeded=int(status.get("succeeded") or 0) + sum(uid not in live for uid in succeeded),
        failed=int(status.get("failed") or 0) + sum(uid not in live for uid in failures),
        uncounted_succeeded=[uid for uid in succeeded if uid in live],
        uncounted_failed=[uid for uid in failures if uid in live],
        completed=indexes.parse(status.get("completedIndexes") or ""),
    )
    if perindex.per_index(job):
        _per_index(job, pods, state)
    waiting = {pod["metadata"]["uid"] for pod in state.held.values()}
    for pod in pods:
        if tracked(pod) and pod["metadata"]["uid"] not in waiting:
            _add(job, pod, state)
    if indexed(job):
        state.succeeded = len(state.completed)
    return state


def _per_index(job: Object, pods: Sequence[Object], state: Account) -> None:
    wait = waits_for_end(job)
    state.failed_indexes = perindex.failed_indexes(job, pods, wait_for_end=wait)
    ended = any(c["status"] == "True" and c["type"] in _ENDS for c in _conditions(job))
    if ended or job["metadata"].get("deletionTimestamp") or job["spec"].get("suspend"):
        return  # nothing is replaced any more: all are counted
    settled = state.completed | state.failed_indexes | _successes(pods)
    state.held = perindex.held(job, pods, settled, wait_for_end=wait)
    for pod in list(state.held.values()):
        # A rule that fails the whole Job needs its pod now.
        if judge(job["spec"].get("podFailurePolicy"), pod).action == "FailJob":
            state.held.clear()
            return


_ENDS = {"SuccessCriteriaMet", "FailureTarget", "Complete", "Failed"}


def _conditions(job: Object) -> list[Object]:
    return (job.get("status") or {}).get("conditions") or []


def _successes(pods: Sequence[Object]) -> set[int]:
    ended = [pod for pod in pods if tracked(pod) and phase(pod) == "Succeeded"]
    return {index for pod in ended if (index := index_of(pod)) is not None}


def _add(job: Object, pod: Object, state: Account) -> None:
    uid = pod["metadata"]["uid"]
    if uid in state.uncounted_succeeded or uid in state.uncounted_failed:
        state.release.append(pod)
    elif phase(pod) == "Succeeded":
        _success(job, pod, state)
        state.release.append(pod)
    elif failed(pod, wait_for_end=waits_for_end(job)):
        verdict = judge(job["spec"].get("podFailurePolicy"), pod)
        if verdict.action == "FailJob" and state.verdict is None:
            state.verdict = verdict
        if verdict.action != "Ignore":
            state.uncounted_failed.append(uid)
        state.release.append(pod)


def _success(job: Object, pod: Object, state: Account) -> None:
    if not indexed(job):
        state.uncounted_succeeded.append(pod["metadata"]["uid"])
        return
    index = index_of(pod)
    if index is not None and index < int(job["spec"].get("completions") or 0):
        state.completed.add(index)
