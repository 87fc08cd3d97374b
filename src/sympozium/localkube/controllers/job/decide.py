"""One step of a Job: (job, its pods, now) -> what to do. Pure.

The caller writes `status` first when there is one, and asks again with the stored Job; only a step that
changes no status touches pods. So what pods are acted on follows from a state that is on disk, and
being killed between any two requests repeats a step at most.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from sympozium.localkube.controllers.job import indexes, perindex
from sympozium.localkube.controllers.job.account import Account, account, indexed, waits_for_end
from sympozium.localkube.controllers.job.pods import (
    active,
    expendable_first,
    finish_time,
    index_of,
    parse_time,
    phase,
    ready,
    restarts,
    terminal,
    terminating,
    tracked,
)
from sympozium.localkube.types import Object

BACKOFF = 10.0
BACKOFF_LIMIT = 600.0
BATCH = 100
"""Pods made in one step, so that a Job with a typo in its parallelism can still be stopped."""
REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")


@dataclass(slots=True)
class Plan:
    """`status` is None when it is right already; the lists are empty unless it is.

    `release`: take our finalizer off. `create`: one pod for each (None, or a completion index).
    `delete`: stop; it counts as failed. `discard`: stop, and it counts as nothing. `again`: look
    again after that many seconds at the latest. `events`: (type, reason, message), to be recorded when
    the status was written.
    """

    status: Object | None = None
    release: list[Object] = field(default_factory=list)
    create: list[int | None] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    discard: list[Object] = field(default_factory=list)
    again: float | None = None
    events: list[tuple[str, str, str]] = field(default_factory=list)
    failures: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By index to create: its failures and ignored failures so far (backoffLimitPerIndex)."""


