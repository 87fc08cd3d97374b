"""What is probably not meant in a policy: rules that decide nothing, names that no tool has, settings without effect.

For people (`sympozium policy check`), who may know better: nothing is refused for it. Each finding has the path of its
field and, in `instead`, a cure.
"""

import re
import unicodedata
from collections.abc import Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from sympozium.api.policy import PolicySpec, SympoziumPolicy, ToolRule
from sympozium.policy import images
from sympozium.policy.effective import Effective
from sympozium.policy.globs import is_glob
from sympozium.policy.tools import BUILTIN, EXECUTE_COMMAND, GATE_OF, target_of
from sympozium.policy.verdict import Violation

_IN_NAMES: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-*?[]!")
"""Characters of tool names, as model endpoints take them, and of globs."""


def lint(policy: SympoziumPolicy) -> list[Violation]:
    """What is probably not meant, in the order of the fields."""
    spec = policy.spec
    return [
        *_shadowed(spec),
        *_unreachable(spec),
        *_names(spec),
        *_idle_rules(spec),
        *_sandbox(policy),
        *_network(spec),
        *_subagents(spec),
        *_approvals(spec),
        *_providers(spec),
    ]


def _rules(spec: PolicySpec) -> list[ToolRule]:
    return spec.tool_gating.rules if spec.tool_gating else []


def _shadowed(spec: PolicySpec) -> Iterator[Violation]:
    """A rule behind one that takes all its calls."""
    rules = _rules(spec)
    for index, rule in enumerate(rules):
        for before, earlier in enumerate(rules[:index]):
            if earlier.when is None and _covers(earlier.tool, rule.tool) and _target_covers(earlier, rule):
                yield Violation(
                    f"spec.toolGating.rules[{index}]",
                    f"is never reached: rules[{before}] ({earlier.tool}: {earlier.action}) takes all its calls",
                    instead=f"put it before rules[{before}], or remove it",
                )
                break


def _covers(wide: str, narrow: str) -> bool:
    """Whether one glob certainly matches all that another does. In doubt it does not."""
    if wide in {"*", narrow}:
        return True
    if not is_glob(narrow):
        return fnmatchcase(narrow, wide)
    if wide.endswith("*") and not is_glob(wide[:-1]):
        return re.split(r"[*?\[]", narrow)[0].startswith(wide[:-1])
    if wide.startswith("*") and not is_glob(wide[1:]):
        return re.split(r"[*?\[\]]", narrow)[-1].endswith(wide[1:])
    return False


def _target_covers(earlier: ToolRule, rule: ToolRule) -> bool:
    return _covers(earlier.target or "*", rule.target or "*")


def _unreachable(spec: PolicySpec) -> Iterator[Violation]:
    """A rule for a tool that is never called there."""
    for index, rule in enumerate(_rules(spec)):
        gate = GATE_OF.get(rule.tool)
        if gate and spec.feature_gates.get(gate) is False and rule.action != "deny":
            yield Violation(
                f"spec.toolGating.rules[{index}]",
                f"is never reached: featureGates[{gate}] is false, which takes {rule.tool} away",
                instead=f"remove it, or open the gate {gate}",
            )
        fixed = target_of(rule.tool) if rule.tool in BUILTIN and rule.tool != EXECUTE_COMMAND else None
        if fixed and rule.target is not None and not fnmatchcase(fixed, rule.target):
            yield Violation(
                f"spec.toolGating.rules[{index}].target",
                f"{rule.tool} always executes in {fixed}: the rule is never reached",
                instead=f"leave target out, or write {fixed}",
            )


def _names(spec: PolicySpec) -> Iterator[Violation]:
    """Names of tools that are misspelt or only look like what they should be."""
    for index, rule in enumerate(_rules(spec)):
        field = f"spec.toolGating.rules[{index}].tool"
        odd = [character for character in dict.fromkeys(rule.tool) if character not in _IN_NAMES]
        if odd:
            said = ", ".join(f"{character!r} ({unicodedata.name(character, 'no name')})" for character in odd)
            yield Violation(
                field,
                f"has characters that no tool's name has: {said}; the rule matches nothing",
                instead="letters a-z, digits, _ and -, and * or ? for globs",
            )
            continue
        meant = _meant(rule.tool)
        if meant is not None:
            yield Violation(
                field,
                f"no built-in tool is called {rule.tool}; names are compared exactly, with upper and lower case",
                instead=f"{meant}, if that is meant",
            )


