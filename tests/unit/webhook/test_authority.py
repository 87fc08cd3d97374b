"""Nobody gets through an agent what they could not do themselves, whoever made the parts."""

from typing import Any

import pytest
from tests.unit.webhook.world import CONTROLLER, SYSTEM, World, review

AGENTS = {"default": {"model": "m"}}
RULES = [{"apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["get", "list"]}]
SKILLS = [{"name": "s", "content": "text"}]
ALL = [(verb, group) for verb in ("get", "list") for group in ("", "apps")]


def pack(**sidecar: Any) -> dict[str, Any]:
    return {"skills": SKILLS, "sidecar": {"image": "i", **sidecar}}


def uses(*names: str) -> dict[str, Any]:
    return {"agents": AGENTS, "skills": [{"skillPackRef": name} for name in names]}


def team(**spec: Any) -> dict[str, Any]:
    personas = [
        {"name": "idle", "systemPrompt": "s", "model": "m"},
        {"name": "p", "systemPrompt": "s", "model": "m", "skills": ["plain", "k"]},
    ]
    return {"enabled": True, "personas": personas, **spec}


def give(world: World, namespace: str, *, user: str = "alice") -> None:
    world.rights |= {(user, verb, "pods", group, namespace, "") for verb, group in ALL}


@pytest.fixture
def world() -> World:
    world = World()
    world.put("SkillPack", SYSTEM, "plain", {"skills": SKILLS})
    world.put("SympoziumInstance", "ns", "i", {"agents": AGENTS})
    return world


USERS = {
    "SympoziumInstance": (uses("plain", "k"), "spec.skills[1].skillPackRef"),
    "PersonaPack": (team(), "spec.personas[1].skills[1]"),
    "AgentRun": ({"instanceRef": "i", "task": "t", **uses("plain", "k")}, "spec.skills[1].skillPackRef"),
}
USERS["AgentRun"][0].pop("agents")


@pytest.mark.parametrize("kind", USERS)
@pytest.mark.parametrize("home", ["ns", SYSTEM])
@pytest.mark.parametrize(("field", "scope"), [("rbac", "ns"), ("clusterRBAC", "")])
async def test_who_uses_a_pack_must_hold_its_rights(world: World, kind, home, field, scope) -> None:
    spec, path = USERS[kind]
    world.put("SkillPack", home, "k", pack(**{field: RULES}))
    answer = await world.admit(review(kind, **spec))
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, [path])
    where = f"in {scope}" if scope else "in the cluster"
    assert (
        f"alice may not do what skill pack k of {home} would be granted: get pods {where}" in answer.message
    )
    assert ("sympozium.ai/offered" in answer.causes[0].instead) == (home == SYSTEM)
    give(world, "elsewhere")
    assert not (await world.admit(review(kind, **spec))).allowed
    give(world, scope)
    assert (await world.admit(review(kind, **spec))).allowed


@pytest.mark.parametrize("kind", USERS)
async def test_the_secret_of_a_pack_is_one_of_its_users_namespace(world: World, kind) -> None:
    spec, path = USERS[kind]
    world.put("SkillPack", SYSTEM, "k", pack(secretRef="token"), annotations={"sympozium.ai/offered": "true"})
    answer = await world.admit(review(kind, **spec))
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, [path])
    assert "alice may not read the Secret token, which skill pack k would be given" in answer.message
    world.rights.add(("alice", "get", "secrets", "", "ns", "token"))
    assert (await world.admit(review(kind, **spec))).allowed


@pytest.mark.parametrize(
    ("home", "offered", "allowed"), [(SYSTEM, "true", True), (SYSTEM, "yes", False), ("ns", "true", False)]
)
async def test_only_the_administrator_offers_a_pack_to_all(world: World, home, offered, allowed) -> None:
    world.put("SkillPack", home, "k", pack(clusterRBAC=RULES), annotations={"sympozium.ai/offered": offered})
    assert (await world.admit(review("SympoziumInstance", **uses("k")))).allowed is allowed


