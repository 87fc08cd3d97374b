"""The selectors of an access review: `resourceAttributes.fieldSelector` and `.labelSelector`.

A selector is raw or a list of requirements, never both. One that cannot be read narrows nothing: the
review is answered without it and says so.
https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/
"""

from sympozium.localkube.errors import ApiError
from sympozium.localkube.schema import gotext
from sympozium.localkube.selectors import parse_labels
from sympozium.localkube.types import Cause, Object

_OPERATORS = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})
_NAMES = ("fieldSelector", "labelSelector")


def selector_causes(resource: Object) -> list[Cause]:
    """What is wrong with the form of the two selectors."""
    causes: list[Cause] = []
    for name in _NAMES:
        selector = resource.get(name)
        if selector is None:
            continue
        at = f"spec.resourceAttributes.{name}"
        raw, requirements = selector.get("rawSelector", ""), selector.get("requirements") or []
        if raw and requirements:
            why = "may not specified at the same time as requirements"
            causes.append(gotext.invalid(f"{at}.rawSelector", raw, why))
        if not raw and not requirements:
            why = f"when {at} is specified, requirements or rawSelector is required"
            causes.append(gotext.required(f"{at}.requirements", why))
        for index, requirement in enumerate(requirements):
            causes += _requirement(requirement, f"{at}.requirements[{index}]")
    return causes


def _requirement(requirement: Object, at: str) -> list[Cause]:
    causes: list[Cause] = []
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    if not requirement.get("key"):
        causes.append(gotext.required(f"{at}.key", "must be specified"))
    if operator in {"In", "NotIn"} and not values:
        why = "must be specified when `operator` is 'In' or 'NotIn'"
        causes.append(gotext.required(f"{at}.values", why))
    if operator in {"Exists", "DoesNotExist"} and values:
        why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        causes.append(gotext.forbidden(f"{at}.values", why))
    return causes


def unreadable_selectors(obj: Object) -> str:
    """The evaluationError of a review whose selectors were left out; empty when they could be read."""
    resource = (obj.get("spec") or {}).get("resourceAttributes") or {}
    ignored = [
        f"spec.resourceAttributes.{name} ignored due to parse error"
        for name in _NAMES
        if resource.get(name) and not _readable(resource[name], labels=name == "labelSelector")
    ]
    return ignored[0] if len(ignored) == 1 else f"[{', '.join(ignored)}]" if ignored else ""


def _readable(selector: Object, *, labels: bool) -> bool:
    raw = selector.get("rawSelector", "")
    if raw:
        try:
            return parse_labels(raw) is not None if labels else _fields(raw)
        except ApiError:
            return False
    return all(part.get("operator") in _OPERATORS for part in selector.get("requirements") or ())


def _fields(raw: str) -> bool:
    """Whether each part of a field selector has an operator."""
    return all("=" in part for part in raw.split(",") if part)
