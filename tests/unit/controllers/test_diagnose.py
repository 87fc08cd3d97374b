import json

import pytest

from sympozium.controllers.run import diagnose
from unit.controllers.make import NOON, after, job, pod, terminated, text, waiting


@pytest.mark.parametrize(
    ("word", "reason", "left"),
    [
        ("ErrImageNeverPull", "ImageUnavailable", 0),
        ("InvalidImageName", "ImageUnavailable", 0),
        ("ImagePullBackOff", "ImageUnavailable", 290),
        ("ErrImagePull", "ImageUnavailable", 290),
        ("CreateContainerConfigError", "ConfigError", 110),
        ("CreateContainerError", "SandboxUnavailable", 20),
        ("RunContainerError", "SandboxUnavailable", 20),
    ],
)
def test_a_container_that_cannot_start_is_named(word: str, reason: str, left: float) -> None:
    found = diagnose.stuck(
        pod(phase="Pending", tools={"running": {}}, agent=waiting(word, "why")), now=after(10)
    )
    assert found
    assert (found.reason, found.patience) == (reason, left)
    assert found.message == f"container agent: {word}: why"


def test_patience_ends_and_does_not_become_negative() -> None:
    stuck = pod(phase="Pending", agent=waiting("CreateContainerConfigError"))
    found = diagnose.stuck(stuck, now=after(1000))
    assert found
    assert found.patience == 0


def test_a_pod_that_no_node_takes() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    found = diagnose.stuck(pod(phase="Pending", conditions=[condition]), now=after(0))
    assert found
    assert (found.reason, found.message) == ("Unschedulable", "0/1 nodes")
    gated = {**condition, "reason": "SchedulingGated"}
    assert diagnose.stuck(pod(phase="Pending", conditions=[gated]), now=after(0)) is None


@pytest.mark.parametrize("word", ["ContainerCreating", "PodInitializing", "CrashLoopBackOff"])
def test_a_pod_on_its_way_is_not_stuck(word: str) -> None:
    assert diagnose.stuck(pod(phase="Pending", agent=waiting(word)), now=after(1000)) is None


def test_tools_that_crash_again_and_again_are_lost_also_while_the_agent_runs() -> None:
    crashing = {**waiting("CrashLoopBackOff"), "restarts": 3, "last": terminated(1, "no bus")}
    found = diagnose.stuck(pod(tools=crashing, agent={"running": {}}), now=after(0))
    assert found
    assert (found.reason, found.patience) == ("ToolServerLost", 0)
    assert "container tools ended 3 times, exit code 1: no bus" in found.message
    young = {**waiting("CrashLoopBackOff"), "restarts": 1}
    assert diagnose.stuck(pod(tools=young, agent={"running": {}}), now=after(0)) is None


def test_a_skill_that_crashes_is_no_reason_to_end_the_run() -> None:
    crashing = {**waiting("CrashLoopBackOff"), "restarts": 9}
    assert diagnose.stuck(pod(**{"skill-x": crashing, "agent": {"running": {}}}), now=after(0)) is None


def test_what_an_agent_left_is_read() -> None:
    said = json.dumps({"phase": "Failed", "reason": "StepLimit", "result": "half"})
    found = diagnose.termination(pod(agent=terminated(1, said)))
    assert found
    assert (found.exit_code, found.phase, found.why, found.result) == (1, "Failed", "StepLimit", "half")


@pytest.mark.parametrize("message", ["", "free words", "[1]", '{"phase": "Succ'])
def test_other_termination_messages_say_nothing(message: str) -> None:
    found = diagnose.termination(pod(agent=terminated(137, message, "OOMKilled")))
    assert found
    assert (found.exit_code, found.reason, found.phase) == (137, "OOMKilled", "")
    assert diagnose.termination(pod(agent={"running": {}})) is None


def test_the_end_of_a_job() -> None:
    assert diagnose.finished(job()) is None
    done = diagnose.finished(job(("SuccessCriteriaMet", "x"), ("Complete", "CompletionsReached")))
    assert done
    assert (done.ok, done.at) == (True, NOON)
    failed = diagnose.finished(job(("Failed", "DeadlineExceeded")))
    assert failed
    assert (failed.ok, failed.reason) == (False, "DeadlineExceeded")


def test_the_newest_pod_is_the_latest_attempt() -> None:
    old, new = pod(created=NOON), pod(created=after(9))
    assert diagnose.newest([new, old]) is new
    assert diagnose.newest([]) is None
    assert diagnose.started_at(new) == text(after(9))


def test_a_pod_that_was_lost_says_how() -> None:
    evicted = pod(phase="Failed")
    evicted["status"] |= {"reason": "Evicted", "message": "disk"}
    assert diagnose.lost(evicted) == "pod r-abcde failed: Evicted: disk"
    assert diagnose.lost(pod(phase="Failed")) is None