@pytest.mark.parametrize("own", [{"skills": SKILLS}, pack()])
async def test_no_pack_is_put_in_front_of_one_that_its_author_may_not_use(world: World, own) -> None:
    """It would be judged while it is there, and the installation's be used when it is gone."""
    world.put("SkillPack", SYSTEM, "k", pack(clusterRBAC=RULES))
    request = review("SkillPack", name="k", **own)
    answer = await world.admit(request)
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, ["metadata.name"])
    assert "agents that name k get the one of sympozium-system when this is deleted" in answer.message
    assert (await world.admit(review("SkillPack", name="other", **own))).allowed
    give(world, "")
    assert (await world.admit(request)).allowed


async def test_an_offered_pack_may_be_replaced_by_ones_own(world: World) -> None:
    world.put("SkillPack", SYSTEM, "k", pack(clusterRBAC=RULES), annotations={"sympozium.ai/offered": "true"})
    assert (await world.admit(review("SkillPack", name="k", skills=SKILLS))).allowed


def offering(spec: dict[str, Any], before: str | None, after: str | None, namespace: str = SYSTEM, user: str = "alice"):  # fmt: skip
    def obj(value: str | None) -> dict[str, Any]:
        meta = {"name": "k", "annotations": {"sympozium.ai/offered": value} if value else {}}
        return {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SkillPack", "metadata": meta, "spec": spec}

    return review("SkillPack", obj(after), old=obj(before), namespace=namespace, name="k", user=user)


async def test_who_offers_a_pack_hands_on_its_rights_everywhere(world: World) -> None:
    spec = pack(rbac=RULES)
    give(world, SYSTEM)
    answer = await world.admit(offering(spec, None, "true"))
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, ["spec.sidecar.rbac"])
    assert "in the cluster" in answer.message
    for unchanged in (("true", "true"), ("true", None), (None, None), (None, "yes")):
        assert (await world.admit(offering(spec, *unchanged))).allowed
    assert (await world.admit(offering(spec, None, "true", namespace="ns"))).allowed
    assert (await world.admit(offering({"skills": SKILLS}, None, "true"))).allowed
    give(world, "")
    assert (await world.admit(offering(spec, None, "true"))).allowed


async def test_a_change_of_an_offered_pack_is_asked_about_everywhere_too(world: World) -> None:
    request = offering(pack(rbac=RULES), "true", "true")
    request["request"]["oldObject"]["spec"] = pack()
    give(world, SYSTEM)
    assert not (await world.admit(request)).allowed
    give(world, "")
    assert (await world.admit(request)).allowed


async def test_an_offer_elsewhere_is_said_to_be_none(world: World) -> None:
    obj = offering(pack(), None, "true", namespace="ns")["request"]["object"]
    answer = await world.admit(review("SkillPack", obj, name="k"))
    assert answer.warnings == ("metadata.annotations[sympozium.ai/offered]: has no effect outside namespace sympozium-system",)  # fmt: skip


async def test_a_run_may_use_what_its_instance_was_given(world: World) -> None:
    world.put("SkillPack", "ns", "k", pack(rbac=RULES))
    world.put("SympoziumInstance", "ns", "i", uses("k"))
    assert (await world.admit(review("AgentRun", instanceRef="i", task="t"))).allowed
    same = [{"skillPackRef": "k", "params": {"a": "b"}}]
    assert (await world.admit(review("AgentRun", instanceRef="i", task="t", skills=same))).allowed


async def test_a_pack_that_is_not_enabled_gives_nothing(world: World) -> None:
    world.put("SkillPack", SYSTEM, "k", pack(rbac=RULES))
    assert (await world.admit(review("PersonaPack", **team(enabled=False)))).allowed
    assert (await world.admit(review("PersonaPack", **team(excludePersonas=["p"])))).allowed


async def test_many_missing_rights_are_counted(world: World) -> None:
    many = [{"apiGroups": ["g"], "resources": ["r"], "verbs": [f"v{n}" for n in range(7)]}]
    world.put("SkillPack", "ns", "k", pack(rbac=many))
    message = (await world.admit(review("SympoziumInstance", **uses("k")))).message
    assert "v4 r.g in ns and 2 more" in message
    assert "v5" not in message


