import copy
from dataclasses import replace

import pytest
from tests.unit.webhook.world import CONTROLLER, SYSTEM, World, review

from sympozium.policy import Violation

INSTANCE = {"agents": {"default": {"model": "qwen"}}}


@pytest.fixture
def world() -> World:
    world = World()
    world.put("SympoziumInstance", "ns", "i", INSTANCE)
    return world


def create(**spec):
    return review("AgentRun", instanceRef="i", task="t", **spec)


async def test_a_run_is_filled_and_admitted(world: World) -> None:
    request = create()
    answer = await world.admit(request)
    assert answer.allowed
    spec = request["request"]["object"]["spec"]
    assert spec["model"] == {"provider": "openai", "model": "qwen"}
    assert (spec["agentId"], spec["sessionKey"], spec["timeout"]) == ("default", "i:x", "30m")
    assert spec["trigger"] == {"kind": "Manual", "user": "alice"}
    assert spec["task"] == "t"


async def test_what_is_filled_is_filled_once(world: World) -> None:
    request = create()
    await world.admit(request)
    again = await world.mutate(request)
    assert again.patch == ()


@pytest.mark.parametrize(
    ("user", "labels", "kind", "name"),
    [
        ("alice", {"sympozium.ai/schedule": "s"}, "Manual", None),
        (CONTROLLER, {"sympozium.ai/schedule": "s"}, "Schedule", "s"),
        (CONTROLLER, {}, "API", None),
        ("system:serviceaccount:ci:bot", {"sympozium.ai/schedule": "s"}, "API", None),
    ],
)
async def test_the_trigger_is_who_really_asked(world: World, user, labels, kind, name) -> None:
    forged = {"kind": "Schedule", "name": "important", "user": "the-boss"}
    request = review("AgentRun", user=user, labels=labels, instanceRef="i", task="t", trigger=forged)
    assert (await world.admit(request)).allowed
    trigger = request["request"]["object"]["spec"]["trigger"]
    assert (trigger["kind"], trigger.get("name"), trigger["user"]) == (kind, name, user)


async def test_a_trigger_that_was_not_set_by_us_is_refused(world: World) -> None:
    request = create()
    await world.admit(request)
    request["request"]["object"]["spec"]["trigger"]["user"] = "the-boss"
    answer = await world.validate(request)
    assert [cause.field for cause in answer.causes] == ["spec.trigger"]


async def test_without_the_mutating_webhook_nothing_is_admitted(world: World) -> None:
    answer = await world.validate(create())
    assert not answer.allowed
    assert "MutatingWebhookConfiguration" in answer.message


async def test_an_instance_that_is_not_there(world: World) -> None:
    answer = await world.admit(review("AgentRun", instanceRef="nobody", task="t"))
    assert (answer.allowed, answer.code) == (False, 422)
    assert answer.message == "spec.instanceRef: SympoziumInstance nobody is not in namespace ns"


async def test_a_policy_or_pack_that_is_not_there(world: World) -> None:
    world.put("SympoziumInstance", "ns", "i", {**INSTANCE, "policyRef": "strict"})
    answer = await world.admit(create())
    assert answer.causes[0].field == "spec.instanceRef: i: spec.policyRef"
    world.put("SympoziumInstance", "ns", "i", INSTANCE)
    answer = await world.admit(create(skills=[{"skillPackRef": "none"}]))
    assert answer.causes[0].field == "spec.skills[0].skillPackRef"


async def test_a_tool_that_the_policy_denies_is_refused_with_the_rule(world: World) -> None:
    rules = {
        "defaultAction": "deny",
        "rules": [{"tool": "read_file", "action": "allow"}, {"tool": "write_file", "action": "deny"}],
    }
    world.put("SympoziumPolicy", SYSTEM, "restrictive-policy", {"toolGating": rules})
    world.put("SympoziumInstance", "ns", "i", {**INSTANCE, "policyRef": "restrictive-policy"})
    answer = await world.admit(create(toolPolicy={"allow": ["read_file", "write_file"]}))
    assert (answer.allowed, answer.code, answer.reason) == (False, 403, "Forbidden")
    assert "spec.toolPolicy.allow[1]: write_file is denied" in answer.message
    assert "restrictive-policy: toolGating.rules[1] (write_file: deny)" in answer.message
    assert (await world.admit(create(toolPolicy={"allow": ["read_file"]}))).allowed


