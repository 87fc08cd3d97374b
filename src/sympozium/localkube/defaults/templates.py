"""Kinds that are a selector and a pod template: Deployments and their like. Stored, not acted on."""

from typing import Any

from sympozium.localkube.defaults.podspec import default_spec
from sympozium.localkube.defaults.podvalidation import check_spec
from sympozium.localkube.defaults.strategy import Strategy, fill
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


def _template(obj: Object) -> Object:
    spec: Object = obj.setdefault("spec", {})
    default_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    return spec


def _rolling(spec: Object, key: str, values: dict[str, Any]) -> None:
    strategy = spec.setdefault(key, {})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        for name, value in values.items():
            rolling.setdefault(name, value)


def _default_deployment(obj: Object) -> None:
    spec = _template(obj)
    fill(spec, replicas=1)
    _rolling(spec, "strategy", {"maxUnavailable": "25%", "maxSurge": "25%"})
    fill(spec, revisionHistoryLimit=10)
    fill(spec, progressDeadlineSeconds=600)


def _default_stateful_set(obj: Object) -> None:
    spec = _template(obj)
    fill(spec, replicas=1)
    fill(spec, podManagementPolicy="OrderedReady")
    _rolling(spec, "updateStrategy", {"partition": 0})
    fill(spec, revisionHistoryLimit=10)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    fill(retention, whenDeleted="Retain")
    fill(retention, whenScaled="Retain")


def _default_daemon_set(obj: Object) -> None:
    spec = _template(obj)
    _rolling(spec, "updateStrategy", {"maxUnavailable": 1, "maxSurge": 0})
    fill(spec, revisionHistoryLimit=10)


def _default_replica_set(obj: Object) -> None:
    _template(obj).setdefault("replicas", 1)


def _default_replication_controller(obj: Object) -> None:
    spec = _template(obj)
    fill(spec, replicas=1)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels:
        spec.setdefault("selector", dict(labels))
        obj["metadata"].setdefault("labels", dict(labels))


def _create(obj: Object) -> None:
    obj["status"] = {}


def _check(obj: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = obj["spec"]
    causes = selector_causes(spec, "spec")
    causes += _checked_template(spec)
    if old is not None and spec.get("selector") != old["spec"].get("selector"):
        causes.append(gotext.invalid("spec.selector", spec.get("selector"), "field is immutable"))
    return causes


def _checked_template(spec: Object) -> list[Cause]:
    causes = check_spec(spec["template"]["spec"], "spec.template.spec")
    restart = spec["template"]["spec"].get("restartPolicy")
    if restart in {"OnFailure", "Never"}:
        causes.append(gotext.unsupported("spec.template.spec.restartPolicy", restart, ("Always",)))
    if (spec.get("replicas") or 0) < 0:
        why = "must be greater than or equal to 0"
        causes.append(gotext.invalid("spec.replicas", spec["replicas"], why))
    return causes


def _check_replication_controller(obj: Object, _old: Object | None, subresource: str) -> list[Cause]:
    return [] if subresource else _checked_template(obj["spec"])


def _default_pod_template(obj: Object) -> None:
    default_spec(obj.setdefault("template", {}).setdefault("spec", {}))


def _check_pod_template(obj: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    return check_spec(obj["template"]["spec"], "template.spec")


def _keep_labels(obj: Object, old: Object, subresource: str) -> None:
    """The status of a Deployment brings annotations along (its revision), but no labels."""
    if subresource == "status":
        obj["metadata"].pop("labels", None)
        if old["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(old["metadata"]["labels"])


def _workload(**more: Any) -> Strategy:
    options: dict[str, Any] = {"create": _create, "check": _check} | more
    return Strategy(status=True, generation=True, status_metadata=True, **options)


DEPLOYMENT = _workload(default=_default_deployment, update=_keep_labels)
STATEFUL_SET = _workload(default=_default_stateful_set)
DAEMON_SET = _workload(default=_default_daemon_set)
REPLICA_SET = _workload(default=_default_replica_set)
REPLICATION_CONTROLLER = _workload(
    default=_default_replication_controller, check=_check_replication_controller
)
POD_TEMPLATE = Strategy(default=_default_pod_template, check=_check_pod_template)
