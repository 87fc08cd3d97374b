"""JSON types of built-in kinds, checked as the API server's decoder does: what is wrong is a 400.

The texts are Go's (`json: cannot unmarshal number into Go struct field ConfigMap.data of type string`),
because clients show them. Go stops at the first error, and so does this.
"""

import base64
import binascii
import re
from typing import Any

from sympozium.localkube.schema.node import (
    ANY,
    ARRAY,
    BOOLEAN,
    INT_OR_STRING,
    INTEGER,
    NUMBER,
    OBJECT,
    QUANTITY,
    STRING,
    Node,
)

_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?")
_QUANTITY_TEXT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
)
_BITS = {"int32": 31, "int64": 63}
_BEYOND = 2**63
_JSON_NAMES = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}


class _WrongTypeError(Exception):
    pass


def type_errors(obj: dict[str, Any], node: Node, kind: str) -> list[str]:
    """At most one text; empty when a decoder would take `obj`."""
    try:
        _object(obj, node, kind, "")
    except _WrongTypeError as error:
        return [str(error)]
    return []


def _object(value: dict[str, Any], node: Node, struct: str, path: str, go: str = "") -> None:
    """`go` is the type's own name where it is a map."""
    properties, additional, shape = node.properties, node.additional, node.shape
    for key, inner in value.items():
        if inner is None:
            continue
        child = properties.get(key)
        if child is None:
            if additional is not None:
                # Keys of a map are not part of Go's path.
                _value(inner, additional, struct, path, _inner(go))
            continue
        if shape is None:
            _value(inner, child, struct, f"{path}.{key}" if path else key, "")
            continue
        at = shape.embedded.get(key, "") + key
        _value(inner, child, struct, f"{path}.{at}" if path else at, shape.types.get(key, ""))


def _inner(go: str) -> str:
    """The type of the items of a list or map; empty where a name hides it."""
    if go.startswith("[]"):
        return go[2:]
    return go[go.index("]") + 1 :] if go.startswith("map[") else ""


def _value(value: Any, node: Node, struct: str, path: str, go: str) -> None:
    kind = node.type
    if kind == STRING:
        if value.__class__ is not str:
            raise _unmarshal(value, node, struct, path, go)
        if node.format:
            _formatted(value, node.format)
    elif kind == OBJECT:
        if value.__class__ is not dict:
            raise _unmarshal(value, node, struct, path, go)
        _object(value, node, node.name.rpartition(".")[2] or struct, path, go)
    elif kind == ARRAY:
        if value.__class__ is not list:
            raise _unmarshal(value, node, struct, path, go)
        if node.items is not None:
            inner = _inner(go)
            for item in value:
                if item is not None:
                    _value(item, node.items, struct, path, inner)
    elif kind != ANY:
        _number(value, node, struct, path, go)


def _number(value: Any, node: Node, struct: str, path: str, go: str) -> None:
    kind, found = node.type, value.__class__
    if kind == BOOLEAN:
        wrong = found is not bool
    elif kind == INTEGER:
        wrong = found not in {int, float}
        if not wrong and not _fits(value, node.format):
            raise _number_error(value, struct, path, go or _go(node))
    elif kind == NUMBER:
        wrong = found not in {int, float}
    elif kind == INT_OR_STRING:
        wrong, go = found not in {int, str}, "int32"
        if wrong and found is float:
            raise _number_error(value, struct, path, go)
    else:
        assert kind == QUANTITY
        wrong = False
        if found not in {int, float, str} or not _QUANTITY.fullmatch(str(value)):
            raise _WrongTypeError(_QUANTITY_TEXT)
    if wrong:
        raise _unmarshal(value, node, struct, path, go)


def _fits(value: Any, form: str) -> bool:
    """Go's decoder reads `3.0` as no integer, and so does not take it."""
    limit = 2 ** _BITS.get(form, 63)
    return value.__class__ is int and -limit <= value < limit


def _number_error(value: float, struct: str, path: str, go: str) -> _WrongTypeError:
    # A number beyond 64 bits has been read as a float.
    text = str(int(value)) if abs(value) >= _BEYOND else str(value)
    return _WrongTypeError(
        f"json: cannot unmarshal number {text} into Go struct field {struct}.{path} of type {go}"
    )


def _formatted(value: str, form: str) -> None:
    if form == "byte":
        try:
            base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
        except binascii.Error as error:
            at = re.search(r"[^A-Za-z0-9+/]", value)
            where = at.start() if at else len(value) // 4 * 4
            raise _WrongTypeError(f"illegal base64 data at input byte {where}") from error
    elif form in {"date-time", "micro-time"} and not _TIME.fullmatch(value):
        layout = "2006-01-02T15:04:05Z07:00" if form == "date-time" else "2006-01-02T15:04:05.000000Z07:00"
        raise _WrongTypeError(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"')


def _unmarshal(value: Any, node: Node, struct: str, path: str, go: str) -> _WrongTypeError:
    if node.format in {"date-time", "micro-time"}:
        go = "string"
    return _WrongTypeError(
        f"json: cannot unmarshal {_JSON_NAMES[type(value)]} into Go struct field {struct}.{path} of type {go or _go(node)}"
    )


def _go(node: Node) -> str:
    """The Go type of a place."""
    if node.type == ARRAY:
        return "[]" + (_go(node.items) if node.items else "interface {}")
    if node.type == OBJECT:
        return node.name or "map[string]" + (_go(node.additional) if node.additional else "interface {}")
    if node.type == INTEGER:
        return node.format or "int64"
    return {BOOLEAN: "bool", NUMBER: "float64", INT_OR_STRING: "string"}.get(node.type, "string")
