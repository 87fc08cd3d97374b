"""Events have two faces: core/v1 and events.k8s.io/v1 are the same objects with other field names."""

from sympozium.localkube.types import Object

_NAMES = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("source", "deprecatedSource"),
    ("reportingComponent", "reportingController"),
)
_TO_NEW = dict(_NAMES)
_TO_CORE = {new: core for core, new in _NAMES}


def to_new(obj: Object) -> Object:
    """A core event as events.k8s.io/v1 shows it."""
    made = {_TO_NEW.get(key, key): value for key, value in obj.items()}
    made["apiVersion"] = "events.k8s.io/v1"
    return made


def to_core(obj: Object) -> Object:
    """An events.k8s.io/v1 event as it is stored."""
    made = {_TO_CORE.get(key, key): value for key, value in obj.items()}
    made["apiVersion"] = "v1"
    return made
