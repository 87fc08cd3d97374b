"""Cells of Deployments and their like."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sympozium.localkube.tables.age import age
from sympozium.localkube.types import Object

_NONE = "<none>"


def _start(obj: Object) -> tuple[str, Object, Object]:
    return str(obj["metadata"]["name"]), obj.get("spec") or {}, obj.get("status") or {}


def _born(obj: Object, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _containers(spec: Object) -> list[str]:
    """Names and images."""
    found = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    return [",".join(c["name"] for c in found), ",".join(c.get("image") or "" for c in found)]


def selector_text(selector: Any) -> str:
    """A label selector, or plain labels, as Kubernetes prints it."""
    if not isinstance(selector, dict) or not selector:
        return _NONE
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        key, values = rule["key"], ",".join(sorted(rule.get("values") or ()))
        text = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        parts.append((key, text[rule["operator"]]))
    return ",".join(text for _, text in sorted(parts)) or _NONE


def _deployment(obj: Object, now: datetime) -> list[Any]:
    name, spec, status = _start(obj)
    return [
        name,
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _born(obj, now),
        *_containers(spec),
        selector_text(spec.get("selector")),
    ]


def _replicas(obj: Object, now: datetime) -> list[Any]:
    name, spec, status = _start(obj)
    return [
        name,
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        _born(obj, now),
        *_containers(spec),
        selector_text(spec.get("selector")),
    ]


def _stateful_set(obj: Object, now: datetime) -> list[Any]:
    name, spec, status = _start(obj)
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [name, ready, _born(obj, now), *_containers(spec)]


def _daemon_set(obj: Object, now: datetime) -> list[Any]:
    name, spec, status = _start(obj)
    counters = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    nodes = ((spec.get("template") or {}).get("spec") or {}).get("nodeSelector")
    return [
        name,
        *(status.get(key, 0) for key in counters),
        selector_text(nodes),
        _born(obj, now),
        *_containers(spec),
        selector_text(spec.get("selector")),
    ]


def _revision(obj: Object, now: datetime) -> list[Any]:
    owner = next((r for r in obj["metadata"].get("ownerReferences") or () if r.get("controller")), None)
    shown = _NONE
    if owner is not None:
        group = owner["apiVersion"].rpartition("/")[0]
        kind = owner["kind"].lower()
        shown = f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"
    return [str(obj["metadata"]["name"]), shown, obj.get("revision", 0), _born(obj, now)]


_REPLICAS = "Name|Desired:integer|Current:integer|Ready:integer|Age|Containers*|Images*|Selector*"
TABLES: dict[str, tuple[str, Callable[[Object, datetime], list[Any]]]] = {
    "deployments": ("Name|Ready|Up-to-date|Available|Age|Containers*|Images*|Selector*", _deployment),
    "replicasets": (_REPLICAS, _replicas),
    "replicationcontrollers": (_REPLICAS, _replicas),
    "statefulsets": ("Name|Ready|Age|Containers*|Images*", _stateful_set),
    "daemonsets": (
        (
            "Name|Desired:integer|Current:integer|Ready:integer|Up-to-date:integer|Available:integer"
            "|Node Selector|Age|Containers*|Images*|Selector*"
        ),
        _daemon_set,
    ),
    "controllerrevisions": ("Name|Controller|Revision|Age", _revision),
}
