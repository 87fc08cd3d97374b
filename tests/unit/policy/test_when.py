"""Conditions of rules: what they see, and that whatever goes wrong denies."""

import os
import subprocess
import sys

import pytest
from tests.unit.policy.make import effective, gating, policy

from sympozium.policy import Call, gate, offered, refusal, when
from sympozium.policy.when import Condition, ConditionError, Subject

RUN = {"namespace": "ns", "name": "r", "instance": "i", "depth": 0, "trigger": {"kind": "Manual", "user": "alice"}}  # fmt: skip


def call(tool: str = "read_file", target: str = "shell", **args) -> Call:
    return Call(tool, target, args, RUN)


def ruled(expression: str, action: str = "allow", *, default: str = "deny", tool: str = "*"):
    return effective(toolGating=gating({"tool": tool, "action": action, "when": expression}, default=default))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("args.path.startsWith('/workspace/')", "allow"),
        ("args.path == '/etc/passwd'", "deny"),
        ("tool == 'read_file' && target == 'shell'", "allow"),
        ("run.trigger.user == 'alice' && run.namespace == 'ns'", "allow"),
        ("run.depth > 0", "deny"),
        ("has(args.absent)", "deny"),
        ("args.?absent.orValue('x') == 'x'", "allow"),
        ("args.count >= 3", "allow"),
        ("args.deep.list.exists(item, item == 'b')", "allow"),
        ("args.flag", "allow"),
        ("args.off", "deny"),
    ],
)
def test_a_condition_sees_arguments_tool_target_and_run(expression: str, expected: str) -> None:
    asked = call(path="/workspace/a", count=3, deep={"list": ["a", "b"]}, flag=True, off=False)
    assert gate(asked, ruled(expression)).action == expected


def test_a_condition_that_does_not_hold_passes_on_to_the_next_rule() -> None:
    rules = gating(
        {"tool": "read_file", "action": "deny", "when": "args.path.startsWith('/etc/')"},
        {"tool": "read_file", "action": "ask", "when": "args.path.startsWith('/var/')"},
        {"tool": "read_*", "action": "allow"},
        default="deny",
    )
    held = effective(toolGating=rules)
    assert gate(call(path="/etc/x"), held).rule == "p: toolGating.rules[0] (read_file: deny)"
    assert gate(call(path="/var/x"), held).rule == "p: toolGating.rules[1] (read_file: ask)"
    assert gate(call(path="/home/x"), held).rule == "p: toolGating.rules[2] (read_*: allow)"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("args.absent == 'x'", "no such key: absent"),
        ("args.text > 5", "no such overload"),
        ("args.text", "it must give true or false, and gave a value of type string"),
        ("args.nothing", "it must give true or false, and gave a value of type null_type"),
        ("'a' + ", "<input>:1:7: Syntax error"),
        ("unknown", "<input>:1:1: undeclared reference to 'unknown'"),
        ("size(args.text)", "it must give true or false, and gives int"),
        ("args.list[7] == 1", "index out of bounds: 7"),
        ("1 / args.zero == 1", "division by zero"),
        ("args.text.matches(args.broken)", "error parsing regexp"),
        ("args.big.all(a, args.big.all(b, args.big.all(c, a + b + c >= 0)))", "actual cost limit exceeded"),
    ],
)
@pytest.mark.parametrize("action", ["allow", "ask", "deny"])
def test_what_has_no_answer_denies_and_says_why(expression: str, words: str, action: str) -> None:
    """Also a rule that would have allowed, and though the default would allow."""
    asked = call(text="t", broken="(", nothing=None, list=[1], zero=0, big=list(range(1000)))
    verdict = gate(asked, ruled(expression, action, default="allow"))
    assert verdict.action == "deny"
    assert verdict.rule == f"p: toolGating.rules[0] (*: {action}).when"
    assert "`when` of toolGating.rules[0] failed" in verdict.reason
    assert words in verdict.reason
    assert "\n" not in verdict.reason


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2**63, "an integer beyond 64 bits"),
        (-(2**63) - 1, "an integer beyond 64 bits"),
        (float("inf"), "a number that JSON does not know"),
        (float("nan"), "a number that JSON does not know"),
        ("\ud800", "text that is no Unicode"),
        ({"\udfff": 1}, "text that is no Unicode"),
        ({1: 2}, "a key that is no text"),
        ({True: 2}, "a key that is no text"),
        (b"bytes", "a value that JSON does not know (bytes)"),
        ((1, 2), "a value that JSON does not know (tuple)"),
        (nested(when.DEPTH), "nested deeper than 64 levels"),
        (nested(100_000), "nested deeper than 64 levels"),
        ([0] * (when.VALUES - 4), "more than 100000 values"),
        ([[0] * 1000] * 1000, "more than 100000 values"),
        ([{"a": [2**70]}], "an integer beyond 64 bits"),
    ],
)
def test_arguments_that_cel_cannot_hold_are_denied(value: object, words: str) -> None:
    verdict = gate(call(value=value), ruled("true", default="allow"))
    assert (verdict.action, words in verdict.reason) == ("deny", True), verdict.reason


