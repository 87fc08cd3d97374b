"""The tool rules of one layer, compiled: feature gates, then the first rule that matches, then the default.

Made once for a layer and asked for every call. Nothing is remembered of calls, whose names a model chooses.
"""

from typing import Final

from sympozium.api.policy import ToolGating, ToolRule
from sympozium.api.runconfig import PolicyLayer
from sympozium.policy.globs import Globs, is_glob
from sympozium.policy.tools import GATE_OF
from sympozium.policy.verdict import Action, Verdict
from sympozium.policy.when import Condition, ConditionError, Subject

_WORDS: Final = {"allow": "allows", "deny": "denies", "ask": "wants a person to decide about"}


class LayerRules:
    """What one layer says about tools. `audit`: it only watches, the caller keeps its verdicts apart."""

    __slots__ = (
        "_conditions",
        "_default",
        "_gates",
        "_lead_places",
        "_leads",
        "_rules",
        "_target_of",
        "_targets",
        "_tools",
        "audit",
        "name",
    )

    def __init__(self, layer: PolicyLayer) -> None:
        gating = layer.spec.tool_gating or ToolGating()
        self.name = layer.name
        self.audit = layer.spec.enforcement == "Audit"
        self._gates = frozenset(gate for gate, open_ in layer.spec.feature_gates.items() if not open_)
        self._rules = gating.rules
        self._default = gating.default_action
        self._tools = Globs([rule.tool for rule in gating.rules])
        self._conditions = {
            place: Condition(rule.when) for place, rule in enumerate(gating.rules) if rule.when is not None
        }
        # Rules share their targets, mostly: each target is held against a call once.
        targets = list(dict.fromkeys(rule.target for rule in gating.rules if rule.target is not None))
        places: dict[str | None, int] = {target: place for place, target in enumerate(targets)}
        self._targets = Globs(targets)
        self._lead_places = [place for place, rule in enumerate(gating.rules) if _leads(rule)]
        self._leads = Globs([gating.rules[place].tool for place in self._lead_places])
        self._target_of = [places.get(rule.target, -1) for rule in gating.rules]

    def decide(self, subject: Subject) -> Verdict:
        """The verdict about a call."""
        call = subject.call
        closed = self.closed(call.tool)
        if closed is not None:
            return closed
        for place in self._about(call.tool, call.target):
            condition = self._conditions.get(place)
            if condition is not None:
                try:
                    if not condition.holds(subject):
                        continue
                except ConditionError as error:
                    return self._failed(call.tool, place, error)
            return self._by_rule(call.tool, place)
        return self._by_default(call.tool)

    def possible(self, tool: str, target: str | None = None) -> Verdict:
        """The verdict for arguments, and without `target` for targets, that nobody knows yet.

        It denies only what is denied whatever they will be: a rule with conditions counts when it would let
        the call through, and not when it would deny it.
        """
        closed = self.closed(tool)
        if closed is not None:
            return closed
        places = self._tools.matching(tool) if target is None else self._about(tool, target)
        for place in places:
            rule = self._rules[place]
            sure = rule.when is None and (target is not None or rule.target in (None, "*"))
            if sure or rule.action != "deny":
                return self._by_rule(tool, place)
        return self._by_default(tool)

    def certain(self, tool: str, target: str) -> Action:
        """The decision about a call whatever its arguments; `deny` where they matter."""
        if self.closed(tool) is not None:
            return "deny"
        places = self._about(tool, target)
        if not places:
            return self._default
        return "deny" if places[0] in self._conditions else self._rules[places[0]].action

    def closed(self, tool: str) -> Verdict | None:
        """The verdict of a feature gate that is closed."""
        feature = GATE_OF.get(tool)
        if feature is None or feature not in self._gates:
            return None
        return Verdict(
            "deny", f"{self.name}: featureGates[{feature}]", f"{tool} needs {feature}, which policy {self.name} switches off"
        )  # fmt: skip

    def named_targets(self, tool: str) -> list[str]:
        """Targets for which a rule lets a tool through by name."""
        leads = (self._rules[self._lead_places[at]] for at in self._leads.matching(tool))
        return [rule.target for rule in leads if rule.when is None and rule.target is not None]

    def chances(self, tool: str, target: str) -> list[tuple[int, str]]:
        """(place, condition) of the rules that let a call through for some arguments, before one settles the matter."""
        if not self._conditions:
            return []
        found = []
        for place in self._about(tool, target):
            rule = self._rules[place]
            if rule.when is None:
                break
            if rule.action != "deny":
                found.append((place, rule.when))
        return found

    def _about(self, tool: str, target: str) -> list[int]:
        """Places of the rules whose globs match, in order."""
        found = self._tools.matching(tool)
        if not found:
            return found
        targets = {-1, *self._targets.matching(target)}
        target_of = self._target_of
        return [place for place in found if target_of[place] in targets]

    def _by_rule(self, tool: str, place: int) -> Verdict:
        rule = self._rules[place]
        where = f" on {rule.target}" if rule.target else ""
        reason = rule.reason or f"policy {self.name} {_WORDS[rule.action]} {tool}{where}"
        return Verdict(rule.action, self._named(place), reason)

    def _by_default(self, tool: str) -> Verdict:
        action = self._default
        reason = f"policy {self.name} {_WORDS[action]} {tool}: no rule names it"
        return Verdict(action, f"{self.name}: toolGating.defaultAction ({action})", reason)

    def _failed(self, tool: str, place: int, error: ConditionError) -> Verdict:
        """A condition without an answer denies: the rule might be the one that forbids this call."""
        reason = f"policy {self.name} cannot decide about {tool}: `when` of toolGating.rules[{place}] failed: {error}"
        return Verdict("deny", f"{self._named(place)}.when", reason)

    def _named(self, place: int) -> str:
        rule = self._rules[place]
        where = f" on {rule.target}" if rule.target else ""
        return f"{self.name}: toolGating.rules[{place}] ({rule.tool}{where}: {rule.action})"


def _leads(rule: ToolRule) -> bool:
    return (
        rule.action != "deny" and rule.when is None and rule.target is not None and not is_glob(rule.target)
    )
