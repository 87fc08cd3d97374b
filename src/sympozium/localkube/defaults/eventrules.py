"""What is wrong with an event, under each of its two faces, in the API server's words.

An event with an eventTime is of the new kind and has to say more; what comes through events.k8s.io has to be
of that kind. The fields are named as core/v1 names them in both.
"""

from typing import Any

from sympozium.localkube.defaults.labels import key_causes
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

_FIXED = (
    *(
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
    ),
    *("action", "related", "reportingComponent", "reportingInstance"),
)


def core_causes(event: Object, reporting: str = "reportingComponent") -> list[Cause]:
    """`reporting` is how the field of the reporting controller is called."""
    about = (event.get("involvedObject") or {}).get("namespace") or ""
    namespace = event["metadata"].get("namespace", "")
    wrong = [gotext.invalid("involvedObject.namespace", about, "does not match event.namespace")]
    if not event.get("eventTime"):
        # Events of cluster-scoped objects are in the namespace default.
        fits = about == namespace or (not about and namespace == "default")
        return [] if fits else wrong
    causes = [] if about or namespace in {"default", "kube-system"} else wrong
    controller = event.get("reportingComponent") or ""
    if not controller:
        causes.append(gotext.required(reporting))
    causes += key_causes(controller, reporting)
    for key in ("reportingInstance", "action", "reason"):
        if not event.get(key):
            causes.append(gotext.required(key))
        causes += _short(event.get(key), 128, key)
    return causes + _short(event.get("message"), 1024, "message")


def _short(value: Any, limit: int, path: str) -> list[Cause]:
    if len(value or "") <= limit:
        return []
    return [gotext.invalid(path, "", f"can have at most {limit} characters")]


def new_causes(event: Object, old: Object | None) -> list[Cause]:
    """An event, in its stored form, that comes through events.k8s.io."""
    causes = core_causes(event, "reportingController")
    series = event.get("series")
    if old is not None:
        if series != old.get("series"):
            causes += _series(series)
        return causes + [
            gotext.invalid(
                "reportingController" if key == "reportingComponent" else key,
                event.get(key),
                "field is immutable",
            )
            for key in _FIXED
            if (event.get(key) or None) != (old.get(key) or None)
        ]
    causes += _series(series)
    if not event.get("eventTime"):
        causes.append(gotext.required("eventTime"))
    if event.get("type") not in {"Normal", "Warning"}:
        causes.append(gotext.invalid("type", "", f"has invalid value: {event.get('type') or ''}"))
    for key in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if event.get(key):
            causes.append(gotext.invalid(key, "", "needs to be unset"))
    return causes


def _series(series: Object | None) -> list[Cause]:
    if series is None:
        return []
    causes = []
    if (series.get("count") or 0) < 2:
        causes.append(gotext.invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        causes.append(gotext.required("series.lastObservedTime"))
    return causes