@pytest.mark.parametrize(
    "value",
    [2**63 - 1, -(2**63), 1.5, "\U0001f600 é", {"é": [None, True]}, nested(when.DEPTH - 1), [0] * (when.VALUES - 5)],
)  # fmt: skip
def test_arguments_at_the_bounds_are_judged(value: object) -> None:
    assert gate(call(value=value), ruled("true")).allowed


def test_arguments_are_only_looked_at_when_a_condition_is_reached() -> None:
    held = effective(toolGating=gating({"tool": "read_file", "action": "allow"}, {"tool": "*", "action": "allow", "when": "true"}))  # fmt: skip
    assert gate(call(value=2**70), held).allowed
    assert gate(call("other", value=2**70), held).action == "deny"


def test_a_tool_whose_name_is_no_text_is_denied() -> None:
    assert "no Unicode" in gate(call("\ud800"), ruled("true")).reason


def test_a_mistake_of_the_evaluator_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def evaluate(self, *_args):
            raise MemoryError

    subject = Subject(call())
    with pytest.raises(ConditionError, match="MemoryError"):
        subject.evaluate(Broken())


def test_one_decision_has_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(when, "COST", 5_000)
    monkeypatch.setattr(when, "DECISION_COST", 12_000)
    dear = "args.big.all(item, item >= 0) && false"
    rules = [{"tool": "*", "action": "allow", "when": dear} for _ in range(4)]
    asked = call(big=list(range(800)))
    three = effective(toolGating=gating(*rules[:2], default="allow"))
    assert gate(asked, three).allowed
    verdict = gate(asked, effective(toolGating=gating(*rules, default="allow")))
    assert (verdict.action, "rules[2]" in verdict.rule) == ("deny", True)
    assert "actual cost limit exceeded" in verdict.reason
    # What was ended counts as all that it was given.
    small, broken = Condition("true"), Condition("args.big.all(a, args.big.all(b, a + b >= 0))")
    subject = Subject(asked)
    for _ in range(2):
        with pytest.raises(ConditionError, match="cost limit"):
            broken.holds(subject)
    assert small.holds(subject)
    with pytest.raises(ConditionError, match="cost limit"):
        broken.holds(subject)
    with pytest.raises(ConditionError, match="cost limit"):
        Condition("args.big.size() == 800").holds(subject)


def test_an_evaluation_has_cost_and_time_of_its_own() -> None:
    seen = {}

    class Spy:
        def evaluate(self, variables, limit, seconds):
            seen.update(limit=limit, seconds=seconds, variables=variables)
            return True, 7

    assert Subject(call(a=1)).evaluate(Spy()) is True
    assert (seen["limit"], seen["seconds"]) == (when.COST, when.SECONDS) == (100_000, 1.0)
    assert seen["variables"] == {"args": {"a": 1}, "tool": "read_file", "target": "shell", "run": RUN}


def test_a_condition_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    original = when.compiled
    monkeypatch.setattr(when, "compiled", lambda text: texts.append(text) or original(text))
    good, bad = ruled("args.a == 1"), ruled("args.a ==")
    for _ in range(3):
        assert gate(call(a=1), good).allowed
        assert gate(call(a=1), bad).action == "deny"
    assert texts == ["args.a == 1", "args.a =="]


def test_a_tool_is_offered_and_admitted_when_some_arguments_are_allowed() -> None:
    held = ruled("args.path.startsWith('/x')", "allow", tool="read_file")
    assert offered("read_file", ["shell"], held)
    assert not offered("write_file", ["shell"], held)
    assert refusal("read_file", held) is None
    denying = ruled("args.path.startsWith('/x')", "deny", tool="read_file", default="allow")
    assert offered("read_file", ["shell"], denying)
    assert refusal("read_file", denying) is None
    closed = ruled("args.path.startsWith('/x')", "deny", tool="read_file", default="deny")
    assert not offered("read_file", ["shell"], closed)
    assert refusal("read_file", closed).rule == "p: toolGating.defaultAction (deny)"


def test_a_policy_without_conditions_does_not_load_cel() -> None:
    program = (
        "import sys; from sympozium.api import SympoziumPolicy; from sympozium.policy import Call, Effective, gate\n"
        "p = SympoziumPolicy.model_validate({'metadata': {'name': 'p'}, 'spec': {'toolGating': {'rules': [{'tool': '*', 'action': 'ask'}]}}})\n"
        "gate(Call('a', 'b', {'c': 1}), Effective.of(p))\n"
        "sys.exit(any(name.startswith('sympozium.cel.') for name in sys.modules))"
    )
    # Found where this process found it: not each environment has the package installed (`make mutation`).
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=where)


def test_each_layer_has_conditions_of_its_own() -> None:
    floor = policy("floor", toolGating=gating({"tool": "*", "action": "deny", "when": "args.path == '/b'"}))
    held = effective(
        floor=floor, toolGating=gating({"tool": "*", "action": "deny", "when": "args.path == '/a'"})
    )
    assert gate(call(path="/a"), held).rule.startswith("p: ")
    assert gate(call(path="/b"), held).rule.startswith("floor: ")
    assert gate(call(path="/c"), held).allowed
