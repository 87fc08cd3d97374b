import pytest
from tests.unit.policy.make import effective, gating, instance, pack, policy

from sympozium.api.config import ConfigSpec
from sympozium.api.shared import Parent, SkillRef
from sympozium.policy import BUILTIN, Effective, resolve, target_of, unknown_gates
from sympozium.policy.resolve import MissingReferenceError


def test_it_passes_through_its_file_unchanged() -> None:
    held = effective(
        name="n", generation=7, floor=policy("f"), toolGating=gating({"tool": "a", "action": "ask"})
    )
    file = held.to_file()
    again = Effective.from_file(type(file).model_validate_json(file.model_dump_json(by_alias=True)))
    assert again.digest == held.digest == file.digest
    assert (again.name, again.generation, len(again.layers)) == ("n", 7, 2)


def test_the_digest_is_over_the_rules_of_all_layers() -> None:
    assert effective().digest == effective(generation=9).digest
    assert effective(approvals={}).digest == effective(approvals={"timeout": "1h"}).digest
    assert effective().digest != effective(floor=policy("f")).digest
    assert effective().digest != effective(featureGates={"file-access": False}).digest


def test_the_shortest_wait_for_a_person_holds() -> None:
    assert effective().approval_timeout == 3600
    assert (
        effective(approvals={"timeout": "2h"}, floor=policy(approvals={"timeout": "5m"})).approval_timeout
        == 300
    )
    assert effective(approvals={}).approval_timeout == 3600


def test_nothing_runs_ungoverned() -> None:
    with pytest.raises(AssertionError, match="must not exist"):
        Effective(())


def test_gates_that_no_tool_knows() -> None:
    assert unknown_gates(policy(featureGates={"teleport": True, "file-access": True}).spec) == ["teleport"]


def test_built_in_tools_have_a_target() -> None:
    assert {tool for tool in BUILTIN if target_of(tool) == "tools"} == {
        "fetch_url", "send_channel_message", "schedule_task", "spawn_agent", "remember"
    }  # fmt: skip
    assert target_of("execute_command") == "shell"


SYSTEM = "sympozium-system"


def finder(*policies):
    return {(p.namespace, p.name): p for p in policies}.get


def placed(namespace: str, name: str, **spec):
    found = policy(name, **spec)
    found.metadata.namespace = namespace
    return found


def test_a_policy_is_looked_for_at_home_first() -> None:
    own, theirs = placed("ns", "p", approvals={"timeout": "1m"}), placed(SYSTEM, "p")
    held = resolve.effective(instance(policyRef="p"), ConfigSpec(), finder(own, theirs))
    assert held.approval_timeout == 60
    assert resolve.effective(instance(policyRef="p"), ConfigSpec(), finder(theirs)).approval_timeout == 3600


def test_the_default_policy_cannot_be_replaced_at_home() -> None:
    shadow = placed("ns", "default-policy", approvals={"timeout": "1m"})
    held = resolve.effective(instance(), ConfigSpec(), finder(shadow, placed(SYSTEM, "default-policy")))
    assert held.approval_timeout == 3600
    with pytest.raises(MissingReferenceError, match="defaultPolicyRef"):
        resolve.effective(instance(), ConfigSpec(), finder(shadow))


def test_a_floor_that_is_configured_must_be_there() -> None:
    config = ConfigSpec(floor_policy_ref="floor")
    default = placed(SYSTEM, "default-policy")
    with pytest.raises(MissingReferenceError, match="floorPolicyRef"):
        resolve.effective(instance(), config, finder(default, placed("ns", "floor")))
    held = resolve.effective(instance(), config, finder(default, placed(SYSTEM, "floor")))
    assert [layer.source for layer in held] == ["instance", "floor"]


def test_a_missing_policy_is_named_with_where_it_was_looked_for() -> None:
    with pytest.raises(
        MissingReferenceError, match=r"spec\.policyRef: SympoziumPolicy p is not in ns or sympozium-system"
    ):
        resolve.effective(instance(policyRef="p"), ConfigSpec(), finder())


def test_packs_are_found_by_name_and_missing_ones_by_index() -> None:
    k8s = pack("k8s-ops")
    skills = [SkillRef(config_map_ref="c"), SkillRef(skill_pack_ref="k8s-ops")]
    assert resolve.skill_packs("ns", skills, {("ns", "k8s-ops"): k8s}.get) == {"k8s-ops": k8s}
    with pytest.raises(MissingReferenceError, match=r"spec\.skills\[1\]\.skillPackRef"):
        resolve.skill_packs("ns", skills, {}.get)


def parent(*names: str, tool_policies: tuple = (), namespace: str = "ns") -> Parent:
    keys = [{"namespace": namespace, "name": name} for name in names]
    return Parent.model_validate(
        {"runName": "above", "sessionKey": "s", "spawnDepth": 1, "policies": keys, "toolPolicies": list(tool_policies)}
    )  # fmt: skip


def test_policies_of_the_runs_above_hold_too_each_once() -> None:
    find = finder(*(placed("ns", name) for name in "pab"), placed(SYSTEM, "floor"), placed(SYSTEM, "a"))
    config = ConfigSpec(floor_policy_ref="floor")
    above = Parent(
        run_name="r",
        session_key="s",
        spawn_depth=2,
        policies=[*parent("p", "a", "a").policies, *parent("floor", "a", namespace=SYSTEM).policies],
    )
    held = resolve.effective(instance(policyRef="p"), config, find, parent=above)
    assert [(layer.name, layer.source) for layer in held] == [
        ("p", "instance"), ("floor", "floor"), ("a", "parent"), ("a", "parent")
    ]  # fmt: skip
    assert resolve.handed_down(instance(policyRef="p"), config, find, parent=above) == [
        *parent("p", "a").policies, *parent("floor", "a", namespace=SYSTEM).policies
    ]  # fmt: skip
    assert resolve.handed_down(instance(policyRef="b"), config, find) == parent("b").policies


def test_a_policy_of_a_run_above_that_is_gone_is_named() -> None:
    find = finder(placed("ns", "p"), placed(SYSTEM, "a"))
    with pytest.raises(MissingReferenceError) as raised:
        resolve.effective(instance(policyRef="p"), ConfigSpec(), find, parent=parent("p", "a"))
    assert raised.value.field == "spec.parent.policies[1]"
    assert raised.value.message.startswith("SympoziumPolicy a is not in ns: it holds for this run because")


def test_layers_that_watch_are_told_apart_from_those_that_bind() -> None:
    held = effective(
        enforcement="Audit",
        featureGates={"file-access": False},
        approvals={"timeout": "1s"},
        floor=policy("floor"),
    )
    assert [layer.name for layer in held.enforced] == ["floor"]
    assert [layer.name for layer in held.audited] == ["p"]
    assert held.approval_timeout == 3600
    assert [layer.spec.enforcement for layer in held.as_enforced] == ["Enforce", "Enforce"]
    assert held.as_enforced.approval_timeout == 1
    assert "read_file" in held.open_tools
    assert "read_file" not in held.as_enforced.open_tools
    plain = effective()
    assert plain.as_enforced is plain
