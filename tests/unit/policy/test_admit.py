import pytest
from tests.unit.policy.make import effective, gating, instance, pack, policy, run

from sympozium.policy import admit, tool_policies
from sympozium.policy.images import normal

RESTRICTIVE = gating(
    {"tool": "read_file", "action": "allow"}, {"tool": "write_file", "action": "deny"}, default="deny"
)


def found(spec: dict, *, packs: dict | None = None, inst=None, **rules) -> dict[str, str]:
    return {
        v.field: v.message for v in admit(run(**spec), inst or instance(), effective(**rules), packs or {})
    }


def test_a_tool_that_is_asked_for_and_denied_is_refused_with_the_rule() -> None:
    refused = found(
        {"toolPolicy": {"allow": ["read_file", "write_file", "fetch_url"]}}, toolGating=RESTRICTIVE
    )
    assert refused.keys() == {"spec.toolPolicy.allow[1]", "spec.toolPolicy.allow[2]"}
    assert "p: toolGating.rules[1] (write_file: deny)" in refused["spec.toolPolicy.allow[1]"]
    assert "defaultAction" in refused["spec.toolPolicy.allow[2]"]


def test_a_glob_asks_for_what_there_is() -> None:
    assert found({"toolPolicy": {"allow": ["*_file", "*"]}}, toolGating=RESTRICTIVE) == {}


def test_a_tool_that_would_be_asked_about_is_no_violation() -> None:
    assert found({"toolPolicy": {"allow": ["execute_command"]}}, toolGating=gating(default="ask")) == {}


def test_the_instances_tools_are_held_to_the_policy_too() -> None:
    inst = instance(toolPolicy={"allow": ["write_file"]})
    assert list(found({}, inst=inst, toolGating=RESTRICTIVE)) == [
        "spec.instanceRef: i: spec.toolPolicy.allow[0]"
    ]
    assert tool_policies(run(toolPolicy={"deny": ["a"]}), inst)[1].deny == ["a"]
    assert tool_policies(run(), instance()) == []


def test_a_required_sandbox_cannot_be_switched_off() -> None:
    required = {"sandboxPolicy": {"required": True}}
    assert (
        "sandboxPolicy.required" in found({"sandbox": {"enabled": False}}, **required)["spec.sandbox.enabled"]
    )
    assert "spec.sandbox.enabled" in found({}, **required)
    assert found({"sandbox": {"enabled": True}}, **required) == {}


@pytest.mark.parametrize("kind", ["limits", "requests"])
def test_a_sandbox_has_no_more_than_its_policy_gives(kind: str) -> None:
    rules = {"sandboxPolicy": {"required": False, "maxCPU": "2", "maxMemory": "4Gi"}}
    sandbox = {"enabled": True, "resources": {kind: {"cpu": "2001m", "memory": "4Gi"}}}
    refused = found({"sandbox": sandbox}, **rules)
    assert list(refused) == [f"spec.sandbox.resources.{kind}.cpu"]
    assert "maxCPU: 2" in next(iter(refused.values()))


def test_models_and_providers() -> None:
    rules = {"modelPolicy": {"allowedModels": ["qwen*"], "allowedProviders": ["ollama"]}}
    assert found({"model": {"model": "qwen3.5", "provider": "ollama"}}, **rules) == {}
    refused = found({"model": {"model": "gpt", "provider": "openai"}}, **rules)
    assert refused.keys() == {"spec.model.model", "spec.model.provider"}
    assert found({}, **rules).keys() == {"spec.model.model", "spec.model.provider"}


