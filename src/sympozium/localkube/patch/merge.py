"""JSON merge patch, RFC 7386: null deletes, objects merge, everything else is replaced."""

from typing import Any


def merge_patch(target: Any, patch: Any) -> Any:
    """The patched value. `target` may be changed; `patch` is not, and nothing of it that can change is shared."""
    if not isinstance(patch, dict):
        return _copied(patch)
    if not isinstance(target, dict):
        target = {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = merge_patch(target.get(key), value)
        else:
            target[key] = _copied(value)
    return target


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value
