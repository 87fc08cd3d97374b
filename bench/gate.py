"""One decision about a tool call, by the number of rules of the policy; no rule has a `when`.

The rules are mixed as people mix them: exact names, prefixes, suffixes, patterns with the star in the middle or on
both sides, a third of them for some target only. The two worst cases are measured: no rule matches, and the last does.
"""

import time
from collections.abc import Callable

from bench.table import head, row
from sympozium.api import SympoziumPolicy
from sympozium.policy import Call, Effective, gate

_RUNS = 15
_CALLS = 2000
_BOUNDS = {10: 20.0, 1000: 60.0}
_SHAPES = ("vendor{0}_tool", "vendor{0}_*", "*_suffix{0}", "get{0}_*_all", "vendor{0}_?et", "*mid{0}*")
_TARGETS = (None, "skill-{0}", None, "team-*", None, "k8s-*")


def policy(count: int, default: str) -> Effective:
    """`count` rules, of which only the last is about `execute_command` on `shell`."""
    rules = []
    for number in range(count - 1):
        shape, target = _SHAPES[number % len(_SHAPES)], _TARGETS[number % len(_TARGETS)]
        rule = {"tool": shape.format(number), "action": "deny"}
        rules.append(rule | ({"target": target.format(number)} if target else {}))
    rules.append({"tool": "execute_*", "target": "shell", "action": "allow"})
    gating = {"defaultAction": default, "rules": rules}
    return Effective.of(
        SympoziumPolicy.model_validate({"metadata": {"name": "p"}, "spec": {"toolGating": gating}})
    )


def microseconds(decide: Callable[[], object]) -> list[float]:
    decide()
    found = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        for _ in range(_CALLS):
            decide()
        found.append((time.perf_counter() - began) / _CALLS * 1e6)
    return found


def main() -> None:
    print(head("one decision of the gate", _RUNS))
    for count, bound in _BOUNDS.items():
        allows, denies = policy(count, "allow"), policy(count, "deny")
        cases = {
            "the last matches": lambda held=allows: gate(Call("execute_command", "shell"), held),
            "none matches, allowed": lambda held=allows: gate(Call("read_file", "shell"), held),
            "none matches, denied, with what is allowed": lambda held=denies: gate(Call("read_file", "shell"), held),
        }  # fmt: skip
        for name, decide in cases.items():
            print(row(f"{count:>5} rules: {name}", microseconds(decide), "us", bound))
