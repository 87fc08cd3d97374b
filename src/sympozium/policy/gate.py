"""The decision about a tool call.

In every layer: a closed feature gate denies; then the first rule that matches tool and target decides; then the
default. Over all layers the strictest answer holds. The run's and the instance's toolPolicy can only deny.
A layer without `toolGating` allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sympozium.api.policy import ToolGating, ToolRule
from sympozium.api.runconfig import PolicyLayer
from sympozium.api.shared import ToolPolicy
from sympozium.policy.effective import Effective
from sympozium.policy.tools import GATE_OF
from sympozium.policy.verdict import Verdict, strictest


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call. `target` is the container that would execute: `shell`, `tools`, or a skill's name."""

    tool: str
    target: str


def gate(call: Call, policy: Effective, tool_policies: Sequence[ToolPolicy] = ()) -> Verdict:
    """Whether a call may be made: allow, deny, or ask a person."""
    verdicts = [_narrowed(call.tool, narrowing) for narrowing in tool_policies]
    verdicts.append(_feature(call.tool, policy))
    verdicts += [_layer(call, layer) for layer in policy]
    return strictest(v for v in verdicts if v is not None)


def offered(
    tool: str, targets: Sequence[str], policy: Effective, tool_policies: Sequence[ToolPolicy] = ()
) -> bool:
    """Whether a model should be told of a tool: some target of it is not denied."""
    return any(gate(Call(tool, target), policy, tool_policies).action != "deny" for target in targets)


def refusal(tool: str, policy: Effective) -> Verdict | None:
    """The verdict that denies a tool on every target that there could be, or None.

    What admission asks: when a spec is written the targets are not known, so a rule for some targets only
    does not settle the matter, unless it lets the tool through for them.
    """
    closed = _feature(tool, policy)
    if closed is not None:
        return closed
    for layer in policy:
        verdict = _anywhere(tool, layer)
        if verdict.action == "deny":
            return verdict
    return None


def matches(rule: ToolRule, call: Call) -> bool:
    """Whether a rule is about a call. Globs are case-sensitive."""
    return fnmatchcase(call.tool, rule.tool) and (
        rule.target is None or fnmatchcase(call.target, rule.target)
    )


def _narrowed(tool: str, narrowing: ToolPolicy) -> Verdict | None:
    if any(fnmatchcase(tool, glob) for glob in narrowing.deny):
        return Verdict("deny", "toolPolicy.deny", f"{tool} is denied by the toolPolicy of this run")
    if narrowing.allow and not any(fnmatchcase(tool, glob) for glob in narrowing.allow):
        return Verdict("deny", "toolPolicy.allow", f"{tool} is not in the toolPolicy of this run")
    return None


def _feature(tool: str, policy: Effective) -> Verdict | None:
    feature = GATE_OF.get(tool)
    layer = policy.gate_closed_by(feature) if feature else None
    if layer is None:
        return None
    return Verdict(
        "deny", f"{layer.name}: featureGates[{feature}]", f"{tool} needs {feature}, which policy {layer.name} switches off"
    )  # fmt: skip


def _layer(call: Call, layer: PolicyLayer) -> Verdict:
    gating = layer.spec.tool_gating or ToolGating()
    for index, rule in enumerate(gating.rules):
        if matches(rule, call):
            return _by_rule(call.tool, layer.name, index, rule)
    return _by_default(call.tool, layer.name, gating)


def _anywhere(tool: str, layer: PolicyLayer) -> Verdict:
    """The mildest verdict that a layer has for a tool over all targets."""
    gating = layer.spec.tool_gating or ToolGating()
    for index, rule in enumerate(gating.rules):
        if not fnmatchcase(tool, rule.tool):
            continue
        everywhere = rule.target is None or rule.target == "*"
        if everywhere or rule.action != "deny":
            return _by_rule(tool, layer.name, index, rule)
    return _by_default(tool, layer.name, gating)


def _by_rule(tool: str, policy: str, index: int, rule: ToolRule) -> Verdict:
    where = f" on {rule.target}" if rule.target else ""
    words = {"allow": "allows", "deny": "denies", "ask": "wants a person to decide about"}
    reason = rule.reason or f"policy {policy} {words[rule.action]} {tool}{where}"
    return Verdict(
        rule.action, f"{policy}: toolGating.rules[{index}] ({rule.tool}{where}: {rule.action})", reason
    )


def _by_default(tool: str, policy: str, gating: ToolGating) -> Verdict:
    words = {"allow": "allows", "deny": "denies", "ask": "wants a person to decide about"}
    action = gating.default_action
    return Verdict(action, f"{policy}: toolGating.defaultAction ({action})", f"policy {policy} {words[action]} {tool}: no rule names it")  # fmt: skip
