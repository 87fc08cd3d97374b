"""The status of a run, from everything that is known of it."""

import json
from typing import Any

import pytest

from sympozium.api.run import RunStatus
from sympozium.controllers.run.compose import Verdict, World, compose, deadline, ended
from sympozium.controllers.run.fold import Event, Progress, fold_all
from unit.controllers.make import NOON, after, job, pod, run, terminated, text, waiting

STARTED = [Event("run.started", {}, text(NOON)), Event("step.started", {"step": 2}, text(NOON)),
           Event("model.message", {"usage": {"inputTokens": 10, "outputTokens": 5}}, text(NOON))]  # fmt: skip
RUNNING = {"running": {}}


def progress(**result: Any) -> Progress:
    return fold_all([*STARTED, Event("run.result", result, text(after(60)))] if result else STARTED)


def judged(found: dict[str, Any] | None = None, **changes: Any) -> Verdict:
    world: dict[str, Any] = {
        "run": run(), "job": job(), "pods": [pod(agent=RUNNING)], "progress": progress(), "asked": [], "now": after(90),
    }  # fmt: skip
    verdict = compose(World(**{**world, **(found or {}), **changes}))
    # What is written must be what the schema takes.
    RunStatus.model_validate({key: value for key, value in verdict.status.items() if value is not None})
    return verdict


def conditions(verdict: Verdict) -> dict[str, str]:
    return {c["type"]: c["status"] for c in verdict.conditions}


def test_no_pod_yet_is_pending() -> None:
    verdict = judged(pods=[], progress=Progress())
    assert (verdict.status["phase"], verdict.status["reason"], verdict.look_after) == (
        "Pending",
        "Starting",
        None,
    )
    assert "steps" not in verdict.status


def test_an_agent_that_runs_is_running_with_its_numbers() -> None:
    status = judged().status
    assert (status["phase"], status["podName"], status["steps"]) == ("Running", "r-abcde", 2)
    assert status["startedAt"] == text(NOON)
    assert status["tokenUsage"]["totalTokens"] == 15


def test_a_call_that_waits_makes_the_run_wait_and_a_decision_lets_it_go_on() -> None:
    verdict = judged(asked=["execute_command"])
    assert verdict.status["phase"] == "AwaitingApproval"
    assert "execute_command" in verdict.conditions[0]["message"]
    told = {
        "type": "AwaitingApproval",
        "status": "True",
        "reason": "X",
        "message": "",
        "lastTransitionTime": text(NOON),
    }
    on = judged(run=run(status={"conditions": [told]}))
    assert (on.status["phase"], conditions(on)) == ("Running", {"AwaitingApproval": "False"})


def test_the_bus_alone_is_enough_to_know_of_a_waiting_call() -> None:
    waits = fold_all(
        [*STARTED, Event("tool.approval", {"callId": "c", "tool": "t", "state": "waiting"}, text(NOON))]
    )
    assert judged(progress=waits).status["phase"] == "AwaitingApproval"


def test_a_stuck_pod_is_pending_with_its_reason_and_fails_when_patience_ends() -> None:
    stuck = [pod(phase="Pending", agent=waiting("CreateContainerConfigError", "secret x not found"))]
    early = judged(pods=stuck, now=after(20))
    assert (early.status["phase"], early.status["reason"], early.look_after) == (
        "Pending",
        "ConfigError",
        100,
    )
    assert "secret x not found" in early.status["error"]
    late = judged(pods=stuck, now=after(121))
    assert (late.status["phase"], late.status["reason"]) == ("Failed", "ConfigError")
    assert late.status["completedAt"] == text(after(121))


def test_success_needs_the_result_and_the_job() -> None:
    done = [pod(agent=terminated(0))]
    result = progress(phase="Succeeded", reason="Completed", result="all well", steps=3)
    early = judged(pods=done, progress=result)
    assert early.status["phase"] == "Running"
    verdict = judged(pods=done, progress=result, job=job(("Complete", "x"), at=after(80)))
    status = verdict.status
    assert (status["phase"], status["reason"], status["result"], status["exitCode"]) == (
        "Succeeded", "Completed", "all well", 0,
    )  # fmt: skip
    assert status["tokenUsage"]["durationMs"] == 90_000
    assert conditions(verdict) == {"ResultReceived": "True", "Complete": "True", "Failed": "False"}


