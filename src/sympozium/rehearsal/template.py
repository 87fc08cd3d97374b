"""Templates of scripts: `{{name}}`, `{{name|head(5)}}`, `{{name|default(nothing found)}}`.

Deliberately no expressions. A name that has no value and no default is an error of the script, not
an empty string: a report with a hole in it would look like the product's fault.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELD = re.compile(r"\{\{\s*(?P<name>\w+)\s*(?P<filters>(?:\|\s*\w+(?:\([^)]*\))?\s*)*)\}\}")
_FILTER = re.compile(r"\|\s*(\w+)(?:\(([^)]*)\))?")


class ScriptError(Exception):
    """A script is wrong; the text names the place in it."""


def fill(value: Any, values: Mapping[str, str]) -> Any:
    """`value` with every template in its strings filled in; lists and mappings are walked."""
    if isinstance(value, str):
        return _FIELD.sub(lambda found: _field(found, values), value)
    if isinstance(value, list):
        return [fill(item, values) for item in value]
    if isinstance(value, dict):
        if set(value) == {"repeat", "times"}:
            return str(value["repeat"]) * int(value["times"])
        return {key: fill(item, values) for key, item in value.items()}
    return value


def _field(found: re.Match[str], values: Mapping[str, str]) -> str:
    name = found["name"]
    text = values.get(name)
    for operation, argument in _FILTER.findall(found["filters"]):
        if operation == "default":
            text = text or argument
        elif text is not None:
            text = _apply(operation, argument, text, whole=found.group())
    if text is None:
        raise ScriptError(f"{found.group()}: {name!r} has no value here; add |default(...) or a capture")
    return text


def _apply(operation: str, argument: str, text: str, *, whole: str) -> str:
    lines = text.rstrip("\n").split("\n")
    if operation == "head":
        return "\n".join(lines[: int(argument)])
    if operation == "tail":
        return "\n".join(lines[-int(argument) :])
    if operation == "indent":
        return "\n".join(" " * int(argument) + line for line in lines)
    if operation == "prefix":
        return argument + text
    if operation == "words":
        return " ".join(text.split())
    if operation == "strip":
        return text.strip()
    raise ScriptError(
        f"{whole}: there is no filter {operation!r}; there are default, head, indent, prefix, strip, tail, words"
    )
