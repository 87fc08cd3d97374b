"""PriorityClasses, RuntimeClasses and PodDisruptionBudgets."""

from typing import Any

from sympozium.localkube.defaults.labels import selector_shape_causes
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.metadata import name_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

HIGHEST = 1_000_000_000
SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/"""
_POLICIES = ("Never", "PreemptLowerPriority")
_UNHEALTHY = ("AlwaysAllow", "IfHealthyBudget")
_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for"
    " validation is '[0-9]+%')"
)


def _default_priority_class(obj: Object) -> None:
    fill(obj, preemptionPolicy="PreemptLowerPriority")
    obj.setdefault("value", 0)


def _check_priority_class(obj: Object, old: Object | None, _subresource: str) -> list[Cause]:
    causes: list[Cause] = []
    name, value = obj["metadata"].get("name", ""), int(obj["value"])
    if old is not None:
        # The server's text knows the update; the value is compared before anything else of it.
        if obj["value"] != old["value"]:
            causes.append(gotext.forbidden("value", "may not be changed in an update."))
        if obj["preemptionPolicy"] != old.get("preemptionPolicy"):
            causes.append(gotext.invalid("preemptionPolicy", obj["preemptionPolicy"], "field is immutable"))
        return causes
    if name.startswith("system-"):
        if SYSTEM_CLASSES.get(name) != value:
            why = "priority class names with 'system-' prefix are reserved for system use only. error: "
            known = name in SYSTEM_CLASSES
            detail = (
                f"value of {name} PriorityClass must be {SYSTEM_CLASSES[name]}"
                if known
                else f"{name} is not a known system priority class"
            )
            causes.append(gotext.forbidden("metadata.name", why + detail))
    elif value > HIGHEST:
        why = f"maximum allowed value of a user defined priority is {HIGHEST}"  # system classes are above it: nobody's pod outranks the cluster's own
        causes.append(gotext.forbidden("value", why))
    if obj["preemptionPolicy"] not in _POLICIES:
        causes.append(gotext.unsupported("preemptionPolicy", obj["preemptionPolicy"], _POLICIES))
    return causes


def _check_runtime_class(obj: Object, old: Object | None, _subresource: str) -> list[Cause]:
    handler = obj.get("handler") or ""
    causes = [gotext.invalid("handler", handler, why) for why in name_errors(handler, "label")]
    if old is not None and handler != old.get("handler"):
        causes.append(gotext.invalid("handler", handler, "field is immutable"))
    return causes


def _default_budget(obj: Object) -> None:
    obj.setdefault("spec", {})


def _create_budget(obj: Object) -> None:
    obj["status"] = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}


def _check_budget(obj: Object, _old: Object | None, subresource: str) -> list[Cause]:
    spec = obj["spec"]
    if subresource:
        return _budget_status(obj.get("status") or {})
    causes: list[Cause] = []
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        causes.append(
            gotext.invalid(
                "spec",
                {key: spec[key] for key in sorted(spec)},
                "minAvailable and maxUnavailable cannot be both set",
            )
        )
    for key in ("minAvailable", "maxUnavailable"):
        if spec.get(key) is not None:
            causes += _amount(spec[key], f"spec.{key}")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _UNHEALTHY:
        causes.append(gotext.unsupported("spec.unhealthyPodEvictionPolicy", policy, _UNHEALTHY))
    return causes + selector_shape_causes(spec.get("selector") or {}, "spec.selector")


def _amount(value: Any, path: str) -> list[Cause]:
    if isinstance(value, int):
        why = "must be greater than or equal to 0"
        return [] if value >= 0 else [gotext.invalid(path, value, why)]
    digits = str(value).removesuffix("%")
    if not str(value).endswith("%") or not digits.isdecimal():
        return [gotext.invalid(path, value, _PERCENT)]
    if int(digits) > 100:
        return [gotext.invalid(path, value, "must not be greater than 100%")]
    return []


def _budget_status(status: Object) -> list[Cause]:
    return [
        gotext.invalid(f"status.{key}", status[key], "must be greater than or equal to 0")
        for key in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
        if (status.get(key) or 0) < 0
    ]


PRIORITY_CLASS = Strategy(generation=True, default=_default_priority_class, check=_check_priority_class)
RUNTIME_CLASS = Strategy(check=_check_runtime_class)
DISRUPTION_BUDGET = Strategy(
    status=True, generation=True, default=_default_budget, create=_create_budget, check=_check_budget
)
