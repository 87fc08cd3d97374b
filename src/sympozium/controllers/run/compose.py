"""The status of a run that has a Job, from everything that is known of it. Pure.

    Job finished   ──► Succeeded | Failed          once the result is here, or was waited for long enough
    pod is stuck   ──► Pending with the reason, and Failed when its patience ends
    call waits     ──► AwaitingApproval
    agent runs     ──► Running
    otherwise      ──► Pending

`Verdict.stop` says that the Job must be stopped because the run has ended without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sympozium import durations
from sympozium.api.base import Object
from sympozium.api.run import AgentRun
from sympozium.controllers.run import diagnose
from sympozium.controllers.run.diagnose import Finished, Termination
from sympozium.controllers.run.fold import Outcome, Progress
from sympozium.kube.conditions import condition, parse_time, rfc3339

RESULT_PATIENCE: Final = 15.0
"""Seconds that a finished Job waits for the result to come through the bus."""
OUTAGE_PATIENCE: Final = 300.0
"""The same while the bus cannot be reached."""
CANCEL_PATIENCE: Final = 60.0
"""Seconds that the pods of a cancelled run may take to end."""
KILL_AFTER: Final = 30.0
"""Seconds beyond a run's timeout after which its Job is killed: the agent ends itself before."""
_REASON: Final = "Completed"


@dataclass(frozen=True, slots=True)
class World:
    """What a run's status depends on. `asked` has the tools of calls that wait for a person."""

    run: AgentRun
    job: Object
    pods: Sequence[Object]
    progress: Progress
    asked: Sequence[str]
    now: datetime
    bus_connected: bool = True
    refused: str = ""
    """In words, why the policy as it is now does not let the run go on."""
    held: bool = False
    """Whether no call and no step begins, as the tool server said."""


@dataclass(slots=True)
class Verdict:
    """Fields of the status to set, conditions to set, and when to look again."""

    status: Object = field(default_factory=dict)
    conditions: list[Object] = field(default_factory=list)
    look_after: float | None = None


def compose(world: World) -> Verdict:
    """Everything but the fields that planning set. A terminal phase must not be given to this function."""
    pod = diagnose.newest(world.pods)
    verdict = Verdict(_facts(world, pod))
    job_end = diagnose.finished(world.job)
    if world.run.spec.cancel:
        return _cancelling(world, verdict, job_end)
    if job_end is not None:
        return _finished(world, verdict, pod, job_end)
    if world.refused:
        return _end(world, verdict, "Failed", "PolicyChanged", error=world.refused)
    stuck = diagnose.stuck(pod, now=world.now) if pod else None
    if stuck is not None and stuck.patience <= 0:
        return _end(world, verdict, "Failed", stuck.reason, error=stuck.message)
    if stuck is not None:
        verdict.look_after = stuck.patience
        verdict.status |= {"phase": "Pending", "reason": stuck.reason, "error": stuck.message}
    elif pod is not None and diagnose.is_running(pod):
        _running(world, verdict)
    else:
        verdict.status |= {"phase": "Pending", "reason": "Starting", "error": None}
    return verdict


def ended(
    run: AgentRun, phase: str, reason: str, *, error: str | None, now: datetime, status: Object | None = None
) -> Verdict:
    """A terminal status; also for runs that never had a Job."""
    verdict = Verdict(dict(status or {}))
    verdict.status |= {"phase": phase, "reason": reason, "completedAt": rfc3339(now), "queue": None}
    verdict.status["error"] = error
    if (
        started := verdict.status.get("startedAt") or run.status.started_at
    ) and "tokenUsage" in verdict.status:
        spent = (now - parse_time(started)).total_seconds()
        verdict.status["tokenUsage"]["durationMs"] = max(int(spent * 1000), 0)
    good = phase == "Succeeded"
    message = error or f"the run has ended: {reason}"
    verdict.conditions += [
        condition("Complete", good, reason, message),
        condition("Failed", not good, reason, message),
    ]
    return verdict


def deadline(run: AgentRun) -> int:
    """Seconds after which the Job is killed (`activeDeadlineSeconds`)."""
    assert run.spec.timeout, "the run was filled before it was planned"
    return int(durations.parse(run.spec.timeout) + KILL_AFTER)


def _facts(world: World, pod: Object | None) -> Object:
    """Numbers and names, whatever the phase."""
    progress = world.progress
    facts: Object = {"jobName": world.job["metadata"]["name"]}
    if applied := progress.applied:
        facts["policy"] = {
            "name": applied.name,
            "generation": applied.generation,
            "digest": applied.digest,
        }
    if pod is not None:
        facts["podName"] = pod["metadata"]["name"]
        if started := progress.started_at or diagnose.started_at(pod):
            facts["startedAt"] = rfc3339(parse_time(started))
        if end := diagnose.termination(pod):
            facts["exitCode"] = end.exit_code
    if progress.version:
        usage = progress.usage
        facts["steps"] = progress.steps
        facts["tokenUsage"] = {
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.input_tokens + usage.output_tokens,
            "toolCalls": progress.tool_calls,
            "durationMs": 0,
        }
    return facts


