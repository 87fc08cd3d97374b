"""A JSON patch (RFC 6902) that brings parts of an object to what they should be."""

from typing import Any

from sympozium.api.base import Object

_ABSENT = object()


def difference(old: Object, new: Object, path: str) -> list[Object]:
    """Operations on the fields of `old` so that it equals `new`; lists and changed values are replaced whole.

    `path` is the JSON pointer of the object, which must exist in the document.
    """
    found: list[Object] = [
        {"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in old.keys() - new.keys()
    ]
    for key, value in new.items():
        here = f"{path}/{_escaped(key)}"
        before: Any = old.get(key, _ABSENT)
        if before is _ABSENT:
            found.append({"op": "add", "path": here, "value": value})
        elif isinstance(before, dict) and isinstance(value, dict):
            found += difference(before, value, here)
        elif before != value:
            found.append({"op": "replace", "path": here, "value": value})
    return found


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