def condition(job: Object, kind: str) -> Object | None:
    """The condition of that type if it is True."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def finished(job: Object) -> bool:
    return condition(job, "Complete") is not None or condition(job, "Failed") is not None


def decide(job: Object, pods: Sequence[Object], now: dt.datetime) -> Plan:
    """The next step of a Job. `pods` are all that it controls, `now` is in UTC."""
    if finished(job):
        return Plan(release=[pod for pod in pods if tracked(pod) and terminal(pod)])
    step = _Step(job, pods, now)
    step.conditions()
    status = step.status()
    if _substance(status) != _substance(job.get("status") or {}):
        return Plan(status=status, events=step.events)
    step.pods_to_change()
    step.plan.release = step.state.release
    return step.plan


def _substance(status: Object) -> Object:
    """Without zeros and empty maps: a server may store them or leave them out."""
    parts = {key: _substance(value) if isinstance(value, dict) else value for key, value in status.items()}
    return {key: value for key, value in parts.items() if value not in (None, 0, "", [], {})}


class _Step:
    """The working state of one decision."""

    def __init__(self, job: Object, pods: Sequence[Object], now: dt.datetime) -> None:
        self.job = job
        self.spec: Object = job["spec"]
        self.pods = pods
        self.now = now
        self.state: Account = account(job, pods)
        self.active = [pod for pod in pods if active(pod)]
        self.terminating = [pod for pod in pods if terminating(pod)]
        self.plan = Plan()
        self.events: list[tuple[str, str, str]] = []
        old = job.get("status") or {}
        self.list: list[Object] = [dict(c) for c in old.get("conditions") or ()]
        self.start: str | None = old.get("startTime")
        self.completion: str | None = None
        self.stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.deleted = bool(job["metadata"].get("deletionTimestamp"))

    # -- conditions ----------------------------------------------------------------------------

    def conditions(self) -> None:
        self._suspension()
        target = self._target()
        if target is None:
            target = self._new_target()
        if target is not None and self._at_rest():
            final = "Complete" if target["type"] == "SuccessCriteriaMet" else "Failed"
            self._set(final, "True", target["reason"], target["message"])
            if final == "Complete":
                self.completion = self.stamp
                self.events.append(("Normal", "Completed", "Job completed"))
            else:
                self.events.append(("Warning", target["reason"], target["message"]))

    def _target(self) -> Object | None:
        kinds = {"SuccessCriteriaMet", "FailureTarget"}
        return next((c for c in self.list if c["type"] in kinds and c["status"] == "True"), None)

    def _suspension(self) -> None:
        """Also starts the clock of a Job that is not suspended."""
        suspended = any(c["type"] == "Suspended" and c["status"] == "True" for c in self.list)
        if self.spec.get("suspend"):
            if self._target() is None:
                self.start = None
                if not suspended:
                    self._set("Suspended", "True", "JobSuspended", "Job suspended")
                    self.events.append(("Normal", "Suspended", "Job suspended"))
            return
        if suspended:
            self._set("Suspended", "False", "JobResumed", "Job resumed")
            self.events.append(("Normal", "Resumed", "Job resumed"))
            self.start = None
        if self.start is None:
            self.start = self.stamp

    def _new_target(self) -> Object | None:
        if self.deleted:
            return None
        failure = self._failure()
        if failure is not None:
            return self._set("FailureTarget", "True", *failure)
        met = perindex.success(self.job, self.state.completed)
        if met:
            return self._set("SuccessCriteriaMet", "True", "SuccessPolicy", met)
        if self._complete():
            return self._set("SuccessCriteriaMet", "True", *REACHED)
        return None

    def _failure(self) -> tuple[str, str] | None:
        if self.state.verdict is not None:
            return "PodFailurePolicy", self.state.verdict.message
        limit = int(self.spec.get("backoffLimit", 6))
        again = restarts(self.pods) if self._restart_policy() == "OnFailure" else 0
        too_often = again > 0 if limit == 0 else again >= limit
        if self.state.all_failed > limit or too_often:
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        left = self._deadline()
        if left is not None and left <= 0:
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        return self._failed_indexes()

    def _failed_indexes(self) -> tuple[str, str] | None:
        if not perindex.per_index(self.job):
            return None
        failed, most = len(self.state.failed_indexes), self.spec.get("maxFailedIndexes")
        if most is not None and failed > int(most):
            text = "Job has exceeded the specified maximal number of failed indexes"
            return "MaxFailedIndexesExceeded", text
        if failed and failed + len(self.state.completed) >= int(self.spec.get("completions") or 0):
            return "FailedIndexes", "Job has failed indexes"
        return None

    def _restart_policy(self) -> str:
        return str(self.spec["template"]["spec"].get("restartPolicy", ""))

    def _deadline(self) -> float | None:
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is None or self.start is None:
            return None
        return float(seconds - (self.now - parse_time(self.start)).total_seconds())

    def _complete(self) -> bool:
        if self.active:
            return False
        completions = self.spec.get("completions")
        if indexed(self.job):
            return len(self.state.completed) >= int(completions or 0)
        if completions is None:
            return self.state.all_succeeded > 0
        return self.state.all_succeeded >= int(completions)

    def _at_rest(self) -> bool:
        """All pods have ended and are counted: the counters will not change any more."""
        return self.state.settled and not self.active and not self.terminating

    def _set(self, kind: str, value: str, reason: str, message: str) -> Object:
        made = {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": message,
            "lastProbeTime": self.stamp,
            "lastTransitionTime": self.stamp,
        }
        for index, old in enumerate(self.list):
            if old["type"] == kind:
                self.list[index] = made
                return made
        self.list.append(made)
        return made

    # -- status --------------------------------------------------------------------------------

    def status(self) -> Object:
        """The whole status; zero counters are left out, as in Kubernetes."""
        old, state = self.job.get("status") or {}, self.state
        uncounted: Object = {}
        if state.uncounted_succeeded:
            uncounted["succeeded"] = state.uncounted_succeeded
        if state.uncounted_failed:
            uncounted["failed"] = state.uncounted_failed
        done = {
            "conditions",
            "startTime",
            "completionTime",
            "active",
            "succeeded",
            "failed",
            "completedIndexes",
            "failedIndexes",
        }
        status = {key: value for key, value in old.items() if key not in done}
        status |= {
            "ready": sum(ready(pod) for pod in self.active),
            "terminating": len(self.terminating),
            "uncountedTerminatedPods": uncounted,
        }
        optional = {
            "conditions": self.list,
            "startTime": self.start,
            "completionTime": self.completion or old.get("completionTime"),
            "active": len(self.active),
            "succeeded": state.succeeded,
            "failed": state.failed,
            "completedIndexes": indexes.render(state.completed) if indexed(self.job) else "",
        }
        if perindex.per_index(self.job):
            status["failedIndexes"] = indexes.render(state.failed_indexes)
        return status | {key: value for key, value in optional.items() if value}

    # -- pods ----------------------------------------------------------------------------------

    def pods_to_change(self) -> None:
        if self._target() is not None:
            self.plan.delete = self.active
            return
        if self.deleted:
            return  # the garbage collector deletes the pods; they are only counted
        if self.spec.get("suspend"):
            self.plan.discard = self.active
            return
        self.plan.again = self._deadline()
        if indexed(self.job):
            self._indexed()
        else:
            self._counted()

    def _counted(self) -> None:
        parallelism = self._parallelism()
        completions = self.spec.get("completions")
        if completions is None:
            want = len(self.active) if self.state.all_succeeded else parallelism
            want = min(want, parallelism)
        else:
            want = min(parallelism, max(0, int(completions) - self.state.all_succeeded))
        surplus = len(self.active) - want
        if surplus > 0:
            self.plan.discard = sorted(self.active, key=expendable_first)[:surplus]
            return
        missing = want - len(self.active) - self._occupied()
        self._create([None] * missing)

    def _indexed(self) -> None:
        completions = int(self.spec.get("completions") or 0)
        taken: set[int] = set()
        kept = []
        for pod in sorted(self.active, key=expendable_first, reverse=True):
            index = index_of(pod)
            done = self.state.completed | self.state.failed_indexes | taken
            if index is None or index >= completions or index in done:
                self.plan.discard.append(pod)
            else:
                taken.add(index)
                kept.append(pod)
        if waits_for_end(self.job):
            taken |= {index for pod in self.terminating if (index := index_of(pod)) is not None}
        taken |= self.state.completed | self.state.failed_indexes
        free = [index for index in range(completions) if index not in taken]
        room = self._parallelism() - len(kept) - self._occupied()
        if room < 0:
            self.plan.discard += sorted(kept, key=expendable_first)[:-room]
        elif not self.plan.discard:
            if perindex.per_index(self.job):
                free = self._rested(free)
            self._create(list(free[:room]))

    def _rested(self, free: list[int]) -> list[int]:
        """The indexes whose back-off is over; each has a clock of its own."""
        rested = []
        for index in free:
            pod = self.state.held.get(index)
            if pod is None:
                rested.append(index)
                continue
            failures = sum(perindex.counts_after(self.job, pod))
            delay = min(BACKOFF * 2.0 ** min(failures - 1, 10), BACKOFF_LIMIT)
            left = delay - (self.now - finish_time(pod)).total_seconds()
            if left > 0:
                self.plan.again = left if self.plan.again is None else min(left, self.plan.again)
            else:
                self.plan.failures[index] = perindex.counts_after(self.job, pod)
                rested.append(index)
        return rested

    def _parallelism(self) -> int:
        given = self.spec.get("parallelism")
        return 1 if given is None else int(given)

    def _occupied(self) -> int:
        """Places that are held by pods on their way out."""
        return len(self.terminating) if waits_for_end(self.job) else 0

    def _create(self, wanted: Sequence[int | None]) -> None:
        if not wanted:
            return
        wait = 0.0 if perindex.per_index(self.job) else self._backoff()
        if wait > 0:
            self.plan.again = wait if self.plan.again is None else min(wait, self.plan.again)
            return
        self.plan.create = list(wanted[:BATCH])

    def _backoff(self) -> float:
        """Seconds until the next pod may be made: 10 s doubled with each failure since the last success."""
        ended = sorted((finish_time(pod), phase(pod) == "Succeeded") for pod in self.pods if terminal(pod))
        failures = 0
        for _, success in reversed(ended):
            if success:
                break
            failures += 1
        if not failures:
            return 0.0
        delay = min(BACKOFF * 2.0 ** min(failures - 1, 10), BACKOFF_LIMIT)
        return delay - (self.now - ended[-1][0]).total_seconds()