def test_images_are_compared_by_segments() -> None:
    rules = {"imagePolicy": {"allowedRegistries": ["ghcr.io/acme"]}}

    def image(name: str) -> dict:
        return found({"sandbox": {"enabled": True, "image": name}}, **rules)

    assert image("ghcr.io/acme/tool:v1") == {}
    assert image("ghcr.io/acme/tool@sha256:" + "0" * 64) == {}
    assert list(image("ghcr.io/acme-evil/tool")) == ["spec.sandbox.image"]
    assert list(image("acme/tool")) == ["spec.sandbox.image"]
    skills = {"skills": [{"skillPackRef": "a"}]}
    assert found(skills, packs={"a": pack("a", mountWorkspace=True)}, **rules) == {}
    assert list(found(skills, packs={"a": pack("a", image="evil.io/x")}, **rules)) == [
        "spec.skills[0].skillPackRef"
    ]


@pytest.mark.parametrize(
    ("image", "expected"),
    [("busybox", "docker.io/library/busybox"), ("a/b:1", "docker.io/a/b"), ("localhost:5000/a:1", "localhost:5000/a"),
     ("ghcr.io/a/b:1@sha256:x", "ghcr.io/a/b"), ("localhost/host:latest", "localhost/host")],
)  # fmt: skip
def test_an_image_means_what_a_runtime_makes_of_it(image: str, expected: str) -> None:
    assert normal(image) == expected


def test_access_to_the_node_needs_a_policy_that_says_so() -> None:
    skills = {"skills": [{"skillPackRef": "llmfit"}]}
    packs = {"llmfit": pack("llmfit", hostAccess={"enabled": True, "hostPID": True})}
    assert "allowHostMounts" in found(skills, packs=packs)["spec.skills[0].skillPackRef"]
    assert found(skills, packs=packs, sandboxPolicy={"required": False, "allowHostMounts": True}) == {}
    off = {"llmfit": pack("llmfit", hostAccess={"enabled": False})}
    assert found(skills, packs=off) == {}


def test_the_profile_of_system_calls_is_not_weakened() -> None:
    rules = {"sandboxPolicy": {"required": True, "seccompProfile": {"type": "RuntimeDefault"}}}

    def profile(kind: str) -> dict:
        return found(
            {"sandbox": {"enabled": True, "securityContext": {"seccompProfile": {"type": kind}}}}, **rules
        )

    assert list(profile("Unconfined")) == ["spec.sandbox.securityContext.seccompProfile.type"]
    assert profile("RuntimeDefault") == {}


