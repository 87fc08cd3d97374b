"""How Go writes things that clients see in messages: quoted strings, values, regular expressions."""

import re
from functools import lru_cache
from typing import Any

import orjson

from sympozium.localkube.types import Cause

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7F",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1F\\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}


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


@lru_cache(maxsize=1024)
def go_pattern(pattern: str) -> re.Pattern[str]:
    r"""A Go (RE2) regular expression. Raises ValueError for what Python's engine cannot say.

    The differences that matter: `$` is the end of the text alone, `\z` exists, classes such as `[:alpha:]`
    exist, and \d \w \s are ASCII.
    """
    out: list[str] = []
    index, inside = 0, False
    while index < len(pattern):
        char = pattern[index]
        if char == "\\":
            following = pattern[index + 1 : index + 2]
            if following in {"p", "P", "C", "Q"}:
                raise ValueError(f"\\{following} is not supported here")
            out.append("\\Z" if following == "z" else char + following)
            index += 2
            continue
        if inside and pattern.startswith("[:", index) and ":]" in pattern[index:]:
            end = pattern.index(":]", index)
            name = pattern[index + 2 : end]
            if name not in _CLASSES:
                raise ValueError(f"invalid character class range: `[:{name}:]`")
            out.append(_CLASSES[name])
            index = end + 2
            continue
        if char == "[" and not inside:
            inside = True
            # A closing bracket that comes first is itself a member.
            start = re.match(r"\[\^?\]?", pattern[index:])
            assert start is not None
            out.append(start[0].replace("]", "\\]"))
            index += len(start[0])
            continue
        if char == "[":
            out.append("\\")
        if char == "]":
            inside = False
        out.append("\\Z" if char == "$" and not inside else char)
        index += 1
    try:
        return re.compile("".join(out), re.ASCII)
    except (re.error, OverflowError) as error:
        raise ValueError(f"error parsing regexp: {error}: `{pattern}`") from error
