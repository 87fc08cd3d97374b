"""Selectors, and the PodTemplate."""

from sympozium.localkube.defaults.podspec import default_spec
from sympozium.localkube.defaults.podvalidation import check_spec
from sympozium.localkube.defaults.strategy import Strategy
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


def selector_shape_causes(selector: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, rule in enumerate(selector.get("matchExpressions") or ()):
        at = f"{path}.matchExpressions[{index}]"
        operator, values = rule.get("operator", ""), rule.get("values")
        if operator not in _OPERATORS:
            causes.append(gotext.invalid(f"{at}.operator", operator, "not a valid selector operator"))
        elif operator in {"In", "NotIn"} and not values:
            why = "must be specified when `operator` is 'In' or 'NotIn'"
            causes.append(gotext.required(f"{at}.values", why))
        elif operator in {"Exists", "DoesNotExist"} and values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            causes.append(gotext.forbidden(f"{at}.values", why))
    return causes


def selector_causes(spec: Object, path: str) -> list[Cause]:
    """A selector has to say something, and the template has to fit it."""
    selector = spec.get("selector")
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if selector is None:
        return [gotext.required(f"{path}.selector")]
    causes = selector_shape_causes(selector, f"{path}.selector")
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        why = "empty selector is invalid for deployment"
        causes.append(gotext.invalid(f"{path}.selector", selector, why))
    elif not causes and not matches(selector, labels):
        why = "`selector` does not match template `labels`"
        causes.append(gotext.invalid(f"{path}.template.metadata.labels", labels, why))
    return causes


def _default_pod_template(obj: Object) -> None:
    default_spec(obj.setdefault("template", {}).setdefault("spec", {}))


def _check_pod_template(obj: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    return check_spec(obj["template"]["spec"], "template.spec")


POD_TEMPLATE = Strategy(generation=True, default=_default_pod_template, check=_check_pod_template)
