"""A run that names a parent inherits from it, whoever says so and whatever else they say."""

import pytest
from tests.unit.webhook.world import CONTROLLER, World, apply, review

INSTANCE = {"agents": {"default": {"model": "m1"}}}
NARROW = {"allow": ["read_*"]}


@pytest.fixture
def world() -> World:
    made = World()
    made.put("SympoziumPolicy", "ns", "tight", {"toolGating": {"defaultAction": "deny"}})
    made.put("SympoziumPolicy", "ns", "loose", {"toolGating": {"defaultAction": "allow"}})
    made.put("SympoziumInstance", "ns", "top", {**INSTANCE, "policyRef": "tight", "toolPolicy": NARROW})
    made.put("SympoziumInstance", "ns", "sub", {**INSTANCE, "policyRef": "loose"})
    parent(made)
    return made


def parent(world: World, **spec) -> None:
    filled = {"instanceRef": "top", "task": "t", "sessionKey": "top:boss", "agentId": "default", **spec}
    world.put("AgentRun", "ns", "boss", filled)


def child(user: str = "alice", labels=None, **parent_fields):
    fields = {"runName": "boss", **parent_fields}
    return review("AgentRun", user=user, labels=labels, instanceRef="sub", task="t", parent=fields)


async def test_depth_policies_and_tool_policies_are_those_of_the_parent(world: World) -> None:
    request = child()
    answer = await world.admit(request)
    assert answer.allowed, answer.message
    assert request["request"]["object"]["spec"]["parent"] == {
        "runName": "boss",
        "sessionKey": "top:boss",
        "spawnDepth": 1,
        "policies": [{"namespace": "ns", "name": "tight"}],
        "toolPolicies": [{"allow": ["read_*"]}],
    }


async def test_a_grandchild_inherits_from_all_above(world: World) -> None:
    above = {
        "runName": "root", "sessionKey": "s", "spawnDepth": 1,
        "policies": [{"namespace": "ns", "name": "tight"}, {"namespace": "ns", "name": "loose"}],
        "toolPolicies": [{"deny": ["fetch_url"]}],
    }  # fmt: skip
    parent(world, parent=above, toolPolicy={"deny": ["write_*"]})
    request = child()
    assert (await world.admit(request)).allowed
    written = request["request"]["object"]["spec"]["parent"]
    assert written["spawnDepth"] == 2
    assert [key["name"] for key in written["policies"]] == ["tight", "loose"]
    assert written["toolPolicies"] == [
        {"allow": ["read_*"]},
        {"deny": ["write_*"]},
        {"deny": ["fetch_url"]},
    ]


async def test_what_a_client_says_of_its_parent_is_overwritten(world: World) -> None:
    request = child(spawnDepth=0, sessionKey="mine", policies=[{"namespace": "ns", "name": "loose"}])
    assert (await world.admit(request)).allowed
    written = request["request"]["object"]["spec"]["parent"]
    assert (written["spawnDepth"], written["sessionKey"]) == (1, "top:boss")
    assert [key["name"] for key in written["policies"]] == ["tight"]


async def test_what_another_webhook_made_of_it_is_refused(world: World) -> None:
    request = child()
    body = request["request"]["object"]
    for operation in (await world.mutate(request)).patch:
        apply(body, operation)
    body["spec"]["parent"]["policies"] = []
    answer = await world.validate(request)
    assert not answer.allowed
    assert "spec.parent" in answer.message


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Cancelled"])
async def test_a_parent_that_has_ended_starts_nothing(world: World, phase: str) -> None:
    world.objects[("AgentRun", "ns", "boss")]["status"] = {"phase": phase}
    answer = await world.admit(child())
    assert not answer.allowed
    assert "boss has ended" in answer.message


async def test_a_parent_that_is_being_cancelled_starts_nothing(world: World) -> None:
    parent(world, cancel=True)
    assert "boss has ended" in (await world.admit(child())).message


async def test_a_parent_that_is_not_there(world: World) -> None:
    answer = await world.admit(child(runName="nobody"))
    assert (answer.code, answer.message) == (
        422,
        "spec.parent.runName: AgentRun nobody is not in namespace ns",
    )


async def test_a_policy_from_above_that_is_gone_refuses(world: World) -> None:
    above = {"runName": "root", "sessionKey": "s", "spawnDepth": 1,
             "policies": [{"namespace": "ns", "name": "gone"}]}  # fmt: skip
    parent(world, parent=above)
    answer = await world.admit(child())
    assert not answer.allowed
    assert "spec.parent.policies" in answer.message
    assert "gone" in answer.message


async def test_the_policy_of_the_parent_judges_the_child(world: World) -> None:
    """Also when the controllers are its author, as for every run that an agent starts."""
    request = child(CONTROLLER)
    request["request"]["object"]["spec"]["toolPolicy"] = {"allow": ["write_file"]}
    answer = await world.admit(request)
    assert not answer.allowed
    assert "write_file" in answer.message
    assert "tight" in answer.message


async def test_the_controllers_alone_are_believed_that_an_agent_is_the_cause(world: World) -> None:
    for user, kind in ((CONTROLLER, "Agent"), ("alice", "Manual"), ("system:serviceaccount:ns:x", "API")):
        request = child(user)
        assert (await world.admit(request)).allowed
        assert request["request"]["object"]["spec"]["trigger"]["kind"] == kind
    assert request["request"]["object"]["spec"]["trigger"].get("name") is None


async def test_runs_of_a_schedule_keep_what_it_holds_when_its_maker_is_gone(world: World) -> None:
    held = {"runName": "long-gone", "sessionKey": "s", "spawnDepth": 2,
            "policies": [{"namespace": "ns", "name": "tight"}]}  # fmt: skip
    request = child(CONTROLLER, {"sympozium.ai/schedule": "nightly"}, **held)
    assert (await world.admit(request)).allowed
    written = request["request"]["object"]["spec"]["parent"]
    assert (written["runName"], written["spawnDepth"]) == ("long-gone", 2)
    refused = child("alice", {"sympozium.ai/schedule": "nightly"}, **held)
    assert "long-gone is not" in (await world.admit(refused)).message


PARENT = {"runName": "boss", "sessionKey": "s", "spawnDepth": 1}


def schedule(user: str, old=None, **spec):
    base = {"instanceRef": "sub", "schedule": "@hourly", "task": "t", **spec}
    before = {"metadata": {"name": "x", "namespace": "ns"}, "spec": old} if old else None
    return review("SympoziumSchedule", user=user, old=before, **base)


async def test_the_controllers_alone_say_that_an_agent_made_a_schedule(world: World) -> None:
    assert (await world.validate(schedule(CONTROLLER, parent=PARENT))).allowed
    answer = await world.validate(schedule("admin", parent=PARENT))
    assert (answer.code, answer.causes[0].field) == (403, "spec.parent")


@pytest.mark.parametrize("user", [CONTROLLER, "admin"])
@pytest.mark.parametrize("after", [{}, {"parent": {**PARENT, "spawnDepth": 0}}])
async def test_nobody_frees_a_schedule_from_its_parent(world: World, user: str, after: dict) -> None:
    old = {"instanceRef": "sub", "schedule": "@hourly", "task": "t", "parent": PARENT}
    assert not (await world.validate(schedule(user, old, **after))).allowed
    assert (await world.validate(schedule(user, old, parent=PARENT, suspend=True))).allowed
    assert not (await world.validate(schedule(user, {**old, "parent": None}, parent=PARENT))).allowed
