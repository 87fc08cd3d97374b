"""Defaults and strategies of Deployments and their like: kinds that are a selector and a pod template."""

from typing import Any

from sympozium.localkube.defaults import workloads
from sympozium.localkube.defaults.labels import label_causes, matches
from sympozium.localkube.defaults.podspec import default_spec
from sympozium.localkube.defaults.podvalidation import check_spec
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.defaults.templates import template_warnings
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


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
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        strategy["rollingUpdate"].setdefault("partition", 0)
    for claim in spec.get("volumeClaimTemplates") or ():
        # As in a claim of its own; the type is said so that an old client can read it.
        claim |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}}
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
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
    if not obj.setdefault("spec", {}).get("template"):
        fill(obj["spec"], replicas=1)
        return
    spec = _template(obj)
    fill(spec, replicas=1)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels:
        spec.setdefault("selector", dict(labels))
        obj["metadata"].setdefault("labels", dict(labels))


def _create(obj: Object) -> None:
    obj["status"] = {}


def _create_stateful_set(obj: Object) -> None:
    _create(obj)
    _drop_gated(obj)


def _update_stateful_set(obj: Object, _old: Object, subresource: str) -> None:
    if not subresource:
        _drop_gated(obj)


def _drop_gated(obj: Object) -> None:
    """The field maxUnavailable of a StatefulSet is behind a gate that is closed by default, and then not stored."""
    rolling = obj["spec"]["updateStrategy"].get("rollingUpdate")
    if rolling:
        rolling.pop("maxUnavailable", None)


def _create_daemon_set(obj: Object) -> None:
    _create(obj)
    annotations = obj["metadata"].get("annotations") or {}
    given = annotations.get(TEMPLATE_GENERATION, "")
    count = int(given) if given.isdecimal() else 0
    obj["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: str(max(1, count))}


def _update_daemon_set(obj: Object, old: Object, subresource: str) -> None:
    """Counts the changes of the template, as a field did that clients of old versions still look for."""
    known = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "1")
    count = int(known) if known.isdecimal() else 1
    changed = not subresource and obj["spec"].get("template") != old["spec"].get("template")
    annotations = obj["metadata"].get("annotations") or {}
    obj["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: str(count + changed)}


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
    if subresource:
        return []
    spec = obj["spec"]
    causes = workloads.negative(spec, "spec", "minReadySeconds")
    chosen = spec.get("selector") or {}
    if not chosen:
        causes.append(gotext.required("spec.selector"))
    causes += workloads.negative(spec, "spec", "replicas")
    if not spec.get("template"):
        return [*causes, gotext.required("spec.template")]
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if chosen and not matches({"matchLabels": chosen}, labels or {}):
        why = "`selector` does not match template `labels`"
        causes.append(gotext.invalid("spec.template.metadata.labels", labels, why))
    causes += label_causes(labels, "spec.template.labels")
    return causes + _checked_template({**spec, "replicas": 0})


def _keep_labels(obj: Object, old: Object, subresource: str) -> None:
    """The status of a Deployment brings annotations along (its revision), but no labels."""
    if subresource == "status":
        obj["metadata"].pop("labels", None)
        if old["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(old["metadata"]["labels"])


def _workload(**more: Any) -> Strategy:
    options: dict[str, Any] = {"create": _create, "warn": template_warnings("spec.template")} | more
    return Strategy(status=True, generation=True, status_metadata=True, **options)


DEPLOYMENT = _workload(default=_default_deployment, update=_keep_labels, check=workloads.check_deployment)
STATEFUL_SET = _workload(
    default=_default_stateful_set,
    create=_create_stateful_set,
    update=_update_stateful_set,
    check=workloads.check_stateful_set,
)
DAEMON_SET = _workload(
    default=_default_daemon_set,
    create=_create_daemon_set,
    update=_update_daemon_set,
    check=workloads.check_daemon_set,
)
REPLICA_SET = _workload(default=_default_replica_set, check=workloads.check_replica_set)
REPLICATION_CONTROLLER = _workload(
    default=_default_replication_controller, check=_check_replication_controller
)
CONTROLLER_REVISION = Strategy(check=workloads.check_revision)
