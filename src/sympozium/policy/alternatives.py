"""What would be allowed instead of a call that is not: for the model, which otherwise tries at random.

Only what is certain is said. Another target or another tool is named when every layer lets it through; a condition is
named as what one policy lets through.
"""

from collections.abc import Sequence

from sympozium.api.shared import ToolPolicy
from sympozium.policy.call import Call
from sympozium.policy.effective import Effective
from sympozium.policy.narrowing import narrowed
from sympozium.policy.tools import GATE_OF
from sympozium.policy.verdict import Verdict

_SHOWN = 3
"""Targets, tools and conditions that are named at most."""


def to_call(call: Call, verdict: Verdict, policy: Effective, tool_policies: Sequence[ToolPolicy]) -> str:
    """In words, or empty where nothing is known that would be allowed."""
    if verdict.action == "ask":
        return "this call, once a person has approved it"
    if verdict.rule == "toolPolicy.allow":
        allowed = [tool for narrowing in tool_policies for tool in narrowing.allow]
        return f"tools that the run asked for: {', '.join(allowed[: 4 * _SHOWN])}"
    found = [_targets(call, policy), _conditions(call, policy), same_kind(call.tool, policy, tool_policies)]
    return "; ".join(words for words in found if words)


def _targets(call: Call, policy: Effective) -> str:
    """Targets that rules name, and on which every layer lets the tool through whatever its arguments."""
    named = dict.fromkeys(t for rules in policy.enforced_rules for t in rules.named_targets(call.tool))
    others = [target for target in named if target != call.target][:_SHOWN]
    open_ = [target for target in others if _open(call.tool, target, policy)]
    return f"{call.tool} on target {' or '.join(open_)}" if open_ else ""


def _conditions(call: Call, policy: Effective) -> str:
    """Conditions under which one layer would have let the call through; the others may have theirs."""
    found = [
        f"`{when}` ({rules.name}: toolGating.rules[{place}])"
        for rules in policy.enforced_rules
        for place, when in rules.chances(call.tool, call.target)
    ]
    return f"{call.tool} with arguments for which holds: {', or '.join(found[:_SHOWN])}" if found else ""


def same_kind(tool: str, policy: Effective, tool_policies: Sequence[ToolPolicy] = ()) -> str:
    """Built-in tools that need the same feature as one that is denied."""
    kind = GATE_OF.get(tool)
    if kind is None:
        return ""
    others = [other for other in policy.open_tools if GATE_OF[other] == kind and other != tool]
    kept = [other for other in others if narrowed(other, tool_policies) is None]
    return f"other tools of the kind {kind}: {', '.join(kept)}" if kept else ""


def _open(tool: str, target: str, policy: Effective) -> bool:
    return all(rules.certain(tool, target) != "deny" for rules in policy.enforced_rules)
