"""Agents and skill packs as policies see them, before there is a run."""

from typing import Any

import pytest
from tests.unit.webhook.world import SYSTEM, World, review

AGENTS = {"default": {"model": "m"}}
SKILLS = [{"name": "s", "content": "text"}]
HOST = {"enabled": True, "hostNetwork": True}
ACME = {"imagePolicy": {"allowedRegistries": ["ghcr.io/acme"]}, "sandboxPolicy": {"required": False}}


def pack(**sidecar: Any) -> dict[str, Any]:
    return {"skills": SKILLS, "sidecar": {"image": "docker.io/evil/tool", **sidecar}}


def persona(name: str = "p", **more: Any) -> dict[str, Any]:
    return {"name": name, "systemPrompt": "s", "model": "m", **more}


@pytest.fixture
def world() -> World:
    world = World()
    world.put("SympoziumPolicy", "ns", "strict", ACME)
    world.put("SkillPack", "ns", "k", pack())
    world.put("SkillPack", "ns", "host", pack(image="ghcr.io/acme/x", hostAccess=HOST))
    world.put("SkillPack", "ns", "good", pack(image="ghcr.io/acme/x"))
    return world


@pytest.mark.parametrize(("skill", "word"), [("k", "docker.io/evil/tool"), ("host", "node")])
async def test_an_agent_whose_skills_its_policy_refuses_is_refused(world: World, skill, word) -> None:
    skills = [{"skillPackRef": "good"}, {"skillPackRef": skill}]
    answer = await world.admit(review("SympoziumInstance", agents=AGENTS, policyRef="strict", skills=skills))
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, ["spec.skills[1].skillPackRef"])
    assert word in answer.message
    assert "strict" in answer.message
    personas = [persona("a"), persona("b", skills=["good", skill])]
    team = {"policyRef": "strict", "personas": personas}
    answer = await world.admit(review("PersonaPack", enabled=True, **team))
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, ["spec.personas[1].skills[1]"])
    assert (await world.admit(review("PersonaPack", enabled=False, **team))).allowed
    assert (await world.admit(review("PersonaPack", enabled=True, excludePersonas=["b"], **team))).allowed


async def test_good_skills_pass(world: World) -> None:
    skills = [{"skillPackRef": "good"}]
    answer = await world.admit(review("SympoziumInstance", agents=AGENTS, policyRef="strict", skills=skills))
    assert (answer.allowed, answer.warnings) == (True, ())


async def test_what_keeps_single_runs_away_is_a_warning_with_the_path_of_the_instance(world: World) -> None:
    world.put(
        "SympoziumPolicy",
        "ns",
        "strict",
        {**ACME, "modelPolicy": {"allowedModels": ["x"], "allowedProviders": ["y"]}},
    )
    agent = {"model": "m", "sandbox": {"enabled": True, "image": "evil"}}
    answer = await world.admit(review("SympoziumInstance", agents={"default": agent}, policyRef="strict"))
    assert answer.allowed
    assert sorted(warning.split(": ")[0] for warning in answer.warnings) == [
        "spec.agents.default.model", "spec.agents.default.provider", "spec.agents.default.sandbox.image"
    ]  # fmt: skip
    assert all(": runs will be refused: " in warning for warning in answer.warnings)
    answer = await world.admit(review("PersonaPack", enabled=True, policyRef="strict", personas=[persona()]))
    assert sorted(warning.split(": ")[0] for warning in answer.warnings) == [
        "spec.personas[0].agents.default.model", "spec.personas[0].agents.default.provider"
    ]  # fmt: skip


async def test_a_team_is_told_what_is_not_there_and_what_is_not_its_own(world: World) -> None:
    world.put("SympoziumInstance", "ns", "x-b", {"agents": AGENTS})
    world.put("SympoziumInstance", "ns", "x-c", {"agents": AGENTS}, ownerReferences=[{"apiVersion": "v1", "kind": "PersonaPack", "name": "x", "uid": "1"}])  # fmt: skip
    personas = [
        persona("a", skills=["later"]),
        persona("b"),
        persona("c"),
        persona("d", policyRef="later"),
        {"name": "e", "systemPrompt": "s"},
    ]
    answer = await world.admit(review("PersonaPack", enabled=True, personas=personas))
    assert answer.allowed
    assert sorted(answer.warnings) == [
        "spec.personas[0].skills[0]: SkillPack later is not in ns or sympozium-system: runs are refused until it is there",
        "spec.personas[1]: SympoziumInstance x-b is there and is not this pack's: rename the persona",
        "spec.personas[3].policyRef: SympoziumPolicy later is not in ns or sympozium-system: runs are refused until it is there",
        "spec.personas[4]: no model: set spec.model of the pack, the persona's model, or the model of SympoziumConfig default",
    ]  # fmt: skip


async def test_traces_that_cannot_be_sent_are_refused_when_they_are_asked_for(world: World) -> None:
    wrong = {"enabled": True, "otlpProtocol": "grpc", "otlpEndpoint": "http://c:4317"}
    answer = await world.admit(review("SympoziumInstance", agents=AGENTS, observability=wrong))
    assert not answer.allowed
    assert "spec.observability.otlpProtocol: grpc is not spoken" in answer.message
    world.put("SympoziumPolicy", SYSTEM, "default-policy", {})
    config = review("SympoziumConfig", namespace=SYSTEM, name="default", observability=wrong)
    assert not (await world.admit(config)).allowed
    off = review("SympoziumInstance", agents=AGENTS, observability={**wrong, "enabled": False})
    assert (await world.admit(off)).allowed


async def test_two_personas_of_one_name(world: World) -> None:
    answer = await world.admit(review("PersonaPack", personas=[persona("a"), persona("b"), persona("a")]))
    assert [cause.field for cause in answer.causes] == ["spec.personas[2].name"]
    assert "spec.personas[0]" in answer.message


