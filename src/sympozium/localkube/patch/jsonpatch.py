"""JSON patch, RFC 6902. Any operation that cannot be done is a 422 without details: clients rely on that code."""

from typing import Any

import orjson

from sympozium.localkube.depth import compact
from sympozium.localkube.errors import ApiError, bad_request, unprocessable_patch
from sympozium.localkube.schema.equality import same

MAX_OPERATIONS = 10_000
MAX_DIGITS = 18
MAX_COPIED = 3 * 1024 * 1024


_JSON = {str: "string", int: "number", float: "number", bool: "bool", list: "array", type(None): "null"}


class _CannotError(Exception):
    """The operation does not fit the document."""


def json_patch(obj: Any, operations: list[Any]) -> Any:
    """The patched document; `obj` may be changed. All operations or an ApiError.

    Raises ApiError 400 for what is no operation, 413 for too many, 422 when a path or test fails.
    """
    if len(operations) > MAX_OPERATIONS:
        raise ApiError(
            413,
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}",
        )
    copied = 0
    for operation in operations:
        if not isinstance(operation, dict):
            raise bad_request(
                f"error decoding patch: json: cannot unmarshal {_JSON[type(operation)]} into Go value of type handlers.jsonPatchOp"
            )
        try:
            if operation.get("op") == "copy":
                obj, size = _copy(obj, operation)
                copied += size
                if copied > MAX_COPIED:
                    raise ApiError(
                        413,
                        f"Unable to complete the copy, the accumulated size increase exceeds {MAX_COPIED}",
                    )
            else:
                obj = _apply(obj, operation)
        except _CannotError as error:
            raise unprocessable_patch() from error
    return obj


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    op, path = operation.get("op"), _pointer(operation.get("path"))
    if op == "add":
        return _add(document, path, _value(operation))
    if op == "remove":
        return _remove(document, path)[0]
    if op == "replace":
        return _replace(document, path, _value(operation))
    if op == "test":
        if not same(_get_or_null(document, path), operation.get("value")):
            raise _CannotError(f"test failed at {operation.get('path')}")
        return document
    if op == "move":
        source = _pointer(operation.get("from"))
        if path[: len(source)] == source and path != source:
            raise _CannotError("a value cannot be moved into itself")
        document, moved = _remove(document, source)
        return _add(document, path, moved)
    raise _CannotError(f"unexpected kind: {op}")


def _copy(document: Any, operation: dict[str, Any]) -> tuple[Any, int]:
    """The document, and how many bytes were copied: copies of copies double each time."""
    text = compact(_get_or_null(document, _pointer(operation.get("from"))))
    return _add(document, _pointer(operation.get("path")), orjson.loads(text)), len(text)


def _value(operation: dict[str, Any]) -> Any:
    """None where the operation has no value: the library that the API server uses does not mind."""
    value = operation.get("value")
    # A patch may be tried again on another revision: what it holds must not become part of a document.
    return orjson.loads(orjson.dumps(value)) if isinstance(value, dict | list) else value


def _pointer(text: Any) -> list[str]:
    """The parts of a JSON pointer; what is before the first slash is not looked at, as in the API server."""
    if not isinstance(text, str):
        raise _CannotError(f"{text!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(items: list[Any], part: str, *, end: bool) -> int:
    """A position in `items`, negative ones from the end; `end` allows the one after the last."""
    if part == "-" and end:
        return len(items)
    digits = part.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
        raise _CannotError(f"{part} is no index")
    index, size = int(part), len(items) + end
    if not -size <= index < size:
        raise _CannotError(f"index {part} is out of bounds")
    return index if index >= 0 else index + size


def _step(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        if part not in value:
            raise _CannotError(f"{part} does not exist")
        return value[part]
    if isinstance(value, list):
        return value[_index(value, part, end=False)]
    raise _CannotError(f"nothing is beneath {part}")


def _get(document: Any, path: list[str]) -> Any:
    for part in path:
        document = _step(document, part)
    return document


def _get_or_null(document: Any, path: list[str]) -> Any:
    """A last key that is missing tests as null, as in the API server."""
    if not path:
        raise _CannotError("the whole document is no value")
    parent = _get(document, path[:-1])
    if isinstance(parent, dict):
        return parent.get(path[-1])
    return _step(parent, path[-1])


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        raise _CannotError("the whole document cannot be written")
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(_index(parent, last, end=True), value)
    else:
        raise _CannotError(f"nothing can be added beneath {path[:-1]}")
    return document


def _replace(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        raise _CannotError("the whole document cannot be written")
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value  # also where nothing was: the API server's library takes it
    elif isinstance(parent, list):
        parent[_index(parent, last, end=False)] = value
    else:
        raise _CannotError(f"nothing can be replaced beneath {path[:-1]}")
    return document


def _remove(document: Any, path: list[str]) -> tuple[Any, Any]:
    if not path:
        raise _CannotError("the whole document cannot be removed")
    parent, last = _get(document, path[:-1]), path[-1]
    removed = _step(parent, last)
    if isinstance(parent, dict):
        del parent[last]
    else:
        del parent[_index(parent, last, end=False)]
    return document, removed
