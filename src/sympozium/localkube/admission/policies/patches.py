"""What mutations evaluate to, made into JSON: apply configurations and JSON patches."""

from typing import Any

from sympozium.localkube.cel.library.conversions import to_string
from sympozium.localkube.cel.program import StructValue
from sympozium.localkube.cel.values import Duration, Optional, Timestamp, unkeyed
from sympozium.localkube.schema.node import ANY, ARRAY, ATOMIC, OBJECT, Node
from sympozium.localkube.types import Object


class PatchError(Exception):
    """A mutation could not be evaluated or applied."""


def as_json(value: Any) -> Any:
    """A CEL value as JSON. Raises PatchError for what has no such form."""
    match value:
        case None | bool() | str() | float():
            return value
        case int():
            return int(value)
        case list():
            return [as_json(item) for item in value]
        case dict():
            return {_key(unkeyed(key)): as_json(item) for key, item in value.items()}
        case Timestamp() | Duration():
            return to_string(value)
        case Optional():
            return as_json(value.value) if value.present else None
    raise PatchError(f"type mismatch: a value of type {type(value).__name__} has no JSON")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise PatchError(f"map key {key!r} is not string")
    return key


def operations(value: Any) -> list[Object]:
    """A list of JSONPatch{...} as the operations of RFC 6902."""
    if not isinstance(value, list):
        raise PatchError("type mismatch: JSONPatchType.expression should evaluate to array")
    found: list[Object] = []
    for item in value:
        if not isinstance(item, StructValue):
            raise PatchError("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch")
        found.append({key: as_json(part) for key, part in item.items()})
    return found


def applied(value: Any) -> Object:
    """Object{...} as JSON. Raises PatchError for names that do not say where their fields are."""
    _check_names(value, ("Object",))
    made = as_json(value)
    assert isinstance(made, dict)
    return made


def _check_names(value: Any, path: tuple[str, ...]) -> None:
    if isinstance(value, StructValue):
        if value.cel_name != ".".join(path):
            why = f'unexpected type name "{value.cel_name}", expected "{".".join(path)}", which matches field name path from root Object type'
            raise PatchError(f"type mismatch: {why}")
        for key, item in value.items():
            _check_names(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            _check_names(item, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_names(item, (*path, str(unkeyed(key))))


def atomic_paths(value: Any, node: Node, path: str = "") -> list[str]:
    """Where an apply configuration would replace something whole."""
    found: list[str] = []
    if isinstance(value, dict) and node.type in {OBJECT, ANY}:
        if node.map_type == ATOMIC:
            found.append(path)
        for key, item in value.items():
            child = node.child(key)
            if child is not None:
                found += atomic_paths(item, child, f"{path}.{key}")
    elif isinstance(value, list) and node.type == ARRAY:
        if node.list_type == ATOMIC:
            found.append(path)
        for index, item in enumerate(value):
            if node.items is not None:
                found += atomic_paths(item, node.items, f"{path}[{index}]")
    return found