async def test_the_floor_of_the_installation_holds(world: World) -> None:
    world.put("SympoziumConfig", SYSTEM, "default", {"floorPolicyRef": "floor"})
    answer = await world.admit(create())
    assert "floorPolicyRef" in answer.message
    world.put("SympoziumPolicy", SYSTEM, "floor", {"featureGates": {"code-execution": False}})
    assert (await world.admit(create())).allowed
    assert not (await world.admit(create(toolPolicy={"allow": ["execute_command"]}))).allowed


async def test_a_sandbox_is_switched_on_where_the_policy_wants_one(world: World) -> None:
    world.put(
        "SympoziumPolicy", SYSTEM, "default-policy", {"sandboxPolicy": {"required": True, "maxCPU": "2"}}
    )
    request = create()
    assert (await world.admit(request)).allowed
    assert request["request"]["object"]["spec"]["sandbox"] == {
        "enabled": True,
        "resources": {"limits": {"cpu": "2"}, "requests": {}},
    }
    refused = await world.admit(create(sandbox={"enabled": False}))
    assert "sandboxPolicy.required" in refused.message


async def test_a_secret_that_its_author_may_not_read(world: World) -> None:
    named = create(model={"authSecretRef": "theirs"})
    (cause,) = (await world.admit(named)).causes
    said = "alice may not read the Secret theirs, so no agent may be given it"
    assert (cause.field, cause.message) == ("spec.model.authSecretRef", said)
    assert cause.instead == "name a Secret that you may read, or have somebody apply this who may read it"
    world.rights.add(("alice", "get", "secrets", "", "ns", "theirs"))
    assert (await world.admit(create(model={"authSecretRef": "theirs"}))).allowed


async def test_fields_without_effect_are_warned_of_also_those_of_the_instance(world: World) -> None:
    world.put("SympoziumInstance", "ns", "i", {**INSTANCE, "channels": [{"type": "slack"}]})
    answer = await world.admit(create(mode="server"))
    assert answer.allowed
    assert [warning.split(" has")[0] for warning in answer.warnings] == [
        "spec.mode",
        "instance i: spec.channels",
    ]


async def test_an_object_that_breaks_its_schema_is_left_to_the_api_server(world: World) -> None:
    request = review("AgentRun", task="t")
    assert (await world.mutate(request)).patch == ()
    answer = await world.validate(request)
    assert answer.causes[0].field == "spec.instanceRef"


def changed(before: dict, **fields) -> dict:
    after = copy.deepcopy(before)
    after["spec"] |= fields
    return review("AgentRun", after, old=before)


async def test_the_spec_stays_but_for_cancel_and_suspend(world: World) -> None:
    before = create()["request"]["object"]
    assert (await world.validate(changed(before, cancel=True, suspend=True))).allowed
    answer = await world.validate(changed(before, task="other", env={"A": "b"}))
    assert [cause.field for cause in answer.causes] == ["spec.env", "spec.task"]
    cancelled = changed(before, cancel=True)["request"]["object"]
    assert "cannot be taken back" in (await world.validate(changed(cancelled, cancel=False))).message


@pytest.mark.parametrize("endpoint", ["mutate", "validate"])
async def test_an_api_that_cannot_be_asked_fails_closed(world: World, endpoint: str) -> None:
    request = create()
    world.broken = True
    answer = await getattr(world, endpoint)(request)
    assert (answer.allowed, answer.code) == (False, 500)
    assert "could not ask the API" in answer.message


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ({"baseURL": "http://elsewhere.example/v1"}, "spec.model.baseURL"),
        ({"authSecretRef": "mine"}, "spec.model.authSecretRef"),
    ],
)
@pytest.mark.parametrize("holder", ["instance", "config"])
async def test_who_chooses_the_endpoint_must_be_able_to_read_the_key(
    world: World, holder, model, field
) -> None:
    given = {"authRefs": [{"secret": "key"}]}
    if holder == "instance":
        world.put("SympoziumInstance", "ns", "i", {**INSTANCE, **given})
    else:
        world.put("SympoziumConfig", SYSTEM, "default", given)
    world.rights.add(("alice", "get", "secrets", "", "ns", "mine"))
    answer = await world.admit(create(model=model))
    where = "mine could send elsewhere" if field.endswith("SecretRef") else "would be sent to this endpoint"
    said = f"alice may not read the Secret key, whose values {where}"
    assert (answer.code, [(cause.field, cause.message) for cause in answer.causes]) == (403, [(field, said)])
    world.rights.add(("alice", "get", "secrets", "", "ns", "key"))
    assert (await world.admit(create(model=model))).allowed


