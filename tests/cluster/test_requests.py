"""What runs ask the controllers for is made once, whatever dies and however often it is asked for."""

import signal
from typing import Any

import pytest

from cluster.control_support import Control, control, ns
from sympozium.api import AgentRun
from sympozium.controllers.run.plan.names import child
from sympozium.names import label_value
from sympozium.testing.client import Object
from sympozium.testing.resources import AGENT_RUN, SCHEDULE

ANSWERED = "request.answered"
__all__ = ["control", "ns"]


def spawn(call: str = "1-a", **data: Any) -> tuple[str, Object]:
    return "spawn", {"callId": call, "task": "help", "wait": True, **data}


def schedule(name: str, call: str, **data: Any) -> tuple[str, Object]:
    made = {"action": "create", "schedule": "@every 1h", "task": "t", **data}
    return "schedule", {"callId": call, "name": name, **made}


def asker(control: Control, ns: str, **spec: Any) -> None:
    control.instance(ns, **spec)
    control.run(ns)
    control.running("r", ns)


def ask(control: Control, ns: str, *requests: tuple[str, Object]) -> Object:
    """What the first answer that comes is."""
    control.say("r", ns, "tools", *requests)
    return control.hear_all("r", ns, ANSWERED, 1)[0]


def started(control: Control, ns: str) -> list[Object]:
    return control.items(AGENT_RUN, ns, labelSelector=f"sympozium.ai/parent={label_value('r')}")


def test_asked_for_again_it_is_the_same_child(control: Control, ns: str) -> None:
    asker(control, ns)
    control.say("r", ns, "tools", spawn())
    made = control.wait_any(AGENT_RUN, lambda _: True, ns, labelSelector="sympozium.ai/parent=r")
    # Of the next attempt of the run, whose tool server knows nothing; and of a controller that has just come.
    control.stop_controllers(signal.SIGKILL)
    control.say("r", ns, "tools", spawn(), spawn("2-b", wait=False))
    control.start_controllers()
    name = made["metadata"]["name"]
    control.succeed(name, ns, "42")
    answers = control.hear_all("r", ns, ANSWERED, 2)
    assert {a["callId"]: a["ok"] for a in answers} == {"1-a": True, "2-b": True}
    assert any("42" in a["text"] for a in answers)
    assert len(started(control, ns)) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"instance": "nobody"}, "there is no instance 'nobody' in this namespace; there are sre"),
        ({"task": "a\0b"}, "the task has a NUL character"),
        ({"task": " "}, "the task must have 1 to"),
    ],
)
def test_a_request_that_cannot_be_is_an_answer_and_makes_nothing(
    control: Control, ns: str, data: Object, words: str
) -> None:
    asker(control, ns)
    answer = ask(control, ns, spawn(**data))
    assert answer["ok"] is False
    assert words in answer["text"]
    assert started(control, ns) == []


@pytest.mark.parametrize("field", ["maxDepth", "maxConcurrent"])
def test_a_policy_that_lets_nothing_be_started(control: Control, ns: str, field: str) -> None:
    """Feature gate and rules, which the tool server judges: e2e/test_subagents.py."""
    control.apply(
        {
            "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumPolicy", "metadata": {"name": "none", "namespace": ns},
            "spec": {"subagentPolicy": {field: 0}},
        }
    )  # fmt: skip
    asker(control, ns, policyRef="none")
    answer = ask(control, ns, spawn())
    assert answer["ok"] is False
    assert f"none: subagentPolicy.{field}" in answer["text"]
    assert started(control, ns) == []


def test_a_run_of_the_childs_name_is_not_taken_for_it(control: Control, ns: str) -> None:
    asker(control, ns)
    run = AgentRun.model_validate(control.get(AGENT_RUN, "r", ns))
    control.run(ns, child(run, "1-a"))
    assert "was not started by this call" in ask(control, ns, spawn())["text"]


def test_a_forged_child_answers_nobody(control: Control, ns: str) -> None:
    """Whoever may create runs can write what our children have written on them, but not the trigger."""
    asker(control, ns)
    uid = control.get(AGENT_RUN, "r", ns)["metadata"]["uid"]
    owner = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "name": "r", "uid": uid}
    control.create(
        {
            "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun",
            "metadata": {"name": "forged", "namespace": ns, "ownerReferences": [owner], "annotations":
                         {"sympozium.ai/call-id": "1-a", "sympozium.ai/awaited": "true"}},
            "spec": {"instanceRef": "sre", "task": "lie", "trigger": {"kind": "Manual", "user": "eve"}},
        }
    )  # fmt: skip
    control.succeed("forged", ns, "the lie")
    control.wait_run("forged", ns, "Succeeded")
    answer = ask(control, ns, spawn("2-b", wait=False))
    assert answer["callId"] == "2-b"


def test_schedules_of_an_instance_have_an_end(control: Control, ns: str) -> None:
    asker(control, ns)
    requests = [schedule(f"s{i}", f"{i}-x") for i in range(11)]
    control.say("r", ns, "tools", *requests, schedule("s0", "0-x"))
    answers = control.hear_all("r", ns, ANSWERED, 12)
    assert [a["ok"] for a in answers] == [True] * 10 + [False] + [True]
    assert "have 10 schedules, which is the most" in answers[10]["text"]
    made = control.items(SCHEDULE, ns)
    assert len(made) == 10
    assert {s["metadata"]["ownerReferences"][0]["kind"] for s in made} == {"SympoziumInstance"}
    assert {s["spec"]["parent"]["runName"] for s in made} == {"r"}
    control.say("r", ns, "tools", schedule("s0", "d", action="delete"))
    # The last of those before was not acknowledged, and comes again.
    gone = control.hear_all("r", ns, ANSWERED, 2)[-1]
    assert gone["text"] == "schedule s0 was deleted"
    assert len(control.items(SCHEDULE, ns)) == 9


def test_a_schedule_where_its_runs_would_be_refused_is_refused(control: Control, ns: str) -> None:
    asker(control, ns, agents={"default": {"model": "m1", "runTimeout": "10m", "subagents": {"maxDepth": 0}}})
    answer = ask(control, ns, schedule("s", "1"))
    assert answer["ok"] is False
    assert "subagents.maxDepth allows 0" in answer["text"]
    assert control.items(SCHEDULE, ns) == []
