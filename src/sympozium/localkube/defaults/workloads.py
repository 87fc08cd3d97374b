"""What is wrong with a Deployment, ReplicaSet, StatefulSet, DaemonSet or ControllerRevision, in the API server's words.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
"""

import re
from typing import Any

from sympozium.localkube.defaults.labels import label_causes, matches, selector_shape_causes
from sympozium.localkube.defaults.podvalidation import check_spec, label
from sympozium.localkube.defaults.storage import CLAIM
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

NEGATIVE = "must be greater than or equal to 0"
_PERCENT = re.compile(r"[0-9]+%")
_PERCENT_TEXT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for"
    " validation is '[0-9]+%')"
)
_TOO_MUCH = "must not be greater than 100%"
_CHANGEABLE = (
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "ordinals",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
)
_FIXED_TEXT = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy',"
    " 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def negative(spec: Object, path: str, *keys: str) -> list[Cause]:
    return [
        gotext.invalid(f"{path}.{key}", spec[key], NEGATIVE)
        for key in keys
        if spec.get(key) is not None and spec[key] < 0
    ]


def ordered(chosen: Any) -> Any:
    """A selector as Go prints it: labels sorted."""
    if not isinstance(chosen, dict):
        return chosen
    shown = dict(sorted(chosen.items(), reverse=True))
    if shown.get("matchLabels"):
        shown["matchLabels"] = dict(sorted(shown["matchLabels"].items()))
    return shown


def selector(spec: Object, kind: str) -> list[Cause]:
    """The selector itself. `kind` is the word that the text has for it."""
    chosen = spec.get("selector")
    if chosen is None:
        return [gotext.required("spec.selector")]
    causes = selector_shape_causes(chosen, "spec.selector")
    if causes:
        if kind == "statefulset":
            shown = gotext.shown(ordered(chosen))
            causes.append(Cause("spec.selector", "FieldValueInvalid", f"Invalid value: {shown}"))
        else:
            causes.append(gotext.invalid("spec.selector", ordered(chosen), "invalid label selector"))
    if not chosen.get("matchLabels") and not chosen.get("matchExpressions"):
        causes.append(gotext.invalid("spec.selector", chosen, f"empty selector is invalid for {kind}"))
    return causes