async def test_a_run_says_with_which_secrets_it_was_admitted_and_keeps_saying_so(world: World) -> None:
    path = "metadata.annotations[sympozium.ai/secrets]"
    world.put("SympoziumInstance", "ns", "i", {**INSTANCE, "authRefs": [{"secret": "b"}, {"secret": "a"}]})
    request = create()
    annotations = {"sympozium.ai/secrets": "prod-key", "team": "x"}
    request["request"]["object"]["metadata"]["annotations"] = annotations
    assert (await world.admit(request)).allowed
    old = request["request"]["object"]
    assert old["metadata"]["annotations"] == {"sympozium.ai/secrets": "a,b", "team": "x"}
    for kept in ({"sympozium.ai/secrets": "a,b,prod-key"}, {}):
        new = copy.deepcopy(old)
        new["metadata"]["annotations"] = {"team": "x", **kept}
        answer = await world.admit(review("AgentRun", new, old=old))
        assert (answer.code, [cause.field for cause in answer.causes]) == (422, [path])
    new["metadata"]["annotations"] = {**old["metadata"]["annotations"], "team": "y"}
    assert (await world.admit(review("AgentRun", new, old=old))).allowed
    # Another webhook behind ours wrote it.
    new["metadata"]["annotations"]["sympozium.ai/secrets"] = "prod-key"
    answer = await world.validate(review("AgentRun", new))
    assert [cause.field for cause in answer.causes] == [path]


async def test_the_endpoint_of_the_instance_may_be_used_by_everyone(world: World) -> None:
    agent = {"model": "qwen", "baseURL": "http://gateway:4000/v1"}
    world.put("SympoziumInstance", "ns", "i", {"agents": {"default": agent}, "authRefs": [{"secret": "key"}]})
    assert (await world.admit(create())).allowed
    assert (await world.admit(create(model={"baseURL": agent["baseURL"]}))).allowed


def written(user: str = "alice", **status) -> dict:
    old = {**create()["request"]["object"], "status": {"phase": "Running"}}
    new = {**old, "status": {"phase": "Running", **status}}
    return review("AgentRun", new, old=old, user=user, subresource="status")


async def test_only_the_controllers_say_what_became_of_a_run(world: World) -> None:
    for user in ("alice", "admin", "system:serviceaccount:ns:r", "system:node:n"):
        answer = await world.validate(written(user, phase="Succeeded"))
        assert (answer.code, answer.causes[0].field) == (403, "status")
        assert "spec.cancel" in answer.message
    assert (await world.validate(written(CONTROLLER, phase="Succeeded"))).allowed
    assert (await world.validate(written())).allowed


async def test_what_a_policy_only_watches_is_admitted_and_recorded(world: World, monkeypatch) -> None:
    watched = Violation("spec.x", "too much", rule="p: limit", instead="less", audit=True)
    monkeypatch.setattr("sympozium.webhook.runs.admit", lambda *_: [watched])
    answer = await world.admit(create())
    response = answer.to_review("u")["response"]
    assert response["allowed"] is True
    assert response["warnings"] == ["audit: spec.x: too much (p: limit); less"]
    assert response["auditAnnotations"] == {"policy-audit": "spec.x: too much (p: limit); less"}
    binding = replace(watched, field="spec.y", audit=False)
    monkeypatch.setattr("sympozium.webhook.runs.admit", lambda *_: [watched, binding])
    answer = await world.admit(create())
    assert (answer.code, answer.message) == (403, "spec.y: too much (p: limit); less")


async def test_refusals_say_where_and_what_to_do(world: World) -> None:
    request = create()
    await world.admit(request)
    old = request["request"]["object"]
    old["spec"]["cancel"] = True

    def changed(**spec) -> dict:
        return review("AgentRun", {**old, "spec": {**old["spec"], **spec}}, old=old)

    async def causes(request: dict) -> dict[str, str]:
        return {cause.field: cause.message for cause in (await world.validate(request)).causes}

    assert await causes(changed(task="other")) == {
        "spec.task": "does not change after creation: create a new run (cancel and suspend may change)"
    }
    assert await causes(changed(cancel=False)) == {
        "spec.cancel": "cannot be taken back: the run is being ended"
    }
    assert await causes(changed(cancel=True, suspend=True)) == {}
    bare = create(model={"provider": "p", "model": "m"})
    assert (await causes(bare))["spec"] == (
        "agentId, sessionKey, timeout, trigger not filled: is the MutatingWebhookConfiguration sympozium in place?"
    )
    by_hand = review("AgentRun", {**old, "status": {"phase": "Succeeded"}}, old=old, subresource="status")
    assert await causes(by_hand) == {"status": "is written by the controllers, from what the run reports"}
