import pytest
from tests.unit.webhook.world import CONTROLLER, SYSTEM, World, review

AGENTS = {"default": {"model": "m"}}
RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "delete"]}]
SKILLS = [{"name": "s", "content": "text"}]


@pytest.fixture
def world() -> World:
    return World()


WRONG = {
    "cron": (review("SympoziumSchedule", instanceRef="i", task="t", schedule="61 * * * *"), "spec.schedule"),
    "zone": (
        review("SympoziumSchedule", instanceRef="i", task="t", schedule="@hourly", timeZone="Mars/Base"), "spec.timeZone",
    ),
    "reserved name": (review("SympoziumPolicy", name="default-policy"), "metadata.name"),
    "unknown gate": (review("SympoziumPolicy", featureGates={"teleport": True}), "spec.featureGates[teleport]"),
    "no memory": (
        review("SympoziumPolicy", sandboxPolicy={"required": True, "maxMemory": "0"}), "spec.sandboxPolicy.maxMemory",
    ),
    "negative CPU": (
        review("SympoziumPolicy", sandboxPolicy={"required": True, "maxCPU": "-1"}), "spec.sandboxPolicy.maxCPU",
    ),
    "no time": (review("SympoziumPolicy", approvals={"timeout": "0s"}), "spec.approvals.timeout"),
    "CIDR": (
        review("SympoziumPolicy", networkPolicy={"allowedEgress": [{"host": "ok"}, {"host": "10.0.0.0/99"}]}),
        "spec.networkPolicy.allowedEgress[1].host",
    ),
    "condition": (
        review("SympoziumPolicy", toolGating={"rules": [{"tool": "x", "action": "deny"}, {"tool": "x", "action": "deny", "when": "args."}]}),
        "spec.toolGating.rules[1].when",
    ),
    "too many rules": (
        review("SympoziumPolicy", toolGating={"rules": [{"tool": "x", "action": "deny"}] * 1001}), "spec.toolGating.rules",
    ),
    "persona cron": (
        review("PersonaPack", personas=[{"name": "p", "systemPrompt": "s", "schedule": {"task": "t", "cron": "x"}}]),
        "spec.personas[0].schedule.cron",
    ),
    "persona interval": (
        review("PersonaPack", personas=[{"name": "p", "systemPrompt": "s", "schedule": {"task": "t", "interval": "1ms"}}]),
        "spec.personas[0].schedule.interval",
    ),
    "second config": (review("SympoziumConfig", name="other"), "metadata.name"),
    "no run time": (review("SympoziumConfig", namespace=SYSTEM, name="default", runTimeout="0s"), "spec.runTimeout"),
    "request above limit": (
        review("SympoziumInstance", agents={"default": {"model": "m", "resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}}),
        "spec.agents.default.resources.requests.cpu",
    ),
    "negative limit": (
        review("SympoziumInstance", agents={"default": {"model": "m", "sandbox": {"enabled": True, "resources": {"limits": {"memory": "-1Gi"}}}}}),
        "spec.agents.default.sandbox.resources.limits.memory",
    ),
    "a skill called shell": (review("SkillPack", name="shell", skills=SKILLS, sidecar={"image": "i"}), "metadata.name"),
    "a skill called tools": (review("SkillPack", name="tools", skills=SKILLS, sidecar={"image": "i"}), "metadata.name"),
    "no CPU for a skill": (
        review("SkillPack", skills=SKILLS, sidecar={"image": "i", "resources": {"cpu": "0"}}), "spec.sidecar.resources.cpu",
    ),
    "an expression": (
        review("SympoziumTrigger", instanceRef="i", task="{{ event. }}", source={"kubernetesEvent": {}}), "spec.task",
    ),
    "a key": (
        review("SympoziumTrigger", instanceRef="i", task="t", source={"kubernetesEvent": {}}, dedupeKey="1 +"),
        "spec.dedupeKey",
    ),
    "an age": (
        review("SympoziumTrigger", instanceRef="i", task="t", source={"kubernetesEvent": {}}, cooldown="9000h"),
        "spec.cooldown",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
async def test_a_mistake_is_refused_with_its_path(world: World, case: str) -> None:
    request, field = WRONG[case]
    request["request"]["userInfo"]["username"] = "admin"
    answer = await world.admit(request)
    assert (answer.allowed, answer.code) == (False, 422)
    assert [cause.field for cause in answer.causes] == [field]


async def test_an_object_without_a_spec_is_checked_too(world: World) -> None:
    request = review("SympoziumPolicy", name="default-policy")
    del request["request"]["object"]["spec"]
    assert not (await world.admit(request)).allowed


async def test_the_built_in_policies_live_in_the_system_namespace(world: World) -> None:
    assert (await world.admit(review("SympoziumPolicy", name="default-policy", namespace=SYSTEM))).allowed


SECRETS = {
    "SympoziumInstance": ({"agents": AGENTS, "authRefs": [{"secret": "mine"}, {"secret": "theirs"}]}, "spec.authRefs[1].secret"),
    "PersonaPack": (
        {"personas": [{"name": "p", "systemPrompt": "s"}], "authRefs": [{"secret": "theirs"}]}, "spec.authRefs[0].secret",
    ),
    "SkillPack": ({"skills": SKILLS, "sidecar": {"image": "i", "secretRef": "theirs"}}, "spec.sidecar.secretRef"),
    "SympoziumTrigger": (
        {"instanceRef": "i", "task": "t", "source": {"webhook": {"secretRef": "theirs"}}}, "spec.source.webhook.secretRef",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SECRETS)
async def test_nobody_gets_to_a_secret_through_an_agent(world: World, kind: str) -> None:
    spec, field = SECRETS[kind]
    world.rights.add(("alice", "get", "secrets", "", "ns", "mine"))
    answer = await world.admit(review(kind, **spec))
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, [field])
    world.rights.add(("alice", "get", "secrets", "", "ns", "theirs"))
    assert (await world.admit(review(kind, **spec))).allowed


async def test_a_trigger_hears_what_its_author_may_hear(world: World) -> None:
    def trigger(*namespaces: str) -> dict:
        source = {"kubernetesEvent": {"namespaces": list(namespaces)}}
        return review("SympoziumTrigger", instanceRef="i", task="t", source=source)

    answer = await world.admit(trigger())
    assert (answer.code, answer.causes[0].field) == (403, "spec.source.kubernetesEvent.namespaces")
    world.rights.add(("alice", "list", "events", "", "ns", ""))
    assert (await world.admit(trigger())).allowed
    answer = await world.admit(trigger("ns", "theirs"))
    assert "alice may not list events in namespace theirs" in answer.message
    world.rights.add(("alice", "list", "events", "", "theirs", ""))
    assert (await world.admit(trigger("ns", "theirs"))).allowed


async def test_nobody_hands_on_rights_that_they_do_not_have(world: World) -> None:
    spec = {"skills": SKILLS, "sidecar": {"image": "i", "rbac": RULES, "clusterRBAC": RULES}}
    world.rights |= {("alice", verb, "pods", "", "ns", "") for verb in ("get", "delete")}
    world.rights.add(("alice", "get", "pods", "", "", ""))
    answer = await world.admit(review("SkillPack", **spec))
    assert [cause.field for cause in answer.causes] == ["spec.sidecar.clusterRBAC"]
    assert "delete pods" in answer.message
    assert "get pods" not in answer.message
    world.rights.add(("alice", "delete", "pods", "", "", ""))
    assert (await world.admit(review("SkillPack", **spec))).allowed


async def test_whoever_may_do_everything_is_asked_one_question(world: World) -> None:
    spec = {"skills": SKILLS, "sidecar": {"image": "i", "clusterRBAC": RULES}}
    assert (await world.admit(review("SkillPack", user="admin", **spec))).allowed
    assert world.asked == [("admin", "*", "*", "*", "", "")]


async def test_an_unchanged_spec_is_not_checked_again(world: World) -> None:
    obj = review("SympoziumInstance", agents=AGENTS, authRefs=[{"secret": "theirs"}])["request"]["object"]
    labelled = {**obj, "metadata": {**obj["metadata"], "labels": {"a": "b"}}}
    assert (await world.admit(review("SympoziumInstance", labelled, old=obj, user=CONTROLLER))).allowed
    edited = {**obj, "spec": {**obj["spec"], "displayName": "n"}}
    assert not (await world.admit(review("SympoziumInstance", edited, old=obj))).allowed


async def test_references_that_may_arrive_later_are_warnings(world: World) -> None:
    answer = await world.admit(review("SympoziumInstance", agents=AGENTS, policyRef="later"))
    assert answer.allowed
    assert "SympoziumPolicy later" in answer.warnings[0]
    answer = await world.admit(review("SympoziumInstance", agents=AGENTS, skills=[{"skillPackRef": "later"}]))
    assert "SkillPack later" in answer.warnings[0]
    answer = await world.admit(review("SympoziumSchedule", instanceRef="later", task="t", schedule="@hourly"))
    assert "SympoziumInstance later" in answer.warnings[0]


async def test_notes_larger_than_a_config_map_are_warned_of(world: World) -> None:
    answer = await world.admit(review("SympoziumInstance", agents=AGENTS, memory={"maxSizeKB": 513}))
    assert answer.allowed
    assert answer.warnings[0].startswith("spec.memory.maxSizeKB: 513: notes have 512 KiB at most")
    assert not (
        await world.admit(review("SympoziumInstance", agents=AGENTS, memory={"maxSizeKB": 512}))
    ).warnings


async def test_an_instance_is_told_that_its_runs_will_be_refused(world: World) -> None:
    world.put("SympoziumPolicy", "ns", "p", {"toolGating": {"defaultAction": "deny", "rules": []}})
    answer = await world.admit(
        review("SympoziumInstance", agents=AGENTS, policyRef="p", toolPolicy={"allow": ["x", "*"]})
    )
    assert answer.allowed
    assert "spec.toolPolicy.allow[0]: runs will be refused" in answer.warnings[0]
    assert len(answer.warnings) == 1


async def test_what_a_pack_says_for_nobody_is_a_warning(world: World) -> None:
    personas = [{"name": "p", "systemPrompt": "s", "skills": ["k8s-ops"], "channels": ["slack"]}]
    answer = await world.admit(
        review(
            "PersonaPack", personas=personas, excludePersonas=["q"], skillParams={"k8s-ops": {}, "other": {}}
        )
    )
    assert answer.allowed
    assert [w.split(":")[0].split(" has")[0] for w in answer.warnings] == [
        "spec.personas[0].channels", "spec.excludePersonas[0]", "spec.skillParams[other]"
    ]  # fmt: skip


async def test_the_built_in_objects_pass(world: World) -> None:
    from sympozium.catalog import documents

    for document in documents():
        meta = document["metadata"]
        request = review(
            document["kind"], document, user="admin", namespace=meta["namespace"], name=meta["name"]
        )
        answer = await world.admit(request)
        assert answer.allowed, answer.message
        assert answer.warnings == ()
        world.put(document["kind"], meta["namespace"], meta["name"], document["spec"])


async def test_a_kind_that_it_does_not_know_is_refused(world: World) -> None:
    assert not (await world.validate(review("SympoziumTrigger"))).allowed


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("SympoziumInstance", {"agents": {"default": {"model": "m", "baseURL": "http://x/v1"}}}, "spec.agents.default.baseURL"),
        (
            "SympoziumInstance",
            {"agents": {"default": {"model": "m", "env": {"OPENAI_BASE_URL": "http://x/v1"}}}},
            "spec.agents.default.env",
        ),
        ("PersonaPack", {"personas": [{"name": "p", "systemPrompt": "s"}], "baseURL": "http://x/v1"}, "spec.baseURL"),
        (
            "PersonaPack",
            {"personas": [{"name": "p", "systemPrompt": "s", "baseURL": "http://x/v1"}]},
            "spec.personas[0].baseURL",
        ),
    ],
)  # fmt: skip
async def test_the_key_of_the_installation_goes_nowhere_its_reader_did_not_choose(
    world: World, kind, spec, field
) -> None:
    world.put("SympoziumConfig", SYSTEM, "default", {"authRefs": [{"secret": "shared"}]})
    answer = await world.admit(review(kind, **spec))
    assert answer.code == 403
    assert answer.causes[0].field.startswith(f"{field}: ")
    assert "alice may not read the Secret shared" in answer.message
    assert (await world.admit(review(kind, user="admin", **spec))).allowed


async def test_the_key_of_the_installation_is_there_for_all(world: World) -> None:
    world.put("SympoziumConfig", SYSTEM, "default", {"authRefs": [{"secret": "shared"}]})
    assert (await world.admit(review("SympoziumInstance", agents=AGENTS))).allowed