def _running(world: World, verdict: Verdict) -> None:
    # The requests know the tool; the events know of a call before its request is there.
    asked = sorted(set(world.asked) or set(world.progress.waiting.values()))
    if asked:
        words = f"waits for a person to decide about {', '.join(asked)}"
        verdict.status |= {"phase": "AwaitingApproval", "reason": "ApprovalPending", "error": None}
        verdict.conditions.append(condition("AwaitingApproval", True, "ApprovalPending", words))
        return
    verdict.status |= {"phase": "Running", "reason": "Frozen" if world.held else "Running", "error": None}
    if any(c.type == "AwaitingApproval" for c in world.run.status.conditions):
        verdict.conditions.append(
            condition("AwaitingApproval", False, "Decided", "no call waits for a person")
        )


def _cancelling(world: World, verdict: Verdict, job_end: Finished | None) -> Verdict:
    """Ends when no pod is left, or when that took too long. The controller has stopped the Job."""
    alive = [p for p in world.pods if (p.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    since = next(
        (c.last_transition_time for c in world.run.status.conditions if c.type == "Cancelling"), None
    )
    waited = (world.now - parse_time(since)).total_seconds() if since else 0.0
    if (alive and job_end is None) and waited < CANCEL_PATIENCE:
        verdict.look_after = CANCEL_PATIENCE - waited
        verdict.conditions.append(condition("Cancelling", True, "Cancelled", "the pod is being stopped"))
        verdict.status |= {
            "phase": world.run.status.phase or "Pending",
            "reason": "Cancelling",
            "error": None,
        }
        return verdict
    return _end(world, verdict, "Cancelled", "Cancelled", error="cancelled by spec.cancel")


def _finished(world: World, verdict: Verdict, pod: Object | None, job_end: Finished) -> Verdict:
    end = diagnose.termination(pod) if pod else None
    outcome = world.progress.outcome
    if not job_end.ok and job_end.reason == "DeadlineExceeded":
        limit = world.run.spec.timeout
        return _end(world, verdict, "Failed", "Timeout", error=f"not finished within its timeout of {limit}")
    if outcome is None:
        waited = (world.now - job_end.at).total_seconds()
        patience = RESULT_PATIENCE if world.bus_connected else OUTAGE_PATIENCE
        if waited < patience:
            verdict.look_after = min(patience - waited, RESULT_PATIENCE)
            phase = world.run.status.phase
            verdict.status |= {
                "phase": "Running" if phase in (None, "Queued") else phase,
                "reason": "Finishing",
            }
            return verdict
        return _without_result(world, verdict, pod, end, job_end)
    verdict.conditions.append(
        condition("ResultReceived", True, "Received", "the result came through the bus")
    )
    return _with_result(world, verdict, outcome, job_end)


def _with_result(world: World, verdict: Verdict, outcome: Outcome, job_end: Finished) -> Verdict:
    verdict.status["result"] = outcome.result or None
    if outcome.phase == "Succeeded" and job_end.ok:
        return _end(world, verdict, "Succeeded", outcome.reason or _REASON)
    reason = outcome.reason if outcome.phase == "Failed" else ""
    error = outcome.error or f"the Job failed: {job_end.reason}: {job_end.message}"
    phase = "Cancelled" if reason == "Cancelled" and world.run.spec.cancel else "Failed"
    return _end(world, verdict, phase, reason or "PodLost", error=error)


def _without_result(
    world: World, verdict: Verdict, pod: Object | None, end: Termination | None, job_end: Finished
) -> Verdict:
    """The bus brought no result: what the kubelet kept has to do, and the status says so."""
    words = f"no result came through the bus within {RESULT_PATIENCE:.0f} s"
    verdict.conditions.append(
        condition("ResultReceived", False, "TerminationMessage" if end else "NoPod", words)
    )
    if end and end.result:
        verdict.status["result"] = end.result
    if job_end.ok:
        return _end(world, verdict, "Succeeded", (end and end.why) or _REASON)
    if end and end.why:
        return _end(world, verdict, "Failed", end.why, error=f"{words}; the agent ended with {end.exit_code}")
    gone = diagnose.lost(pod) if pod else "the pod is gone"
    how = (
        f"the agent ended with exit code {end.exit_code} ({end.reason})"
        if end
        else "the agent left no exit code"
    )
    return _end(world, verdict, "Failed", "PodLost", error="; ".join(w for w in (gone, how, words) if w))


def _end(world: World, verdict: Verdict, phase: str, reason: str, *, error: str | None = None) -> Verdict:
    final = ended(world.run, phase, reason, error=error, now=world.now, status=verdict.status)
    final.conditions = [*verdict.conditions, *final.conditions]
    if any(c.type == "AwaitingApproval" for c in world.run.status.conditions):
        final.conditions.append(condition("AwaitingApproval", False, "Ended", "the run has ended"))
    if any(c.type == "Frozen" for c in world.run.status.conditions):
        final.conditions.append(condition("Frozen", False, "Ended", "the run has ended"))
    return final
