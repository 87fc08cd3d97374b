"""The decision about a tool call.

In every layer: a closed feature gate denies; then the first rule that matches tool, target and `when` decides; then
the default. Over all layers the strictest answer holds. The toolPolicies of the run, its instance and its parents can
only deny. A layer without `toolGating` allows. A layer under `enforcement: Audit` holds nothing up: what it would have
decided stands in `Verdict.audited` when that is stricter.
"""

from collections.abc import Sequence
from dataclasses import replace

from sympozium.api.shared import ToolPolicy
from sympozium.policy import alternatives
from sympozium.policy.call import Call
from sympozium.policy.effective import Effective
from sympozium.policy.narrowing import narrowed
from sympozium.policy.verdict import Verdict, strictest
from sympozium.policy.when import Subject

__all__ = ["Call", "gate", "offered", "refusal"]


def gate(call: Call, policy: Effective, tool_policies: Sequence[ToolPolicy] = ()) -> Verdict:
    """Whether a call may be made: allow, deny, or ask a person."""
    subject = Subject(call)
    cut = narrowed(call.tool, tool_policies)
    held = [] if cut is None else [cut]
    held += [rules.decide(subject) for rules in policy.enforced_rules]
    watched = [rules.decide(subject) for rules in policy.audited_rules]
    verdict = strictest(held) if held else _unwatched(policy)
    if not verdict.allowed:
        verdict = replace(verdict, instead=alternatives.to_call(call, verdict, policy, tool_policies))
    if watched and (worst := strictest(watched)).stricter_than(verdict):
        reason = f"{worst.reason} (the policy only watches: enforcement is Audit)"
        verdict = replace(verdict, audited=replace(worst, reason=reason))
    return verdict


def offered(
    tool: str, targets: Sequence[str], policy: Effective, tool_policies: Sequence[ToolPolicy] = ()
) -> bool:
    """Whether a model should be told of a tool: on some target it is not denied whatever its arguments are."""
    if narrowed(tool, tool_policies) is not None:
        return False
    return any(
        all(rules.possible(tool, target).action != "deny" for rules in policy.enforced_rules)
        for target in targets
    )


def refusal(tool: str, policy: Effective) -> Verdict | None:
    """The verdict that denies a tool on every target and with all arguments that there could be, or None.

    What admission asks: when a spec is written neither is known, so a rule for some only does not settle the matter,
    unless it lets the tool through for them. Layers that only watch refuse nothing.
    """
    verdicts = (rules.possible(tool) for rules in policy.enforced_rules)
    return next((verdict for verdict in verdicts if verdict.action == "deny"), None)


def _unwatched(policy: Effective) -> Verdict:
    """Where no layer is enforced."""
    return Verdict(
        "allow", f"{policy.name}: enforcement (Audit)", f"policy {policy.name} only watches: it refuses nothing"
    )  # fmt: skip