async def test_the_floor_refuses_packs_that_no_run_could_use(world: World) -> None:
    world.put("SympoziumPolicy", SYSTEM, "floor", ACME)
    bad = review("SkillPack", user="admin", **pack(hostAccess=HOST), name="new")
    assert (await world.admit(bad)).allowed
    world.put("SympoziumConfig", SYSTEM, "default", {"floorPolicyRef": "floor"})
    answer = await world.admit(bad)
    assert (answer.code, sorted(cause.field for cause in answer.causes)) == (
        403, ["spec.sidecar.hostAccess", "spec.sidecar.image"]
    )  # fmt: skip
    assert (await world.admit(review("SkillPack", **pack(image="ghcr.io/acme/x"), name="new"))).allowed
    world.put("SympoziumConfig", SYSTEM, "default", {"floorPolicyRef": "gone"})
    assert (await world.admit(bad)).allowed


async def test_rights_that_the_floor_cuts_are_a_warning(world: World) -> None:
    world.put("SympoziumPolicy", SYSTEM, "floor", {})
    world.put("SympoziumConfig", SYSTEM, "default", {"floorPolicyRef": "floor"})
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "delete"]}]
    answer = await world.admit(
        review("SkillPack", user="admin", name="new", **pack(rbac=rules, clusterRBAC=rules))
    )
    assert answer.allowed
    assert [warning.partition(": policy")[0] for warning in answer.warnings] == [
        "spec.sidecar.rbac: will not be granted: new may not delete pods",
        "spec.sidecar.clusterRBAC: will not be granted: new may not delete pods",
    ]


async def test_a_floor_that_watches_refuses_nothing_and_says_all(world: World) -> None:
    world.put("SympoziumPolicy", SYSTEM, "floor", {**ACME, "enforcement": "Audit"})
    world.put("SympoziumConfig", SYSTEM, "default", {"floorPolicyRef": "floor"})
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]}]
    spec = pack(hostAccess=HOST, rbac=rules)
    answer = await world.admit(review("SkillPack", user="admin", name="new", **spec))
    assert answer.allowed
    assert sorted(violation.field for violation in answer.audited) == [
        "spec.sidecar.hostAccess", "spec.sidecar.image", "spec.sidecar.rbac"
    ]  # fmt: skip
    response = answer.to_review("u")["response"]
    assert sum(warning.startswith("audit: spec.sidecar.") for warning in response["warnings"]) == 3


async def test_an_agent_under_a_policy_that_watches_is_admitted_and_recorded(world: World) -> None:
    world.put("SympoziumPolicy", "ns", "strict", {**ACME, "enforcement": "Audit"})
    spec = {"agents": AGENTS, "policyRef": "strict", "skills": [{"skillPackRef": "k"}]}
    answer = await world.admit(review("SympoziumInstance", **spec))
    assert (answer.allowed, answer.warnings) == (True, ())
    assert [violation.field for violation in answer.audited] == ["spec.skills[0].skillPackRef"]
    personas = [persona("a"), persona("b", skills=["k"])]
    answer = await world.admit(review("PersonaPack", enabled=True, policyRef="strict", personas=personas))
    assert [violation.field for violation in answer.audited] == ["spec.personas[1].skills[0]"]


async def test_who_changes_a_pack_is_told_who_uses_it(world: World) -> None:
    skills = {"skills": [{"skillPackRef": "tool"}]}
    for name in ("a", "b", "c", "d", "e", "f"):
        world.put("SympoziumInstance", "other", name, {"agents": AGENTS, **skills})
    world.put("SympoziumInstance", "ns", "z", {"agents": AGENTS, "policyRef": "strict", **skills})
    world.put("SympoziumInstance", "ns", "none", {"agents": AGENTS})
    in_ns = await world.admit(review("SkillPack", name="tool", **pack()))
    assert in_ns.allowed
    assert in_ns.warnings[0] == "used by ns/z: their runs get what this pack has from now on"
    assert in_ns.warnings[1].startswith("SympoziumInstance ns/z: spec.skills[0].skillPackRef: runs will be refused: ")  # fmt: skip
    assert len(in_ns.warnings) == 2
    in_system = await world.admit(review("SkillPack", name="tool", namespace=SYSTEM, **pack()))
    assert in_system.warnings[0].startswith("used by ns/z, other/a, other/b, other/c, other/d and 2 more:")
    # The namespace's own comes first: the system's is not the one that ns/z has.
    world.put("SkillPack", "ns", "tool", pack())
    in_system = await world.admit(review("SkillPack", name="tool", namespace=SYSTEM, **pack()))
    assert in_system.warnings == (
        "used by ns/z when the pack of that name in their namespace is deleted",
        "used by other/a, other/b, other/c, other/d, other/e and 1 more: their runs get what this pack has from now on",
    )


async def test_a_pack_without_a_container_needs_nothing(world: World) -> None:
    answer = await world.admit(review("SkillPack", name="words", skills=SKILLS))
    assert (answer.allowed, answer.warnings, world.asked) == (True, (), [])


async def test_who_may_not_make_pods_hands_no_access_to_the_node_to_agents(world: World) -> None:
    wanted = review("SkillPack", **pack(hostAccess=HOST), name="new")
    answer = await world.admit(wanted)
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, ["spec.sidecar.hostAccess"])
    assert "create pods" in answer.message
    assert (await world.admit(review("SkillPack", user="admin", **pack(hostAccess=HOST), name="new"))).allowed
    off = {"enabled": False, "hostPID": True}
    assert (await world.admit(review("SkillPack", **pack(hostAccess=off), name="new"))).allowed
