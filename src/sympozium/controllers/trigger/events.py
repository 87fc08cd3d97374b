"""Events of Kubernetes, as triggers see them. Pure.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

from sympozium.api.base import Object
from sympozium.api.trigger import KubernetesEvent, SeenEvents
from sympozium.kube.conditions import parse_time
from sympozium.policy.triggers import Happened

KEPT: Final = ("type", "reason", "message", "count", "firstTimestamp", "lastTimestamp", "eventTime", "series",
               "involvedObject", "regarding", "note", "reportingComponent", "source")  # fmt: skip


def slim(obj: Object) -> Object:
    """What a copy of an Event keeps."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "annotations")}
    return {"metadata": meta, **{key: obj[key] for key in KEPT if obj.get(key) is not None}}


def happened(obj: Object) -> Happened:
    """An Event as the variable `event`, and what tells it apart."""
    meta, about = obj["metadata"], obj.get("involvedObject") or {}
    series = obj.get("series") or {}
    count = int(series.get("count") or obj.get("count") or 1)
    event = {
        "type": obj.get("type") or "",
        "reason": obj.get("reason") or "",
        "message": obj.get("message") or "",
        "count": count,
        "namespace": meta.get("namespace") or "",
        "component": obj.get("reportingComponent") or (obj.get("source") or {}).get("component") or "",
        "time": stamp(obj),
        "object": {
            key: about.get(key) or ""
            for key in ("kind", "apiVersion", "namespace", "name", "uid", "fieldPath")
        },
    }
    subject = about.get("uid") or f"{about.get('kind')}/{about.get('name')}"
    key = f"{subject}/{event['reason']}"
    return Happened(event, key, f"{meta['uid']}/{count}", parse_time(stamp(obj)))


def stamp(obj: Object) -> str:
    """When an Event happened last."""
    series = obj.get("series") or {}
    found = series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    return str(found or obj["metadata"]["creationTimestamp"])


def matches(wanted: KubernetesEvent, obj: Object, own_namespace: str) -> bool:
    about = obj.get("involvedObject") or {}
    return (
        obj["metadata"].get("namespace") in (wanted.namespaces or [own_namespace])
        and (not wanted.types or obj.get("type") in wanted.types)
        and _fits(wanted.reasons, obj.get("reason") or "")
        and _fits(wanted.kinds, about.get("kind") or "")
    )


def is_new(obj: Object, seen: SeenEvents | None, created: datetime) -> bool:
    """Whether an Event came after what was dealt with. Its time counts too: a cluster that was restored counts its
    versions from an earlier one.
    """
    at = parse_time(stamp(obj))
    if seen is None:
        return at >= created
    return version(obj) > int(seen.resource_version or 0) or at > parse_time(seen.time)


def version(obj: Object) -> int:
    """They compare as integers (KEP-5504)."""
    text = str(obj["metadata"].get("resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def _fits(globs: list[str], name: str) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)
