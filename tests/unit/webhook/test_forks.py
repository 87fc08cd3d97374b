"""Who may begin a run with the conversation of another, and with which."""

from typing import Any

import pytest
from tests.unit.webhook.world import CONTROLLER, World, apply, review

INSTANCE = {"agents": {"default": {"model": "m1"}}}
MAY = ("alice", "get", "agentruns", "sympozium.ai", "ns", "source")
READ = ("alice", "get", "agentruns/log", "sympozium.ai", "ns", "source")


@pytest.fixture
def world() -> World:
    made = World()
    made.put("SympoziumInstance", "ns", "agent", INSTANCE)
    made.put("SympoziumInstance", "ns", "other", INSTANCE)
    source(made)
    made.rights |= {MAY, READ}
    return made


def source(world: World, uid: str = "uid-1", phase: str = "Succeeded", steps: int = 3) -> None:
    world.put("AgentRun", "ns", "source", {"instanceRef": "agent", "task": "look"}, uid=uid)
    world.objects["AgentRun", "ns", "source"]["status"] = {"phase": phase, "steps": steps}


def fork(step: int = 2, user: str = "alice", task: str = "look", instance: str = "agent", **more: Any) -> Any:
    written = {"runName": "source", "step": step, **more.pop("fork", {})}
    return review("AgentRun", user=user, instanceRef=instance, task=task, forkFrom=written, **more)


async def test_a_fork_is_pinned_to_the_run_that_its_author_may_read(world: World) -> None:
    request = fork(fork={"uid": "of somebody else"})
    answer = await world.admit(request)
    assert answer.allowed, answer.message
    written = request["request"]["object"]["spec"]["forkFrom"]
    assert written == {"runName": "source", "step": 2, "uid": "uid-1"}
    assert "parent" not in request["request"]["object"]["spec"]


async def test_who_may_not_read_the_source_learns_nothing_of_it(world: World) -> None:
    world.rights.clear()
    there = await world.admit(fork(step=99))
    del world.objects["AgentRun", "ns", "source"]
    gone = await world.admit(fork(step=99))
    assert (there.code, there.message) == (403, gone.message)
    assert "alice may not get agentruns source" in there.message


async def test_seeing_that_a_run_exists_is_not_reading_it(world: World) -> None:
    world.rights.remove(READ)
    assert "alice may not get agentruns/log source" in (await world.admit(fork())).message


async def test_who_forks_a_fork_may_read_all_that_it_goes_back_to(world: World) -> None:
    """What the first run said is not on the record of its fork, and would come to whoever forks that."""
    for name, forked in (("source", "middle"), ("middle", "first")):
        spec = {
            "instanceRef": "agent",
            "task": "look",
            "forkFrom": {"runName": forked, "step": 1, "uid": "u"},
        }
        world.put("AgentRun", "ns", name, spec, uid="uid-1")
        world.objects["AgentRun", "ns", name]["status"] = {"phase": "Failed", "steps": 3}
    for right in ((*MAY[:-1], "middle"), (*READ[:-1], "middle"), (*MAY[:-1], "first"), (*READ[:-1], "first")):
        answer = await world.admit(fork())
        assert answer.code == 403
        resource = right[2]
        assert (
            f"alice may not get {resource} {right[-1]}, with whose conversation source begins"
            in answer.message
        )
        world.rights.add(right)
    # The first one is gone by now: that is for the plan to say, which finds no conversation.
    assert (await world.admit(fork())).allowed


async def test_a_line_of_forks_without_end_is_followed_as_far_as_a_plan_follows_it(world: World) -> None:
    spec = {"instanceRef": "agent", "task": "look", "forkFrom": {"runName": "source", "step": 1, "uid": "u"}}
    world.put("AgentRun", "ns", "source", spec, uid="uid-1")
    world.objects["AgentRun", "ns", "source"]["status"] = {"phase": "Failed", "steps": 3}
    assert (await world.admit(fork())).allowed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step": 4}, "spec.forkFrom.step: AgentRun source has made 3 steps"),
        ({"step": 3}, "step 3 is the answer of AgentRun source: give another task"),
        ({"instance": "other"}, "AgentRun source is of instance agent: a fork is of the same"),
        ({"history": [{"role": "user", "content": "hi"}]}, "spec.history: a fork begins with what its source said"),
        ({"fork": {"runName": "nobody"}}, "AgentRun nobody is not in this namespace"),
    ],
)  # fmt: skip
async def test_what_no_fork_can_begin_with(world: World, changes: dict[str, Any], words: str) -> None:
    world.rights |= {(*MAY[:-1], "nobody"), (*READ[:-1], "nobody")}
    answer = await world.admit(fork(**changes))
    assert answer.code == 422
    assert words in answer.message


async def test_the_answer_of_a_run_is_gone_on_from_with_another_task(world: World) -> None:
    assert (await world.admit(fork(step=3, task="and now?"))).allowed


async def test_a_run_that_failed_is_gone_on_from_at_its_last_step(world: World) -> None:
    source(world, phase="Failed")
    assert (await world.admit(fork(step=3))).allowed


async def test_neither_the_controllers_nor_runs_fork(world: World) -> None:
    """What an agent has made is made by spawning, beneath it; by a fork it would leave its chain."""
    account = "system:serviceaccount:ns:r"
    for user in (CONTROLLER, account):
        world.rights |= {(user, *MAY[1:]), (user, *READ[1:])}
    assert "forks none" in (await world.admit(fork(user=CONTROLLER))).message
    # Nobody knows whose it is, then it is a run's, then a program's.
    assert (await world.admit(fork(user=account))).code == 403
    world.put("ServiceAccount", "ns", "r", labels={"sympozium.ai/run": "r"})
    assert (await world.admit(fork(user=account))).code == 403
    world.put("ServiceAccount", "ns", "r")
    assert (await world.admit(fork(user=account))).allowed


async def test_the_uid_is_what_the_webhook_wrote(world: World) -> None:
    request = fork()
    for operation in (await world.mutate(request)).patch:
        apply(request["request"]["object"], operation)
    source(world, uid="uid-2")
    answer = await world.validate(request)
    assert "spec.forkFrom.uid: is set from AgentRun source, to 'uid-2'" in answer.message


async def test_a_history_has_a_size_in_bytes(world: World) -> None:
    def said(count: int) -> Any:
        history = [{"role": "user", "content": "ä" * 65536}, {"role": "assistant", "content": "x" * count}]
        return review("AgentRun", instanceRef="agent", task="go on", history=history)

    assert (await world.admit(said(131072))).allowed
    answer = await world.admit(said(131073))
    assert answer.code == 422
    assert "spec.history: has 262145 bytes, 262144 at most" in answer.message