def template(spec: Object, pod: Object, kind: str) -> list[Cause]:
    """The pod template; `pod` is its spec as pods will have it. A selector that is no selector hides its faults."""
    causes: list[Cause] = []
    chosen = spec.get("selector")
    labels = (spec["template"].get("metadata") or {}).get("labels")
    broken = bool(selector_shape_causes(chosen or {}, ""))
    if broken and kind != "DaemonSet":
        return causes
    if chosen is None or not (broken or matches(chosen, labels or {})):
        why = "`selector` does not match template `labels`"
        causes.append(gotext.invalid("spec.template.metadata.labels", labels or None, why))
    causes += label_causes(labels, "spec.template.labels")
    causes += check_spec(pod, "spec.template.spec")
    if pod.get("restartPolicy") in {"OnFailure", "Never"}:
        restart = "spec.template.spec.restartPolicy"
        causes.append(gotext.unsupported(restart, pod["restartPolicy"], ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {kind} is not Supported"
        causes.append(gotext.forbidden("spec.template.spec.activeDeadlineSeconds", why))
    return causes


def go_strategy(strategy: Object, **rolling: Any) -> Object:
    """A strategy as Go prints its own type; `rolling` are the fields of its rollingUpdate with their zeros."""
    given = strategy.get("rollingUpdate")
    shown = None if given is None else go_rolling(given, **rolling)
    return {"Type": strategy.get("type") or "", "RollingUpdate": shown}


def go_rolling(given: Object, **rolling: Any) -> Object:
    return {name: given.get(name[0].lower() + name[1:], zero) for name, zero in rolling.items()}


def amount(value: Any, path: str) -> list[Cause]:
    """An integer that is not negative, or a percentage."""
    if isinstance(value, str):
        return [] if _PERCENT.fullmatch(value) else [gotext.invalid(path, value, _PERCENT_TEXT)]
    return [gotext.invalid(path, value, NEGATIVE)] if value is not None and value < 0 else []


def whole(value: Any, path: str) -> list[Cause]:
    return [gotext.invalid(path, value, _TOO_MUCH)] if isinstance(value, str) and nonzero(value) > 100 else []


def nonzero(value: Any) -> int:
    """The number of an amount, whatever its unit; 0 for what is none."""
    if isinstance(value, str):
        return int(value[:-1]) if _PERCENT.fullmatch(value) else 0
    return int(value or 0)


def immutable_selector(spec: Object, old: Object | None) -> list[Cause]:
    if old is None or spec.get("selector") == old["spec"].get("selector"):
        return []
    return [gotext.invalid("spec.selector", ordered(spec.get("selector")), "field is immutable")]


def check_deployment(obj: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return status_causes(obj, old, "readyReplicas")
    spec = obj["spec"]
    causes = negative(spec, "spec", "replicas")
    causes += selector(spec, "deployment")
    causes += template(spec, spec["template"]["spec"], "ReplicaSet")
    causes += _deployment_strategy(spec["strategy"])
    causes += negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        why = "must be greater than minReadySeconds"
        causes.append(gotext.invalid("spec.progressDeadlineSeconds", deadline, why))
    return causes + immutable_selector(spec, old)


def _deployment_strategy(strategy: Object) -> list[Cause]:
    path, kind = "spec.strategy", strategy.get("type")
    rolling: Object | None = strategy.get("rollingUpdate")
    if kind == "Recreate":
        why = "may not be specified when strategy `type` is 'Recreate'"
        return [] if rolling is None else [gotext.forbidden(f"{path}.rollingUpdate", why)]
    if kind != "RollingUpdate":
        return [
            gotext.unsupported(
                path, go_strategy(strategy, MaxUnavailable=0, MaxSurge=0), ("Recreate", "RollingUpdate")
            )
        ]
    limits: Object = rolling or {}
    surge, missing = limits.get("maxSurge"), limits.get("maxUnavailable")
    at = f"{path}.rollingUpdate"
    causes = amount(missing, f"{at}.maxUnavailable") + amount(surge, f"{at}.maxSurge")
    if not nonzero(surge) and not nonzero(missing):
        causes.append(gotext.invalid(f"{at}.maxUnavailable", missing, "may not be 0 when `maxSurge` is 0"))
    return causes + whole(missing, f"{at}.maxUnavailable")


def check_replica_set(obj: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return status_causes(obj, old, "readyReplicas")
    spec = obj["spec"]
    causes = negative(spec, "spec", "replicas", "minReadySeconds")
    causes += selector(spec, "deployment")
    causes += template(spec, spec["template"]["spec"], "ReplicaSet")
    return causes + immutable_selector(spec, old)


def check_stateful_set(obj: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return status_causes(obj, old, "status.readyReplicas")
    spec = obj["spec"]
    causes: list[Cause] = []
    policy = spec.get("podManagementPolicy")
    if policy not in {"OrderedReady", "Parallel"}:
        why = "must be 'OrderedReady' or 'Parallel'"
        causes.append(gotext.invalid("spec.podManagementPolicy", policy, why))
    causes += _stateful_strategy(spec["updateStrategy"])
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    causes += [
        gotext.unsupported(
            f"spec.persistentVolumeClaimRetentionPolicy.{key}", retention[key], ("Retain", "Delete")
        )
        for key in ("whenDeleted", "whenScaled")
        if retention.get(key) not in {None, "Retain", "Delete"}
    ]
    causes += _claims(spec) if old is None else []
    causes += negative(spec, "spec", "replicas", "minReadySeconds")
    causes += negative(spec.get("ordinals") or {}, "spec.ordinals", "start")
    if old is None and spec.get("serviceName"):
        causes += label(spec["serviceName"], "spec.serviceName")
    causes += selector(spec, "statefulset")
    causes += template(spec, _stateful_pod(spec), "StatefulSet")
    if old is not None and _fixed(spec) != _fixed(old["spec"]):
        causes.append(gotext.forbidden("spec", _FIXED_TEXT))
    return causes


_STATEFUL: dict[str, Any] = {"Partition": 0, "MaxUnavailable": None}


def _claims(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        for cause in CLAIM.check(claim, None, ""):
            if cause.field.startswith("spec"):
                at = f"spec.volumeClaimTemplates[{index}].{cause.field}"
                causes.append(Cause(at, cause.reason, cause.message))
    return causes


def _fixed(spec: Object) -> Object:
    return {key: value for key, value in spec.items() if key not in _CHANGEABLE}


def _stateful_pod(spec: Object) -> Object:
    """The pod's spec with the volumes of the claim templates, and without the names that each pod gets."""
    pod = dict(spec["template"]["spec"])
    pod.pop("hostname", None)
    pod.pop("subdomain", None)
    names = [one["metadata"].get("name", "") for one in spec.get("volumeClaimTemplates") or ()]
    if names:
        made = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
        pod["volumes"] = made + [one for one in pod.get("volumes") or () if one.get("name") not in names]
    return pod


def _stateful_strategy(strategy: Object) -> list[Cause]:
    path, kind, rolling = "spec.updateStrategy", strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        why = "only allowed for updateStrategy 'RollingUpdate'"
        return (
            []
            if rolling is None
            else [gotext.invalid(f"{path}.rollingUpdate", go_rolling(rolling, **_STATEFUL), why)]
        )
    if kind != "RollingUpdate":
        return [
            gotext.invalid(path, go_strategy(strategy, **_STATEFUL), "must be 'RollingUpdate' or 'OnDelete'")
        ]
    return negative(rolling or {}, f"{path}.rollingUpdate", "partition")


def check_daemon_set(obj: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return _collisions(obj, old)
    spec = obj["spec"]
    causes = immutable_selector(spec, old)
    causes += selector_shape_causes(spec.get("selector") or {}, "spec.selector")
    causes += template(spec, spec["template"]["spec"], "DaemonSet")
    chosen = spec.get("selector")
    if chosen is not None and not chosen.get("matchLabels") and not chosen.get("matchExpressions"):
        causes.append(gotext.invalid("spec.selector", chosen, "empty selector is invalid for daemonset"))
    causes += negative(spec, "spec", "minReadySeconds")
    causes += _daemon_strategy(spec["updateStrategy"])
    return causes + negative(spec, "spec", "revisionHistoryLimit")


def _daemon_strategy(strategy: Object) -> list[Cause]:
    path, kind, rolling = "spec.updateStrategy", strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        return [
            gotext.unsupported(
                path, go_strategy(strategy, MaxUnavailable=0, MaxSurge=0), ("RollingUpdate", "OnDelete")
            )
        ]
    path = f"{path}.rollingUpdate"
    limits: Object = rolling or {}
    surge, missing = limits.get("maxSurge"), limits.get("maxUnavailable")
    causes = amount(missing, f"{path}.maxUnavailable") + amount(surge, f"{path}.maxSurge")
    causes += whole(missing, f"{path}.maxUnavailable") + whole(surge, f"{path}.maxSurge")
    if nonzero(surge) and nonzero(missing):
        why = "may not be set when maxUnavailable is non-zero"
        causes.append(gotext.invalid(f"{path}.maxSurge", surge, why))
    elif not nonzero(surge) and not nonzero(missing):
        causes.append(gotext.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return causes


def status_causes(obj: Object, old: Object | None, ready: str) -> list[Cause]:
    """Counters that contradict each other; `ready` is how the text names readyReplicas."""
    status = obj.get("status") or {}
    counted = [key for key in status if key.endswith("Replicas") or key in {"replicas", "observedGeneration"}]
    causes = negative(status, "status", *counted)
    total = status.get("replicas") or 0
    for key in counted:
        parts = key not in {"unavailableReplicas", "terminatingReplicas", "replicas", "observedGeneration"}
        if parts and status[key] > total:
            causes.append(
                gotext.invalid(f"status.{key}", status[key], "cannot be greater than status.replicas")
            )
    if (status.get("availableReplicas") or 0) > (status.get("readyReplicas") or 0):
        why = f"cannot be greater than {ready}"
        causes.append(gotext.invalid("status.availableReplicas", status["availableReplicas"], why))
    return causes + _collisions(obj, old)


def _collisions(obj: Object, old: Object | None) -> list[Cause]:
    count = (obj.get("status") or {}).get("collisionCount") or 0
    before = ((old or {}).get("status") or {}).get("collisionCount") or 0
    if count >= before:
        return []
    return [gotext.invalid("status.collisionCount", count, "cannot be decremented")]


def check_revision(obj: Object, old: Object | None, _subresource: str) -> list[Cause]:
    causes = negative(obj, "", "revision")
    data = obj.get("data")
    if old is None and data is None:
        causes.append(gotext.required("data", "data is mandatory"))
    if old is not None and data != old.get("data"):
        causes.append(gotext.invalid("data", data, "field is immutable"))
    return [Cause(cause.field.removeprefix("."), cause.reason, cause.message) for cause in causes]