def _meant(name: str) -> str | None:
    """The built-in tool that a name is probably a misspelling of."""
    if name in BUILTIN or is_glob(name):
        return None
    found = get_close_matches(name.lower().replace("-", "_"), sorted(BUILTIN), n=1, cutoff=0.85)
    return found[0] if found else None


def _idle_rules(spec: PolicySpec) -> Iterator[Violation]:
    gating = spec.tool_gating
    if gating is None or not gating.rules or gating.default_action != "allow":
        return
    if all(rule.action == "allow" and rule.when is None for rule in gating.rules):
        yield Violation(
            "spec.toolGating.defaultAction",
            "allows what no rule names, and all rules allow: the rules change nothing",
            instead="defaultAction: deny, so that the rules are what is allowed",
        )


def _sandbox(policy: SympoziumPolicy) -> Iterator[Violation]:
    box = policy.spec.sandbox_policy
    image = box.default_image if box else None
    if image and images.refusing(image, Effective.of(policy).layers):
        yield Violation(
            "spec.sandboxPolicy.defaultImage",
            f"{image} is in no registry of imagePolicy.allowedRegistries: runs that get it are refused",
            instead="an image of those registries, or its registry among them",
        )


def _network(spec: PolicySpec) -> Iterator[Violation]:
    rules = spec.network_policy
    if rules is None:
        return
    if not rules.deny_all:
        if rules.allowed_egress:
            yield Violation(
                "spec.networkPolicy.allowedEgress",
                "has no effect: denyAll is false, so that everything is open",
                instead="denyAll: true",
            )
        return
    if not rules.allow_event_bus:
        yield Violation(
            "spec.networkPolicy.allowEventBus",
            "no run can report without the event bus: all runs are refused",
            instead="allowEventBus: true",
        )
    seen: set[tuple[str, int | None]] = set()
    for index, rule in enumerate(rules.allowed_egress):
        key = (rule.host.lower().removesuffix("."), rule.port)
        if key in seen:
            yield Violation(
                f"spec.networkPolicy.allowedEgress[{index}]",
                f"{rule.host} stands there twice",
                instead="remove one",
            )
        seen.add(key)


def _subagents(spec: PolicySpec) -> Iterator[Violation]:
    limits = spec.subagent_policy
    if limits is None:
        return
    if limits.max_depth > 0 and spec.feature_gates.get("sub-agents") is False:
        yield Violation(
            "spec.subagentPolicy.maxDepth",
            f"has no effect: featureGates[sub-agents] is false, and maxDepth is {limits.max_depth}",
            instead="open the gate, or leave subagentPolicy out",
        )
    elif limits.max_depth > 0 and limits.max_concurrent == 0:
        yield Violation(
            "spec.subagentPolicy.maxConcurrent",
            "is 0 while maxDepth lets runs start others: those would wait for ever",
            instead="1 or more, or maxDepth: 0",
        )


def _approvals(spec: PolicySpec) -> Iterator[Violation]:
    gating = spec.tool_gating
    asks = gating is not None and "ask" in (gating.default_action, *(rule.action for rule in gating.rules))
    if spec.approvals is not None and not asks:
        yield Violation(
            "spec.approvals",
            "nothing asks a person: no rule and no defaultAction has the action ask",
            instead="a rule with action: ask, or leave approvals out",
        )


def _providers(spec: PolicySpec) -> Iterator[Violation]:
    for index, provider in enumerate(spec.model_policy.allowed_providers if spec.model_policy else ()):
        if is_glob(provider):
            yield Violation(
                f"spec.modelPolicy.allowedProviders[{index}]",
                f"{provider!r} is no glob: names of providers are compared exactly",
                instead="the name of a provider",
            )
