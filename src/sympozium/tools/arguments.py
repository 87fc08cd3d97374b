"""Checks of a call's arguments before anything is decided about it: size, then the tool's schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = 200


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
