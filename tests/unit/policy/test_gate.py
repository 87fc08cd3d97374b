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


def test_a_layer_that_watches_neither_denies_nor_asks() -> None:
    watching = {"enforcement": "Audit", "toolGating": gating({"tool": "write_file", "action": "deny"}, default="ask")}  # fmt: skip
    verdict = gate(Call("write_file", "shell"), effective(**watching))
    assert (verdict.action, verdict.rule) == ("allow", "p: enforcement (Audit)")
    assert verdict.reason == "policy p only watches: it refuses nothing"
    assert verdict.audited.action == "deny"
    assert verdict.audited.rule == "p: toolGating.rules[0] (write_file: deny)"
    assert (
        verdict.audited.reason == "policy p denies write_file (the policy only watches: enforcement is Audit)"
    )
    assert gate(COMMAND, effective(**watching)).audited.action == "ask"
    assert offered("write_file", ["shell"], effective(**watching))
    assert refusal("write_file", effective(**watching)) is None


def test_what_a_watching_layer_says_is_kept_only_when_it_is_stricter() -> None:
    floor = policy("floor", toolGating=gating(default="ask"))

    def beside(default: str):
        return gate(COMMAND, effective(floor=floor, enforcement="Audit", toolGating=gating(default=default)))

    assert [beside(d).action for d in ("allow", "ask", "deny")] == ["ask"] * 3
    assert [beside(d).audited is None for d in ("allow", "ask", "deny")] == [True, True, False]
    watching = policy("floor", enforcement="Audit", featureGates={"code-execution": False})
    verdict = gate(COMMAND, effective(floor=watching, toolGating=gating(default="ask")))
    assert (verdict.action, verdict.audited.rule) == ("ask", "floor: featureGates[code-execution]")
    first = effective(enforcement="Audit", toolGating=gating(default="ask"), floor=policy("f", enforcement="Audit", toolGating=gating(default="deny")))  # fmt: skip
    assert gate(COMMAND, first).audited.rule.startswith("f: ")


def test_a_tool_policy_binds_beside_layers_that_watch() -> None:
    held = effective(enforcement="Audit")
    assert gate(COMMAND, held, [ToolPolicy(deny=["*"])]).action == "deny"
    assert not offered("execute_command", ["shell"], held, [ToolPolicy(deny=["*"])])


def instead(call: Call, *, tool_policies=(), **spec) -> str:
    return gate(call, effective(**spec), tool_policies).instead


def test_what_would_be_allowed_instead() -> None:
    assert instead(COMMAND) == ""
    assert instead(COMMAND, toolGating=gating(default="ask")) == "this call, once a person has approved it"
    assert instead(COMMAND, toolGating=gating(default="deny")) == ""
    on = gating({"tool": "execute_command", "target": "k8s-ops", "action": "ask"}, {"tool": "execute_command", "target": "h*", "action": "allow"}, default="deny")  # fmt: skip
    assert instead(COMMAND, toolGating=on) == "execute_command on target k8s-ops"
    assert instead(Call("execute_command", "x"), toolGating=on, floor=policy("f", toolGating=gating(default="deny"))) == ""  # fmt: skip
    files = gating({"tool": "write_file", "action": "deny"}, {"tool": "edit_file", "action": "deny"})
    assert instead(Call("write_file", "shell"), toolGating=files) == "other tools of the kind file-access: read_file, list_directory"  # fmt: skip
    assert instead(Call("write_file", "shell"), toolGating=files, tool_policies=[ToolPolicy(deny=["read*"])]) == "other tools of the kind file-access: list_directory"  # fmt: skip
    assert instead(COMMAND, tool_policies=[ToolPolicy(allow=["read_file", "x*"])]) == "tools that the run asked for: read_file, x*"  # fmt: skip
    assert instead(Call("skill_a", "skill"), toolGating=gating(default="deny")) == ""


def test_conditions_under_which_a_call_would_be_let_through_are_told_when_they_are_reached() -> None:
    inside = {"tool": "read_file", "action": "allow", "when": "args.path.startsWith('/in')"}
    never = {"tool": "read_file", "action": "deny", "when": "args.path == '/never'"}
    after = {"tool": "read_file", "action": "deny"}
    asked = Call("read_file", "shell", {"path": "/out"})
    rules = gating(never, inside, after, {**inside, "when": "true"}, default="deny")
    words = "read_file with arguments for which holds: `args.path.startsWith('/in')` (p: toolGating.rules[1])"
    assert instead(asked, toolGating=rules) == words


def test_what_would_be_allowed_is_bounded() -> None:
    rules = gating(*({"tool": "execute_command", "target": f"t{n}", "action": "allow"} for n in range(9)), default="deny")  # fmt: skip
    assert instead(COMMAND, toolGating=rules) == "execute_command on target t0 or t1 or t2"
    conditions = gating(*({"tool": "execute_command", "action": "allow", "when": f"args.n == {n}"} for n in range(9)), default="deny")  # fmt: skip
    words = instead(Call("execute_command", "shell", {"n": 10}), toolGating=conditions)
    assert words.count("toolGating.rules") == 3


def test_only_what_is_certain_is_named_instead() -> None:
    """A target or a tool whose rule has a condition may be denied as well, for arguments that nobody knows yet."""
    guard = {"tool": "execute_command", "target": "k8s-ops", "action": "deny", "when": "args.n > 1"}
    opened = {"tool": "execute_command", "target": "k8s-ops", "action": "allow"}
    assert instead(COMMAND, toolGating=gating(opened, guard, default="deny")) == "execute_command on target k8s-ops"  # fmt: skip
    assert instead(COMMAND, toolGating=gating(guard, opened, default="deny")) == ""
    reads = {"tool": "read_file", "action": "allow", "when": "args.path == '/a'"}
    lists = {"tool": "list_directory", "action": "ask"}
    held = {"toolGating": gating(reads, lists, default="deny")}
    assert instead(Call("write_file", "shell"), **held) == "other tools of the kind file-access: list_directory"  # fmt: skip
    floor = policy("f", featureGates={"code-execution": False})
    assert gate(COMMAND, effective(floor=floor, toolGating=gating(opened, default="deny"))).instead == ""
