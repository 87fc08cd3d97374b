"""podFailurePolicy and successPolicy of a Job: what may be written."""

from sympozium.localkube.controllers.job import indexes
from sympozium.localkube.metadata import qualified_name_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_MAX_RULES = 20
_MAX_VALUES = 255


def failure_policy_causes(spec: Object, at: str) -> list[Cause]:
    """Causes for `spec.podFailurePolicy` of a JobSpec that is at `at`."""
    rules = spec["podFailurePolicy"].get("rules") or []
    path = f"{at}.podFailurePolicy.rules"
    causes = [gotext.too_many(path, len(rules), _MAX_RULES)] if len(rules) > _MAX_RULES else []
    template = spec["template"]["spec"]
    names = {c.get("name") for key in ("containers", "initContainers") for c in template.get(key) or ()}
    for index, rule in enumerate(rules):
        causes += _rule(spec, rule, f"{path}[{index}]", names)
    return causes


def _rule(spec: Object, rule: Object, at: str, names: set[str]) -> list[Cause]:
    action = rule.get("action") or ""
    causes: list[Cause] = []
    if action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            why = "requires the backoffLimitPerIndex to be set"
            causes.append(gotext.invalid(f"{at}.action", action, why))
    elif action not in _ACTIONS:
        causes.append(_word(f"{at}.action", action, _ACTIONS))
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    if codes is not None:
        causes += _exit_codes(codes, f"{at}.onExitCodes", names)
    for index, pattern in enumerate(conditions or ()):
        path = f"{at}.onPodConditions[{index}]"
        kind = pattern.get("type", "")
        causes += [gotext.invalid(f"{path}.type", kind, why) for why in qualified_name_errors(kind)]
        if pattern.get("status") not in _STATUSES:
            causes.append(_word(f"{path}.status", pattern.get("status") or "", _STATUSES))
    if codes is not None and conditions:
        why = "specifying both OnExitCodes and OnPodConditions is not supported"
        causes.append(Cause(at, "FieldValueInvalid", f"Invalid value: {why}"))
    if codes is None and not conditions:
        why = "specifying one of OnExitCodes and OnPodConditions is required"
        causes.append(Cause(at, "FieldValueInvalid", f"Invalid value: {why}"))
    return causes


def _word(path: str, value: str, supported: tuple[str, ...]) -> Cause:
    if value:
        return gotext.unsupported(path, value, supported)
    words = " ".join(gotext.quoted(word) for word in supported)
    return gotext.required(path, f"valid values: [{words}]")


def _exit_codes(codes: Object, at: str, names: set[str]) -> list[Cause]:
    causes: list[Cause] = []
    if codes.get("operator") not in _OPERATORS:
        causes.append(_word(f"{at}.operator", codes.get("operator") or "", _OPERATORS))
    if codes.get("containerName") is not None and codes["containerName"] not in names:
        why = "must be one of the container or initContainer names in the pod template"
        causes.append(gotext.invalid(f"{at}.containerName", codes["containerName"], why))
    values = codes.get("values") or []
    if not values:
        causes.append(gotext.invalid(f"{at}.values", codes.get("values"), "at least one value is required"))
    elif len(values) > _MAX_VALUES:
        causes.append(gotext.too_many(f"{at}.values", len(values), _MAX_VALUES))
    for index, value in enumerate(values):
        if codes.get("operator") == "In" and value == 0:
            why = "must not be 0 for the In operator"
            causes.append(gotext.invalid(f"{at}.values[{index}]", value, why))
        if value in values[:index]:
            causes.append(gotext.duplicate(f"{at}.values[{index}]", value))
    if values != sorted(values):
        causes.append(gotext.invalid(f"{at}.values", values, "must be ordered"))
    return causes


def success_policy_causes(spec: Object, at: str) -> list[Cause]:
    """Causes for `spec.successPolicy`; it needs an Indexed Job."""
    policy = spec["successPolicy"]
    path = f"{at}.successPolicy"
    if spec.get("completionMode") != "Indexed":
        return [gotext.invalid(path, policy, "requires indexed completion mode")]
    rules = policy.get("rules") or []
    if not rules:
        why = "at least one rules must be specified when the successPolicy is specified"
        return [gotext.required(f"{path}.rules", why)]
    causes = [gotext.too_many(f"{path}.rules", len(rules), _MAX_RULES)] if len(rules) > _MAX_RULES else []
    for index, rule in enumerate(rules):
        causes += _success_rule(rule, f"{path}.rules[{index}]", int(spec.get("completions") or 0))
    return causes


def _success_rule(rule: Object, at: str, completions: int) -> list[Cause]:
    count, text = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and text is None:
        why = "at least one of succeededCount or succeededIndexes must be specified"
        return [gotext.required(at, why)]
    causes: list[Cause] = []
    total = completions
    if text is not None:
        try:
            total = len(indexes.checked(text, completions))
        except ValueError as error:
            why = f"error parsing succeededIndexes: {error}"
            causes.append(gotext.invalid(f"{at}.succeededIndexes", text, why))
            total = 0
    if count is not None:
        path = f"{at}.succeededCount"
        if count < 0:
            causes.append(gotext.invalid(path, count, "must be greater than or equal to 0"))
        if count > completions:
            why = f"must be less than or equal to {completions} (the number of specified completions)"
            causes.append(gotext.invalid(path, count, why))
        if text is not None and count > total:
            why = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            causes.append(gotext.invalid(path, count, why))
    return causes
