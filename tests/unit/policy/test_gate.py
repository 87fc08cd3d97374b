from fnmatch import fnmatchcase

import pytest
from hypothesis import given, strategies as st
from tests.unit.policy.make import effective, gating, policy

from sympozium.api.shared import ToolPolicy
from sympozium.policy import Call, gate, offered, refusal

COMMAND = Call("execute_command", "shell")


def test_the_first_rule_that_matches_decides() -> None:
    rules = gating(
        {"tool": "read_*", "action": "allow"}, {"tool": "*", "action": "deny", "reason": "not here"}
    )
    held = effective(toolGating=rules)
    assert gate(Call("read_file", "shell"), held).allowed
    denied = gate(COMMAND, held)
    assert denied.action == "deny"
    assert denied.rule == "p: toolGating.rules[1] (*: deny)"
    assert denied.reason == "not here"


def test_without_a_rule_the_default_decides_and_says_so() -> None:
    verdict = gate(COMMAND, effective(toolGating=gating(default="ask")))
    assert verdict.action == "ask"
    assert not verdict.allowed
    assert "defaultAction" in verdict.rule


def test_a_policy_without_gating_allows() -> None:
    assert gate(COMMAND, effective()).allowed


def test_a_target_narrows_a_rule() -> None:
    held = effective(
        toolGating=gating({"tool": "execute_command", "target": "k8s-*", "action": "ask"}, default="deny")
    )
    assert gate(Call("execute_command", "k8s-ops"), held).action == "ask"
    assert gate(COMMAND, held).action == "deny"
    assert "on k8s-*" in gate(Call("execute_command", "k8s-ops"), held).rule


@pytest.mark.parametrize(
    ("tool", "feature"),
    [("execute_command", "code-execution"), ("read_file", "file-access"), ("write_file", "file-access"),
     ("edit_file", "file-access"), ("list_directory", "file-access"), ("fetch_url", "browser-automation"),
     ("spawn_agent", "sub-agents")],
)  # fmt: skip
def test_a_closed_feature_gate_takes_its_tools_away(tool: str, feature: str) -> None:
    verdict = gate(Call(tool, "shell"), effective(featureGates={feature: False}))
    assert verdict.action == "deny"
    assert feature in verdict.rule
    assert gate(Call(tool, "shell"), effective(featureGates={feature: True})).allowed
    assert gate(Call("kubectl_get", "k8s-ops"), effective(featureGates={feature: False})).allowed


def test_tool_policies_only_deny() -> None:
    held = effective(toolGating=gating({"tool": "write_file", "action": "deny"}))
    wide = ToolPolicy(allow=["*"])
    assert gate(Call("write_file", "shell"), held, [wide]).action == "deny"
    assert gate(COMMAND, held, [ToolPolicy(allow=["read_file"])]).rule == "toolPolicy.allow"
    assert gate(COMMAND, held, [wide, ToolPolicy(deny=["execute_*"])]).rule == "toolPolicy.deny"
    assert (
        gate(COMMAND, held, [ToolPolicy(allow=["execute_command"], deny=["execute_command"])]).action
        == "deny"
    )


def test_the_floor_and_parents_narrow() -> None:
    floor = policy("floor", toolGating=gating({"tool": "execute_command", "action": "ask"}))
    parent = policy("parent", featureGates={"file-access": False})
    held = effective(floor=floor, parents=(parent,))
    assert gate(COMMAND, held).rule.startswith("floor: ")
    assert gate(Call("read_file", "shell"), held).rule.startswith("parent: ")
    stricter = effective(floor=floor, toolGating=gating(default="deny"))
    assert gate(COMMAND, stricter).action == "deny"


def test_a_tool_is_offered_where_some_target_is_not_denied() -> None:
    held = effective(toolGating=gating({"tool": "execute_command", "target": "shell", "action": "deny"}))
    assert offered("execute_command", ["shell", "k8s-ops"], held)
    assert not offered("execute_command", ["shell"], held)
    assert not offered("execute_command", [], held)
    assert offered("execute_command", ["a"], effective(toolGating=gating(default="ask")))


def test_admission_refuses_what_is_denied_on_every_target() -> None:
    somewhere = effective(
        toolGating=gating({"tool": "execute_command", "target": "k8s-ops", "action": "ask"}, default="deny")
    )
    assert refusal("execute_command", somewhere) is None
    assert refusal("write_file", somewhere) is not None
    part = effective(toolGating=gating({"tool": "execute_command", "target": "shell", "action": "deny"}))
    assert refusal("execute_command", part) is None
    everywhere = effective(toolGating=gating({"tool": "x", "target": "*", "action": "deny"}))
    assert refusal("x", everywhere).action == "deny"
    assert refusal("read_file", effective(featureGates={"file-access": False})).action == "deny"


TOOLS = st.sampled_from(["execute_command", "read_file", "write_file", "kubectl_get"])
GLOBS = st.sampled_from(["*", "execute_command", "read_*", "*_file", "kubectl_get"])
ACTIONS = st.sampled_from(["allow", "ask", "deny"])
RULES = st.lists(
    st.fixed_dictionaries(
        {"tool": GLOBS, "action": ACTIONS}, optional={"target": st.sampled_from(["*", "shell", "k*"])}
    ),
    max_size=5,
)
STRICT = {"allow": 0, "ask": 1, "deny": 2}


def by_hand(call: Call, rules: list[dict], default: str) -> str:
    for rule in rules:
        if fnmatchcase(call.tool, rule["tool"]) and fnmatchcase(call.target, rule.get("target", "*")):
            return rule["action"]
    return default


@given(TOOLS, st.sampled_from(["shell", "k8s-ops"]), RULES, ACTIONS, RULES, ACTIONS)
def test_layers_are_an_intersection(tool, target, rules, default, floor_rules, floor_default) -> None:
    call = Call(tool, target)
    floor = policy("floor", toolGating=gating(*floor_rules, default=floor_default))
    held = effective(floor=floor, toolGating=gating(*rules, default=default))
    answers = [by_hand(call, rules, default), by_hand(call, floor_rules, floor_default)]
    assert gate(call, held).action == max(answers, key=STRICT.__getitem__)
    if refusal(tool, held) is not None:
        assert gate(call, held).action == "deny"
