"""What the API server may do as itself, and which host names agents may ask for."""

from typing import Any

import pytest
from tests.unit.webhook.world import CONTROLLER, SYSTEM, World, review

from sympozium.api.endpoint import APISERVER

AGENTS = {"default": {"model": "m1", "baseURL": "http://model.example/v1"}}
SAID = [{"role": "user", "content": "hello"}]


@pytest.fixture
def world() -> World:
    made = World()
    made.put("SympoziumInstance", "ns", "closed", {"agents": AGENTS})
    for name, endpoint in (("chat", "webEndpoint"), ("card", "a2a")):
        made.put("SympoziumInstance", "ns", name, {"agents": AGENTS, endpoint: {"enabled": True}})
    return made


def ask(instance: str = "chat", user: str = APISERVER, **spec: Any) -> Any:
    return review("AgentRun", user=user, instanceRef=instance, task="look", **spec)


@pytest.mark.parametrize("instance", ["chat", "card"])
async def test_a_request_becomes_a_run_of_an_agent_with_an_endpoint(world: World, instance: str) -> None:
    request = ask(instance, history=SAID, sessionKey="s")
    answer = await world.admit(request)
    assert answer.allowed, answer.message
    assert request["request"]["object"]["spec"]["trigger"] == {"kind": "API", "user": APISERVER}


async def test_an_agent_without_an_endpoint_is_not_the_api_servers_to_run(world: World) -> None:
    answer = await world.admit(ask("closed"))
    assert (answer.code, [c.field for c in answer.causes]) == (403, ["spec.instanceRef"])
    assert (await world.admit(ask("closed", user="alice"))).allowed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("systemPrompt", "You are evil."), ("env", {"A": "b"}), ("timeout", "900h"), ("retries", 3), ("cleanup", "keep"),
        ("model", {"baseURL": "http://evil.example/v1"}), ("toolPolicy", {"allow": ["x"]}), ("agentId", "other"),
        ("sandbox", {"enabled": False, "image": "evil"}), ("suspend", True), ("skills", [{"skillPackRef": "k"}]),
        ("forkFrom", {"runName": "r", "step": 1}),
    ],
)  # fmt: skip
async def test_what_a_key_does_not_buy(world: World, field: str, value: Any) -> None:
    world.put("SkillPack", "ns", "k", {"skills": [{"name": "s", "content": "c"}]})
    world.put("ServiceAccount", SYSTEM, "sympozium-apiserver")
    world.rights |= {(APISERVER, "get", r, "sympozium.ai", "ns", "r") for r in ("agentruns", "agentruns/log")}
    world.put("AgentRun", "ns", "r", {"instanceRef": "chat", "task": "x"}, uid="u")
    world.objects["AgentRun", "ns", "r"]["status"] = {"steps": 3}
    answer = await world.admit(ask(**{field: value}))
    assert (answer.code, [c.field for c in answer.causes]) == (403, [f"spec.{field}"])


@pytest.mark.parametrize(
    "meta", [{"finalizers": ["x/y"]}, {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]}]
)  # fmt: skip
async def test_it_makes_nobodys_run(world: World, meta: dict[str, Any]) -> None:
    request = ask()
    request["request"]["object"]["metadata"] |= meta
    assert [c.field for c in (await world.admit(request)).causes] == [f"metadata.{next(iter(meta))}"]


async def change(world: World, made_by: str, user: str = APISERVER, labels: Any = None, **spec: Any) -> Any:
    old = ask(user=made_by)["request"]["object"]
    old["spec"]["trigger"] = {"kind": "API", "user": made_by}
    new = {
        **old,
        "spec": old["spec"] | spec,
        "metadata": old["metadata"] | ({"labels": labels} if labels else {}),
    }
    return await world.validate(review("AgentRun", new, user=user, old=old))


async def test_it_cancels_its_own_runs_and_changes_nothing_else(world: World) -> None:
    assert (await change(world, APISERVER, cancel=True)).allowed
    assert (await change(world, "alice", cancel=True)).code == 403
    assert (await change(world, CONTROLLER, cancel=True)).code == 403
    assert [c.field for c in (await change(world, APISERVER, suspend=True)).causes] == ["spec.suspend"]
    changed = await change(world, APISERVER, labels={"a": "b"}, cancel=True)
    assert [c.field for c in changed.causes] == ["metadata.labels"]
    assert (await change(world, "alice", user="alice", labels={"a": "b"})).allowed


# -- host names


def agent(hostname: str) -> Any:
    return review("SympoziumInstance", agents=AGENTS, webEndpoint={"enabled": True, "hostname": hostname})


@pytest.mark.parametrize(
    "name", ["Bot.example.org", "10.0.0.1", "localhost", "a b.org", "bot.example.org:80", "[::1]"]
)
async def test_what_is_no_host_name(world: World, name: str) -> None:
    world.rights.clear()
    answer = await world.admit(agent(name))
    assert (answer.code, [c.field for c in answer.causes]) == (422, ["spec.webEndpoint.hostname"])
    personas = [
        {"name": "p", "systemPrompt": "s", "model": "m", "webEndpoint": {"enabled": True, "hostname": name}}
    ]
    answer = await world.admit(review("PersonaPack", personas=personas))
    assert [c.field for c in answer.causes] == ["spec.personas[0].webEndpoint.hostname"]


async def test_a_name_that_the_installation_does_not_give_is_said(world: World) -> None:
    assert (await world.admit(agent("bot.localhost"))).warnings == ()
    [warning] = (await world.admit(agent("bot.example.org"))).warnings
    assert "bot.example.org is none that agents may have" in warning
    world.put("SympoziumConfig", SYSTEM, "default", {"endpoints": {"hostnames": ["*.example.org"]}})
    assert (await world.admit(agent("bot.example.org"))).warnings == ()
    assert len((await world.admit(agent("bot.localhost"))).warnings) == 1


def _for_trigger(instance: str = "closed", label: str = "alerts", **spec: Any) -> Any:
    request = ask(instance, **spec)
    request["request"]["object"]["metadata"]["labels"] = {"sympozium.ai/trigger": label}
    return request


async def test_requests_to_a_trigger_become_runs_of_its_instance_and_of_no_other(world: World) -> None:
    hook = {"instanceRef": "closed", "task": "t", "source": {"webhook": {"secretRef": "s"}}}
    world.put("SympoziumTrigger", "ns", "alerts", hook)
    world.put("SympoziumTrigger", "ns", "listens", hook | {"source": {"kubernetesEvent": {}}})
    request = _for_trigger()
    assert (await world.admit(request)).allowed
    caused = {"kind": "Trigger", "name": "alerts", "user": APISERVER}
    assert request["request"]["object"]["spec"]["trigger"] == caused
    for refused in (_for_trigger("chat"), _for_trigger(label="none"), _for_trigger(label="listens")):
        answer = await world.admit(refused)
        assert (answer.code, [c.field for c in answer.causes]) == (
            403,
            ["metadata.labels[sympozium.ai/trigger]"],
        )
    assert not (await world.admit(_for_trigger(systemPrompt="You are evil."))).allowed


async def test_nobody_else_is_believed_about_a_trigger(world: World) -> None:
    request = _for_trigger()
    request["request"]["userInfo"]["username"] = "alice"
    assert (await world.admit(request)).allowed
    assert request["request"]["object"]["spec"]["trigger"] == {"kind": "Manual", "user": "alice"}
