"""Labels, selectors and names, as every kind's rules use them: what is wrong, in the API server's words."""

from collections.abc import Mapping
from typing import Any

from sympozium.localkube.metadata import label_value_errors, name_errors, qualified_name_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def matches(selector: Object, labels: Object) -> bool:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors"""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for rule in selector.get("matchExpressions") or ():
        present = rule.get("key") in labels
        inside = present and labels[rule["key"]] in (rule.get("values") or ())
        wanted = {"In": inside, "NotIn": not inside, "Exists": present, "DoesNotExist": not present}
        if not wanted.get(rule.get("operator", ""), False):
            return False
    return True


def key_causes(key: str, path: str) -> list[Cause]:
    """A qualified name, as keys of labels are."""
    return [gotext.invalid(path, key, why) for why in qualified_name_errors(key)]


def value_causes(value: str, path: str) -> list[Cause]:
    return [gotext.invalid(path, value, why) for why in label_value_errors(value)]


def label_causes(labels: Mapping[str, str] | None, path: str) -> list[Cause]:
    """A map of labels; the path does not name the key."""
    return [
        cause
        for key, value in (labels or {}).items()
        for cause in (*key_causes(key, path), *value_causes(value, path))
    ]


def name_causes(name: str, path: str, rule: str = "subdomain") -> list[Cause]:
    """A name by one of the rules of `metadata.name_errors`."""
    return [gotext.invalid(path, name, why) for why in name_errors(name, rule)]


def selector_shape_causes(selector: Object | None, path: str) -> list[Cause]:
    """A label selector; None is fine."""
    if not selector:
        return []
    causes = label_causes(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, rule in enumerate(selector.get("matchExpressions") or ()):
        at = f"{path}.matchExpressions[{index}]"
        causes += _operator(rule, at)
        causes += key_causes(rule.get("key") or "", f"{at}.key")
        for place, value in enumerate(rule.get("values") or ()):
            causes += value_causes(value, f"{at}.values[{place}]")
    return causes


def _operator(rule: Any, at: str) -> list[Cause]:
    operator, values = rule.get("operator") or "", rule.get("values")
    if operator not in _OPERATORS:
        return [gotext.invalid(f"{at}.operator", operator, "not a valid selector operator")]
    if operator in {"In", "NotIn"} and not values:
        why = "must be specified when `operator` is 'In' or 'NotIn'"
        return [gotext.required(f"{at}.values", why)]
    if operator in {"Exists", "DoesNotExist"} and values:
        why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        return [gotext.forbidden(f"{at}.values", why)]
    return []