def test_a_finished_job_waits_for_the_result_but_not_forever() -> None:
    finished = {"job": job(("Complete", "x"), at=after(80)), "pods": [pod(agent=terminated(0))]}
    early = judged(finished, now=after(85))
    assert (early.status["phase"], early.status["reason"], early.look_after) == ("Running", "Finishing", 10)
    away = judged(finished, now=after(200), bus_connected=False)
    assert (away.status["reason"], away.look_after) == ("Finishing", 15)
    late = judged(finished, now=after(95))
    assert late.status["phase"] == "Succeeded"
    assert conditions(late)["ResultReceived"] == "False"


def test_without_the_bus_the_termination_message_has_to_do() -> None:
    said = json.dumps({"phase": "Failed", "reason": "ModelUnreachable", "result": "head"})
    verdict = judged(job=job(("Failed", "BackoffLimitExceeded")), pods=[pod(agent=terminated(1, said))])
    assert (verdict.status["phase"], verdict.status["reason"], verdict.status["result"]) == (
        "Failed", "ModelUnreachable", "head",
    )  # fmt: skip


def test_a_failed_result_keeps_its_reason_and_its_tokens() -> None:
    result = progress(phase="Failed", reason="StepLimit", error="50 steps", result="half")
    status = judged(progress=result, job=job(("Failed", "BackoffLimitExceeded"))).status
    assert (status["phase"], status["reason"], status["error"], status["result"]) == (
        "Failed", "StepLimit", "50 steps", "half",
    )  # fmt: skip
    assert status["tokenUsage"]["totalTokens"] == 15


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        ([pod(agent=terminated(137, reason="OOMKilled"))], "exit code 137 (OOMKilled)"),
        ([], "the pod is gone"),
    ],
)
def test_an_agent_that_died_without_a_word_is_lost(pods: list[Any], words: str) -> None:
    status = judged(pods=pods, job=job(("Failed", "BackoffLimitExceeded"))).status
    assert (status["phase"], status["reason"]) == ("Failed", "PodLost")
    assert words in status["error"]


def test_a_job_killed_for_its_time_is_a_timeout_whatever_was_said() -> None:
    verdict = judged(
        job=job(("Failed", "DeadlineExceeded")), progress=progress(phase="Succeeded", result="late")
    )
    assert (verdict.status["phase"], verdict.status["reason"]) == ("Failed", "Timeout")
    assert "10m" in verdict.status["error"]


def test_a_success_whose_job_failed_is_no_success() -> None:
    verdict = judged(
        job=job(("Failed", "PodFailurePolicy")), progress=progress(phase="Succeeded", result="x")
    )
    assert (verdict.status["phase"], verdict.status["reason"]) == ("Failed", "PodLost")


def test_cancelling_waits_for_the_pods() -> None:
    cancelled = run(cancel=True, status={"phase": "Running"})
    first = judged(run=cancelled)
    assert (first.status["phase"], first.status["reason"]) == ("Running", "Cancelling")
    assert conditions(first) == {"Cancelling": "True"}
    gone = judged(run=cancelled, pods=[])
    assert (gone.status["phase"], gone.status["reason"]) == ("Cancelled", "Cancelled")
    since = {
        "type": "Cancelling",
        "status": "True",
        "reason": "C",
        "message": "",
        "lastTransitionTime": text(NOON),
    }
    long = run(cancel=True, status={"phase": "Running", "conditions": [since]})
    assert judged(run=long, now=after(30)).look_after == 30
    assert judged(run=long, now=after(60)).status["phase"] == "Cancelled"


def test_an_end_without_a_pod() -> None:
    verdict = ended(run(), "Failed", "PlanFailed", error="no such pack", now=NOON)
    assert verdict.status == {
        "phase": "Failed", "reason": "PlanFailed", "error": "no such pack", "completedAt": text(NOON), "queue": None,
    }  # fmt: skip
    assert conditions(verdict) == {"Complete": "False", "Failed": "True"}


def test_the_job_outlives_the_agents_own_timeout() -> None:
    assert deadline(run(timeout="10m")) == 630
