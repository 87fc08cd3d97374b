"""The built-in objects are valid, agree with each other, and say what SEED says."""

import pytest
import yaml

import sympozium
from sympozium import catalog
from sympozium.api import PersonaPack, SkillPack, SympoziumPolicy, cron, parse, unimplemented
from sympozium.policy import BUILTIN, Call, Effective, gate, rbac, refusal
from sympozium.policy.resolve import RESERVED_POLICIES

OBJECTS = {(d["kind"], d["metadata"]["name"]): d for d in catalog.documents()}


@pytest.mark.parametrize("key", OBJECTS)
def test_it_is_valid_and_marked(key: tuple[str, str]) -> None:
    document = OBJECTS[key]
    parse(document)
    assert document["metadata"]["labels"] == {"sympozium.ai/builtin": "true"}
    assert document["metadata"]["namespace"] == "sympozium-system"
    assert unimplemented.find(document) == []
    assert "{version}" not in yaml.safe_dump(document)


def get(kind: type, name: str):
    return parse(OBJECTS[(kind.__name__, name)])


def test_the_names_of_built_in_policies_are_reserved() -> None:
    assert {name for kind, name in OBJECTS if kind == "SympoziumPolicy"} == RESERVED_POLICIES


def test_default_policy_asks_before_commands() -> None:
    held = Effective.of(get(SympoziumPolicy, "default-policy"))
    assert gate(Call("execute_command", "shell"), held).action == "ask"
    assert gate(Call("execute_command", "k8s-ops"), held).action == "ask"
    assert gate(Call("kubectl_get", "k8s-ops"), held).allowed
    assert all(gate(Call(tool, "shell"), held).allowed for tool in BUILTIN - {"execute_command"})


def test_restrictive_policy_reads_and_nothing_else() -> None:
    held = Effective.of(get(SympoziumPolicy, "restrictive-policy"))
    assert {tool for tool in BUILTIN if refusal(tool, held) is None} == {"read_file", "list_directory"}
    spec = get(SympoziumPolicy, "restrictive-policy").spec
    assert (spec.sandbox_policy.required, spec.sandbox_policy.max_cpu, spec.sandbox_policy.max_memory) == (
        True,
        "2",
        "4Gi",
    )
    assert spec.network_policy.deny_all


def test_k8s_ops_gets_all_it_asks_for_under_the_default_policy_and_only_reads_otherwise() -> None:
    sidecar = get(SkillPack, "k8s-ops").spec.sidecar
    assert rbac.grant(sidecar.cluster_rbac, Effective.of(get(SympoziumPolicy, "default-policy"))).cut == ()
    bare = rbac.grant(sidecar.cluster_rbac, Effective.of(get(SympoziumPolicy, "restrictive-policy")))
    assert {verb for rule in bare.rules for verb in rule.verbs} == {"get", "list", "watch"}
    assert sidecar.image == f"ghcr.io/sympozium/skill-k8s-ops:v{sympozium.__version__}"


def test_k8s_ops_asks_for_nothing_beyond_what_the_administrator_lets_be_granted() -> None:
    from sympozium.catalog.install import documents

    roles = [
        d
        for d in documents()
        if d["kind"] == "ClusterRole" and d["metadata"]["name"].startswith("sympozium-grantable")
    ]
    grantable = {
        (group, resource, verb)
        for role in roles
        for rule in role.get("rules") or ()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    asked = {
        (group, resource, verb)
        for rule in get(SkillPack, "k8s-ops").spec.sidecar.cluster_rbac
        for group in rule.api_groups
        for resource in rule.resources
        for verb in rule.verbs
    }
    assert asked - grantable == set()


def test_the_platform_team_is_off_and_complete() -> None:
    pack = get(PersonaPack, "platform-team")
    assert pack.spec.enabled is False
    personas = {persona.name: persona for persona in pack.spec.personas}
    assert personas.keys() == {"sre-agent", "incident-responder"}
    schedule = personas["sre-agent"].schedule
    assert schedule.type == "heartbeat"
    assert schedule.cron == "0 * * * *"
    assert cron.problem(schedule.cron) is None
    assert personas["incident-responder"].schedule is None
    for persona in personas.values():
        assert all(("SkillPack", skill) in OBJECTS for skill in persona.skills)
    assert ("SympoziumPolicy", pack.spec.policy_ref) in OBJECTS


def test_each_call_gives_objects_of_its_own() -> None:
    catalog.documents()[0]["metadata"]["name"] = "changed"
    assert catalog.documents()[0]["metadata"]["name"] != "changed"


def test_one_object() -> None:
    assert catalog.document("PersonaPack", "platform-team")["kind"] == "PersonaPack"
    with pytest.raises(KeyError, match="platform-team"):
        catalog.document("PersonaPack", "no-team")


def test_it_is_installed_into_any_namespace_with_images_of_any_registry() -> None:
    found = catalog.documents(namespace="agents", registry="mirror.example/s", tag="v9")
    assert {d["metadata"]["namespace"] for d in found} == {"agents"}
    pack = next(d for d in found if d["metadata"]["name"] == "k8s-ops")
    assert pack["spec"]["sidecar"]["image"] == "mirror.example/s/skill-k8s-ops:v9"
