"""What is wrong with an applied object before anything is merged.

Server-side apply reads the body by its schema alone and is stricter than a decoder: no unknown field, no
value of another form, no item of a map list twice. The texts are those of structured-merge-diff, as clients
see them (`.spec.x: field not declared in schema`).
"""

from typing import Any

import orjson

from sympozium.localkube.patch.fields import shown
from sympozium.localkube.patch.typed import UntypedError, element_of
from sympozium.localkube.schema.node import (  # fmt: skip
    ANY,
    ARRAY,
    ATOMIC,
    BOOLEAN,
    INT_OR_STRING,
    INTEGER,
    MAP,
    NUMBER,
    OBJECT,
    QUANTITY,
    SET,
    STRING,
    Node,
)

_SCALARS = {STRING, INTEGER, NUMBER, BOOLEAN, QUANTITY, INT_OR_STRING}


def typed_errors(value: Any, node: Node) -> list[str]:
    """One text for each mistake; empty when `value` can be applied."""
    found: list[str] = []
    _check(value, node, "", found)
    return found


def joined(errors: list[str]) -> str:
    """As one message."""
    return errors[0] if len(errors) == 1 else "\n  ".join(["errors:", *errors])


def _check(value: Any, node: Node, path: str, found: list[str]) -> None:
    if value is None or node.type == ANY:
        return
    if node.type == OBJECT:
        if isinstance(value, dict):
            _object(value, node, path, found)
        else:
            found.append(f"{path}: expected map, got &{{{plain(value)}}}")
    elif node.type == ARRAY:
        if isinstance(value, list):
            _list(value, node, path, found)
        else:
            found.append(f"{path}: expected list, got &{{{plain(value)}}}")
    elif node.type in _SCALARS:
        wrong = _scalar(value, node)
        if wrong:
            found.append(f"{path}: {wrong}")


def _object(value: dict[str, Any], node: Node, path: str, found: list[str]) -> None:
    if not node.properties and node.additional is None:
        return  # nothing is said about what is in it
    for key, inner in value.items():
        child = node.child(key)
        if child is not None:
            _check(inner, child, f"{path}.{key}", found)
        elif not node.preserve:
            found.append(f"{path}.{key}: field not declared in schema")


def _list(value: list[Any], node: Node, path: str, found: list[str]) -> None:
    seen: set[str] = set()
    for index, item in enumerate(value):
        at = f"{path}[{index}]"
        if node.list_type != ATOMIC:
            why = _not_an_item(item, node)
            if why:
                found.append(f"{path}: element {index}: {why}")
                return
            element = element_of(item, node)
            if element is None:
                continue
            if element in seen:
                found.append(f"{path}: duplicate entries for key {shown(element)}")
            seen.add(element)
            at = path + shown(element)
        if node.items is not None:
            _check(item, node.items, at, found)


def _not_an_item(item: Any, node: Node) -> str:
    if node.list_type == MAP:
        if item is None:
            return "associative list with keys may not have a null element"
        if not isinstance(item, dict):
            return "associative list with keys may not have non-map elements"
        try:
            element_of(item, node)
        except UntypedError as error:
            return str(error)
    elif node.list_type == SET:
        if item is None:
            return "associative list without keys has an element that's an explicit null"
        if isinstance(item, dict):
            return "associative list without keys has an element that's a map type"
        if isinstance(item, list):
            return "not supported: associative list with lists as elements"
    return ""


def _scalar(value: Any, node: Node) -> str:
    found = type(value)
    if node.type in {QUANTITY, INT_OR_STRING} or node.format in {"date-time", "micro-time"}:
        return f"expected any scalar, got &{{{plain(value)}}}" if found in {dict, list} else ""
    if node.type == STRING and found is not str:
        return f"expected string, got &value.valueUnstructured{{Value:{_syntax(value)}}}"
    if node.type == BOOLEAN and found is not bool:
        return f"expected boolean, got &{{{plain(value)}}}"
    if node.type in {INTEGER, NUMBER} and found not in {int, float}:
        names = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}
        return f"expected numeric (int or float), got {names[found]}"
    return ""


def plain(value: Any) -> str:
    """Go's `%v` of decoded JSON."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{plain(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(plain(item) for item in value) + "]"
    if value is None:
        return "<nil>"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _syntax(value: Any) -> str:
    """Go's `%#v`."""
    if isinstance(value, dict):
        inner = ", ".join(f"{orjson.dumps(key).decode()}:{_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(_syntax(item) for item in value)}}}"
    return "interface {}(nil)" if value is None else orjson.dumps(value).decode()
