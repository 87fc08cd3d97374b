"""Checks of a call's arguments before anything is decided about it: plain JSON, size, the tool's schema.

What passes here is judged, shown, put into the digest and executed as one and the same value. Whoever reads it after us
reads it the same way: nothing that two JSON readers take for different things, and one spelling for each path.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = 200


MAX_DEPTH = 64
"""Levels of lists and objects."""
WORKSPACE = "/workspace"
"""Where the workspace is mounted in the containers of a run (docs/contracts.md)."""
_PATHS = ("path", "workdir")


def not_plain(value: Any, depth: int = 0) -> str | None:
    """Why a value is not plain JSON, or None. The agent checks as well; it is the agent that is not trusted here."""
    if isinstance(value, str):
        return _not_text(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is no JSON value"
    if isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH} levels"
        items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        return next((problem for item in items if (problem := not_plain(item, depth + 1))), None)
    return None


def _not_text(text: str) -> str | None:
    if "\0" in text:
        return "a NUL character, at which some programs end a text and others do not"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"{text[error.start]!r} is half a surrogate pair, no character"
    return None


def canonical(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a built-in tool with each path in its one spelling: relative to the workspace, nothing superfluous.

    So that a rule about `args.path` cannot be got around by `./x`, `a//x` or `/workspace/x`. `..` is not resolved, since
    what it means depends on links; `crooked` refuses it.
    """
    spelled = {k: _spelled(v) for k, v in arguments.items() if k in _PATHS and isinstance(v, str) and v}
    return arguments | spelled


def crooked(arguments: dict[str, Any]) -> str | None:
    """Why a path of a built-in tool's (canonical) arguments cannot be judged by its text, or None."""
    for key in _PATHS:
        value = arguments.get(key)
        if isinstance(value, str) and ".." in value.split("/"):
            return f"{key} is {value[:_SHOWN]!r}; write it without '..', from the workspace on"
    return None


def _spelled(path: str) -> str:
    absolute = path.startswith("/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if absolute and parts[:1] == [WORKSPACE[1:]]:
        absolute, parts = False, parts[1:]
    return "/" * absolute + "/".join(parts) if parts or absolute else "."


def size(arguments: dict[str, Any]) -> int:
    """Bytes of the arguments as JSON."""
    return len(json.dumps(arguments, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def too_large(tool: str, arguments: dict[str, Any], limit: int) -> str | None:
    """Why the arguments are too large, or None."""
    actual = size(arguments)
    if actual <= limit:
        return None
    return f"the arguments of {tool} are too large: {actual} bytes, the limit is {limit}; write less at once"


class Schemas:
    """Validators of input schemas, made once each. The library is loaded with the first call: it costs 60 ms."""

    def __init__(self) -> None:
        self._validators: dict[str, Callable[[Any], list[Any]]] = {}

    def wrong(self, tool: str, schema: dict[str, Any], arguments: dict[str, Any]) -> str | None:
        """What is wrong with the arguments, by path, or None."""
        errors = sorted(self._errors(tool, schema, arguments), key=lambda e: list(map(str, e.absolute_path)))
        if not errors:
            return None
        lines = []
        for error in errors[:5]:
            path = ".".join(str(part) for part in error.absolute_path) or "arguments"
            message = error.message
            lines.append(f"{path}: {message if len(message) <= _SHOWN else message[:_SHOWN] + ' [...]'}")
        more = f" (and {len(errors) - 5} more)" if len(errors) > 5 else ""
        return f"the arguments of {tool} do not fit its schema: {'; '.join(lines)}{more}"

    def _errors(self, tool: str, schema: dict[str, Any], arguments: dict[str, Any]) -> list[Any]:
        key = f"{tool} {json.dumps(schema, sort_keys=True)}"
        if key not in self._validators:
            from jsonschema.exceptions import SchemaError
            from jsonschema.validators import Draft202012Validator, validator_for

            kind = validator_for(schema, default=Draft202012Validator)
            try:
                kind.check_schema(schema)
            except SchemaError as error:
                raise SchemaBrokenError(
                    f"the schema that {tool} came with is broken: {error.message}"
                ) from error
            validator = kind(schema)
            self._validators[key] = lambda value: list(validator.iter_errors(value))
        return self._validators[key](arguments)


class SchemaBrokenError(Exception):
    """A skill offers a tool whose input schema is no JSON schema."""
