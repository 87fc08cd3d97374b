"""RFC 7386 the other way round: the merge patch that makes one object into another."""

from sympozium.localkube.types import Object


def difference(old: Object, new: Object) -> Object:
    """What to send; a key that is gone becomes null. Values of `new` must not be null."""
    patch: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = difference(before, value)
            if inner:
                patch[key] = inner
        elif key not in old or before != value:
            patch[key] = value
    return patch