def test_amounts_that_contradict_each_other() -> None:
    inst = instance(default={"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})
    assert "more than its limit" in next(iter(found({}, inst=inst).values()))


def test_a_floor_refuses_what_the_instances_policy_allows() -> None:
    floor = policy("floor", toolGating=RESTRICTIVE)
    refused = found({"toolPolicy": {"allow": ["write_file"]}}, floor=floor)
    assert "floor: toolGating.rules[1]" in refused["spec.toolPolicy.allow[0]"]


def judged(spec: dict, *, packs=(), inst=None, floor=None, **rules):
    return admit(run(**spec), inst or instance(), effective(floor=floor, **rules), dict(packs))


EVERYTHING = {
    "toolGating": RESTRICTIVE,
    "sandboxPolicy": {"required": True, "maxCPU": "1", "seccompProfile": {"type": "RuntimeDefault"}},
    "modelPolicy": {"allowedModels": ["a*", "b"], "allowedProviders": ["ollama"]},
    "imagePolicy": {"allowedRegistries": ["ghcr.io/acme"]},
    "subagentPolicy": {"maxDepth": 1},
    "featureGates": {"sub-agents": False},
}
WRONG = {
    "toolPolicy": {"allow": ["write_file"]},
    "sandbox": {"enabled": True, "image": "evil.io/x", "resources": {"limits": {"cpu": "2"}}, "securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    "model": {"model": "c", "provider": "openai"},
    "skills": [{"skillPackRef": "a"}],
    "parent": {"runName": "r", "sessionKey": "s", "spawnDepth": 2},
}  # fmt: skip


def test_every_violation_names_its_rule_and_what_would_be_allowed() -> None:
    packs = {"a": pack("a", hostAccess={"enabled": True})}
    found = {v.rule: v for v in judged(WRONG, packs=packs, **EVERYTHING)}
    assert {rule: (v.field, v.instead) for rule, v in found.items()} == {
        "p: toolGating.rules[1] (write_file: deny)": ("spec.toolPolicy.allow[0]", "other tools of the kind file-access: read_file"),
        "p: sandboxPolicy.maxCPU": ("spec.sandbox.resources.limits.cpu", "1 or less"),
        "p: sandboxPolicy.seccompProfile": ("spec.sandbox.securityContext.seccompProfile.type", "RuntimeDefault"),
        "p: modelPolicy.allowedModels": ("spec.model.model", "allowed models: a*, b"),
        "p: modelPolicy.allowedProviders": ("spec.model.provider", "allowed providers: ollama"),
        "p: imagePolicy.allowedRegistries": ("spec.sandbox.image", "an image of ghcr.io/acme"),
        "p: sandboxPolicy.allowHostMounts": ("spec.skills[0].skillPackRef", "a skill pack without hostAccess"),
        "p: featureGates[sub-agents]": ("spec.parent", "a run that a person, a schedule or a trigger starts"),
        "p: subagentPolicy.maxDepth": ("spec.parent.spawnDepth", "runs at depth 1 or less"),
    }  # fmt: skip
    assert not any(v.audit for v in found.values())
    (off,) = judged({"sandbox": {"enabled": False}}, sandboxPolicy={"required": True})
    assert (off.rule, off.instead) == ("p: sandboxPolicy.required", "leave spec.sandbox out, or set enabled to true")  # fmt: skip
    assert (
        found["p: modelPolicy.allowedModels"].message
        == "c: policy p allows a*, b (modelPolicy.allowedModels)"
    )
    (alone,) = judged({"toolPolicy": {"allow": ["skill_x"]}}, toolGating=RESTRICTIVE)
    assert alone.instead == "leave skill_x out"


def test_a_policy_that_watches_admits_and_records_the_same() -> None:
    packs = {"a": pack("a", hostAccess={"enabled": True})}
    bound = judged(WRONG, packs=packs, **EVERYTHING)
    watched = judged(WRONG, packs=packs, enforcement="Audit", **EVERYTHING)
    assert all(v.audit for v in watched)
    assert {(v.field, v.rule) for v in watched} == {(v.field, v.rule) for v in bound}
    floor = policy("floor", enforcement="Audit", **EVERYTHING)
    beside = judged(
        WRONG, packs=packs, floor=floor, sandboxPolicy={"required": False, "allowHostMounts": True}
    )
    assert {v.audit for v in beside} == {True}


def test_contradictions_are_wrong_whatever_the_policy_does() -> None:
    resources = {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}
    (found,) = judged({"sandbox": {"enabled": True, "resources": resources}}, enforcement="Audit")
    assert (found.field, found.audit) == ("spec.sandbox.resources.requests.cpu", False)


def test_a_policy_that_is_two_layers_is_told_once() -> None:
    same = {"modelPolicy": {"allowedModels": ["a"]}}
    assert len(judged({"model": {"model": "b"}}, floor=policy("p", **same), **same)) == 1


def test_a_gate_for_sub_agents_is_about_runs_that_runs_start() -> None:
    assert judged({}, featureGates={"sub-agents": False}) == []
    child = {"parent": {"runName": "r", "sessionKey": "s", "spawnDepth": 1}}
    assert [v.field for v in judged(child, featureGates={"sub-agents": False})] == ["spec.parent"]
    assert judged(child, featureGates={"sub-agents": True}) == []


def test_tool_policies_of_the_runs_above_narrow_too() -> None:
    above = {"runName": "r", "sessionKey": "s", "spawnDepth": 1, "toolPolicies": [{"deny": ["x"]}]}
    found = tool_policies(
        run(parent=above, toolPolicy={"allow": ["a"]}), instance(toolPolicy={"allow": ["b"]})
    )
    assert [(p.allow, p.deny) for p in found] == [(["b"], []), (["a"], []), ([], ["x"])]
