"""How Go writes things that clients see in messages: quoted strings and values."""

from typing import Any

import orjson

from sympozium.localkube.types import Cause


def quoted(text: str) -> str:
    """`%q`, near enough: JSON's quoting."""
    return orjson.dumps(text).decode()


def shown(value: Any) -> str:
    """A value in `Invalid value: ...`: text as %q has it, everything else as Go's JSON, which escapes for HTML."""
    text = orjson.dumps(value).decode()
    if isinstance(value, dict | list):
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text


def invalid(path: str, value: Any, why: str) -> Cause:
    """`Invalid value: <value>: <why>`."""
    return Cause(path, "FieldValueInvalid", f"Invalid value: {shown(value)}: {why}")


def required(path: str, why: str = "") -> Cause:
    return Cause(path, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def forbidden(path: str, why: str) -> Cause:
    return Cause(path, "FieldValueForbidden", f"Forbidden: {why}")


def duplicate(path: str, value: Any) -> Cause:
    return Cause(path, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def not_found(path: str, value: Any) -> Cause:
    return Cause(path, "FieldValueNotFound", f"Not found: {shown(value)}")


def unsupported(path: str, value: Any, supported: list[str] | tuple[str, ...]) -> Cause:
    """`supported` are shown as strings, in their order."""
    words = ", ".join(quoted(word) for word in supported)
    return Cause(
        path, "FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {words}"
    )


def too_long(path: str, limit: int) -> Cause:
    return Cause(path, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(path: str, count: int, limit: int) -> Cause:
    return Cause(path, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")