SECRETS = {
    "channel": ({"channels": [{"type": "slack"}, {"type": "slack", "configRef": {"secret": "s"}}]}, "spec.channels[1].configRef.secret"),
    "headers": ({"observability": {"headersSecretRef": "s"}}, "spec.observability.headersSecretRef"),
    "endpoint": ({"webEndpoint": {"authSecretRef": "s"}}, "spec.webEndpoint.authSecretRef"),
}  # fmt: skip


@pytest.mark.parametrize("case", SECRETS)
async def test_each_secret_of_an_agent_is_asked_about(world: World, case) -> None:
    spec, path = SECRETS[case]
    answer = await world.admit(review("SympoziumInstance", agents=AGENTS, **spec))
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, [path])
    assert answer.causes[0].instead in answer.message
    world.rights.add(("alice", "get", "secrets", "", "ns", "s"))
    assert (await world.admit(review("SympoziumInstance", agents=AGENTS, **spec))).allowed


async def test_the_channels_of_a_pack_are_asked_about(world: World) -> None:
    answer = await world.admit(review("PersonaPack", **team(channelConfigs={"slack": "s"}, enabled=False)))
    assert [cause.field for cause in answer.causes] == ["spec.channelConfigs[slack]"]


OWNER = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "PersonaPack", "name": "team", "uid": "1", "controller": True}  # fmt: skip
OTHER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "2"}


def stamped(owners: list[dict[str, Any]] | None, **spec: Any) -> dict[str, Any]:
    meta = {"name": "x", "namespace": "ns", "labels": {"sympozium.ai/pack": "team"}}
    if owners is not None:
        meta["ownerReferences"] = owners
    return {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumInstance", "metadata": meta,
        "spec": {"agents": AGENTS, **spec},
    }  # fmt: skip


async def test_the_controllers_make_for_a_pack_what_its_author_was_asked_about(world: World) -> None:
    spec = {"authRefs": [{"secret": "s"}], **uses("k")}
    world.put("SkillPack", SYSTEM, "k", pack(rbac=RULES))
    made = stamped([OWNER], **spec)
    assert (await world.admit(review("SympoziumInstance", made, user=CONTROLLER))).allowed
    # Not for anybody else, and not without a pack.
    refused = await world.admit(review("SympoziumInstance", stamped([OTHER], **spec), user=CONTROLLER))
    assert [cause.field for cause in refused.causes] == ["spec.authRefs[0].secret", "spec.skills[0].skillPackRef"]  # fmt: skip


async def test_nobody_else_makes_an_agent_that_looks_like_a_packs(world: World) -> None:
    forged = await world.admit(review("SympoziumInstance", stamped([OTHER, OWNER])))
    assert (forged.code, [cause.field for cause in forged.causes]) == (403, ["metadata.ownerReferences[1]"])
    adopted = review("SympoziumInstance", stamped([OWNER]), old=stamped(None))
    assert [cause.field for cause in (await world.admit(adopted)).causes] == ["metadata.ownerReferences[0]"]
    other_uid = review("SympoziumInstance", stamped([{**OWNER, "uid": "9"}]), old=stamped([OWNER]))
    assert not (await world.admit(other_uid)).allowed


async def test_what_a_pack_says_of_its_agents_is_changed_in_the_pack(world: World) -> None:
    edited = stamped([OWNER], displayName="mine")
    answer = await world.admit(review("SympoziumInstance", edited, old=stamped([OWNER])))
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, ["spec"])
    assert "excludePersonas" in answer.message
    assert (
        await world.admit(review("SympoziumInstance", edited, old=stamped([OWNER]), user=CONTROLLER))
    ).allowed
    # Released in the same breath: the old object was the pack's.
    assert not (await world.admit(review("SympoziumInstance", stamped([], displayName="mine"), old=stamped([OWNER])))).allowed  # fmt: skip
    # To let go of it, and to write beside the spec, is free; then it is anybody's agent.
    assert (await world.admit(review("SympoziumInstance", stamped([]), old=stamped([OWNER])))).allowed
    assert (await world.admit(review("SympoziumInstance", edited, old=stamped([])))).code == 403
    assert (await world.admit(review("SympoziumInstance", stamped(None, displayName="m"), old=stamped(None)))).allowed  # fmt: skip
