"""LimitRange and ResourceQuota: defaults and what is refused.

https://kubernetes.io/docs/concepts/policy/limit-range/, https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from sympozium.cel.library.formats import CHECKS as FORMATS
from sympozium.localkube.defaults.strategy import Strategy
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object
from sympozium.quantities import parse

_SCOPES = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
)
_OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")


def _default_range(limit_range: Object) -> None:
    for limit in (limit_range.get("spec") or {}).get("limits") or ():
        if limit.get("type") != "Container":
            continue
        default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
        request = {**(limit.get("min") or {}), **default, **(limit.get("defaultRequest") or {})}
        if default:
            limit["default"] = default
        if request:
            limit["defaultRequest"] = request


def _check_range(limit_range: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    causes: list[Cause] = []
    types: set[str] = set()
    for index, limit in enumerate((limit_range.get("spec") or {}).get("limits") or ()):
        at, kind = f"spec.limits[{index}]", limit.get("type") or ""
        causes += [gotext.invalid(f"{at}.type", kind, why) for why in FORMATS["qualifiedName"](kind)]
        if kind in types:
            causes.append(gotext.duplicate(f"{at}.type", kind))
        types.add(kind)
        if kind == "Pod":
            causes += [
                gotext.forbidden(f"{at}.{key}", "may not be specified when `type` is 'Pod'")
                for key in ("default", "defaultRequest")
                if limit.get(key)
            ]
        if kind == "PersistentVolumeClaim" and not any(
            "storage" in (limit.get(key) or {}) for key in ("min", "max")
        ):
            why = "either minimum or maximum storage value is required, but neither was provided"
            causes.append(gotext.required(f"{at}.limits", why))
        causes += _order(limit, at)
    return causes


_PAIRS = (
    ("min", "max", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "default request value {} is greater than max value {}"),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    ("min", "default", "default", "min value {} is greater than default value {}"),
    ("default", "max", "default", "default value {} is greater than max value {}"),
)
_SHOWN = {("min", "default"): "min", ("default", "max"): "max"}


def _order(limit: Object, at: str) -> list[Cause]:
    """Min <= defaultRequest <= default <= max."""
    causes: list[Cause] = []
    names = dict.fromkeys(
        name for key in ("max", "min", "default", "defaultRequest") for name in limit.get(key) or {}
    )
    for name in [*names, *(n for n in limit.get("maxLimitRequestRatio") or {} if n not in names)]:
        for low, high, field, why in _PAIRS:
            first, second = (limit.get(low) or {}).get(name), (limit.get(high) or {}).get(name)
            if first is not None and second is not None and parse(first) > parse(second):
                shown = (limit.get(_SHOWN.get((low, high), field)) or {})[name]
                causes.append(gotext.invalid(f"{at}.{field}[{name}]", shown, why.format(first, second)))
        ratio = (limit.get("maxLimitRequestRatio") or {}).get(name)
        if ratio is not None and parse(ratio) < 1:
            field = f"{at}.maxLimitRequestRatio[{name}]"
            causes.append(gotext.invalid(field, ratio, f"ratio {ratio} is less than 1"))
    return causes


def _reset_status(quota: Object) -> None:
    quota["status"] = {}


def _check_quota(quota: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = quota.get("spec") or {}
    causes: list[Cause] = []
    for name, text in (spec.get("hard") or {}).items():
        if parse(text) < 0:
            causes.append(gotext.invalid(f"spec.hard[{name}]", text, "must be greater than or equal to 0"))
        if "/" not in name and "." not in name and name not in _PLAIN:
            whys = (
                "must be a standard resource type or fully qualified",
                "must be a standard resource for quota",
            )
            causes += [gotext.invalid(f"spec.hard[{name}]", name, why) for why in whys]
    scopes: list[str] = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            causes.append(gotext.invalid("spec.scopes", scopes, "unsupported scope"))
    for first, second in (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")):
        if {first, second} <= set(scopes):
            causes.append(gotext.invalid("spec.scopes", scopes, "conflicting scopes"))
    if old is not None and scopes != ((old.get("spec") or {}).get("scopes") or []):
        causes.append(gotext.invalid("spec.scopes", scopes, "field is immutable"))
    for index, rule in enumerate((spec.get("scopeSelector") or {}).get("matchExpressions") or ()):
        at = f"spec.scopeSelector.matchExpressions[{index}]"
        if rule.get("scopeName") not in _SCOPES:
            causes.append(gotext.invalid(f"{at}.scopeName", rule.get("scopeName", ""), "unsupported scope"))
        if rule.get("operator") not in _OPERATORS:
            causes.append(
                gotext.invalid(f"{at}.operator", rule.get("operator", ""), "not a valid selector operator")
            )
        elif rule["operator"] in {"In", "NotIn"} and not rule.get("values"):
            why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            causes.append(gotext.required(f"{at}.values", why))
    return causes


_PLAIN = frozenset(
    {
        "cpu", "memory", "ephemeral-storage", "pods", "services", "secrets", "configmaps", "resourcequotas",
        "replicationcontrollers", "persistentvolumeclaims",
    }
)  # fmt: skip

LIMIT_RANGE = Strategy(default=_default_range, check=_check_range)
QUOTA = Strategy(status=True, create=_reset_status, check=_check_quota)
