"""Events of Kubernetes, as triggers see them. Pure.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from sympozium.api.base import Object
from sympozium.api.trigger import KubernetesEvent, SeenEvents
from sympozium.kube.conditions import parse_time, rfc3339
from sympozium.policy.triggers import Happened

_META: Final = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
KEPT: Final = ("type", "reason", "message", "count", "lastTimestamp", "eventTime", "series",
               "involvedObject", "reportingComponent", "source")  # fmt: skip
LONGEST: Final = 4096
"""Characters of a text in an Event. Kubernetes bounds none of them, and its own are shorter than 1,024."""
_MARK: Final = " [shortened]"
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def slim(obj: Object) -> Object:
    """What a copy of an Event keeps: whoever may write Events must not fill our memory with them."""
    meta = {key: obj["metadata"][key] for key in _META if key in obj["metadata"]}
    return {"metadata": meta, **{key: _short(obj[key]) for key in KEPT if obj.get(key) is not None}}


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST:
        return value[: LONGEST - len(_MARK)] + _MARK
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return value


def happened(obj: Object) -> Happened:
    """An Event as the variable `event`, and what tells it apart."""
    meta, about = obj["metadata"], obj.get("involvedObject") or {}
    series = obj.get("series") or {}
    count = series.get("count") or obj.get("count") or 1
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
    return Happened(event, key, f"{meta['uid']}/{count}", moment(obj))


def stamp(obj: Object) -> str:
    """When an Event happened last, as its writer says."""
    series = obj.get("series") or {}
    found = series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    return str(found or obj["metadata"]["creationTimestamp"])


def moment(obj: Object) -> datetime:
    """The same as a time. Kubernetes takes years that there are none of here, such as 0; then it is when the Event was made."""
    made = parse_time(str(obj["metadata"]["creationTimestamp"]))
    try:
        found = parse_time(stamp(obj))
    except (ValueError, OverflowError):
        return made
    return found if found.tzinfo else made


def matches(wanted: KubernetesEvent, obj: Object, own_namespace: str) -> bool:
    about = obj.get("involvedObject") or {}
    return (
        obj["metadata"].get("namespace") in (wanted.namespaces or [own_namespace])
        and (not wanted.types or obj.get("type") in wanted.types)
        and _fits(wanted.reasons, obj.get("reason") or "")
        and _fits(wanted.kinds, about.get("kind") or "")
    )


def is_new(obj: Object, seen: SeenEvents | None, created: datetime, *, counted_anew: bool) -> bool:
    """Whether an Event came after what was dealt with: by its version, since what its writer says of its time may be
    anything. By its time only where the cluster `counted_anew`, as one does that was restored.
    """
    if seen is None:
        return moment(obj) >= created
    if version(obj) > int(seen.resource_version or 0):
        return True
    return counted_anew and moment(obj) > parse_time(seen.time)


def seen_with(obj: Object, seen: SeenEvents | None, *, now: datetime, counted_anew: bool) -> SeenEvents:
    """What was dealt with once an Event was, too. A time that is still to come is none: nothing could come after it."""
    newest, at = version(obj), max(_EARLIEST, min(moment(obj), now))
    if seen is not None and not counted_anew:
        newest = max(newest, int(seen.resource_version or 0))
    if seen is not None:
        at = max(at, min(parse_time(seen.time), now))
    return SeenEvents(resource_version=str(newest), time=rfc3339(at))


def version(obj: Object) -> int:
    """They compare as integers (KEP-5504)."""
    text = str(obj["metadata"].get("resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def _fits(globs: list[str], name: str) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)
