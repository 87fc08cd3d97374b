"""What mutations evaluate to, made into JSON: apply configurations and JSON patches."""

from collections.abc import Callable
from typing import Any

from sympozium.cel.access import StructValue
from sympozium.cel.library.conversions import to_string
from sympozium.cel.values import Duration, Optional, Timestamp, unkeyed
from sympozium.localkube.errors import ApiError
from sympozium.localkube.schema.node import ANY, ARRAY, ATOMIC, BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, Node
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


def patched(obj: Object, steps: list[Object], json_patch: Callable[[Object, list[Object]], Object]) -> Object:
    """The object after all steps. A test that fails leaves it as it was, and `replace` may add a key: both as
    the real server has it.
    """
    made = obj
    for one in steps:
        missing = one.get("op") == "replace" and _lacks_key(made, str(one.get("path") or ""))
        step = {**one, "op": "add"} if missing else one
        try:
            made = json_patch(made, [step])
        except ApiError as error:
            if step.get("op") == "test":
                return obj
            raise PatchError(
                f"JSON Patch: {step.get('op')} operation does not apply: {step.get('path')}"
            ) from error
    return made


def _lacks_key(obj: Any, pointer: str) -> bool:
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]] or [""]
    for part in above:
        if isinstance(obj, list) and part.isdigit() and int(part) < len(obj):
            obj = obj[int(part)]
        elif isinstance(obj, dict) and part in obj:
            obj = obj[part]
        else:
            return False
    return isinstance(obj, dict) and last not in obj


_SCALARS = {STRING: (str,), INTEGER: (int,), BOOLEAN: (bool,), NUMBER: (int, float)}


def misfits(value: Any, node: Node, path: str = "") -> list[str]:
    """Fields that the schema does not have, and scalars of another type."""
    found: list[str] = []
    if isinstance(value, dict) and node.type == OBJECT:
        for key, item in value.items():
            child = node.child(key)
            if child is not None:
                found += misfits(item, child, f"{path}.{key}")
            elif not node.preserve:
                found.append(f"{path}.{key}: field not declared in schema")
    elif isinstance(value, list) and node.type == ARRAY and node.items is not None:
        for index, item in enumerate(value):
            found += misfits(item, node.items, f"{path}[{index}]")
    elif node.type in _SCALARS and value is not None and type(value) not in _SCALARS[node.type]:
        kind = "numeric (int or float)" if node.type in {INTEGER, NUMBER} else node.type
        found.append(f"{path}: expected {kind}, got &value.valueUnstructured{{Value:{to_go(value)}}}")
    return found


def to_go(value: Any) -> str:
    """A value as Go's %v prints it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(to_go(item) for item in value)}}}"
    return f'"{value}"' if isinstance(value, str) else str(value)


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
