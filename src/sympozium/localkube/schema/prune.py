"""Fields that a schema does not have: found, and removed.

Custom resources lose unknown fields unless `x-kubernetes-preserve-unknown-fields` keeps them; the fields
that are specified beneath such a place are still looked at. Built-in kinds lose unknown fields as a
typed decoder loses them, and with them nulls and optional lists and maps that are empty, since that is how
the API server's own types write themselves (structs that are empty stay: `emptyDir: {}` means something).
"""

from collections.abc import Callable
from typing import Any

from sympozium.localkube.schema.node import ARRAY, INTEGER, OBJECT, QUANTITY, STRING, Node, is_whole


def prune(value: Any, node: Node) -> Any:
    """`value` without unknown fields; changes it in place. Whole floats of integer fields become integers."""
    if isinstance(value, dict):
        _prune_object(value, node)
    elif isinstance(value, list):
        if node.items is not None:
            for index, item in enumerate(value):
                value[index] = prune(item, node.items)
    elif type(value) is float and node.type == INTEGER and is_whole(value):
        return int(value)
    return value


def _prune_object(value: dict[str, Any], node: Node) -> None:
    if not node.properties and node.additional is None:
        if node.type == OBJECT and not node.preserve:
            value.clear()
        return
    unknown = []
    for key, inner in value.items():
        child = node.properties.get(key) or node.additional
        if child is None:
            if not node.preserve:
                unknown.append(key)
        elif inner.__class__ in _WALKED:
            value[key] = prune(inner, child)
    for key in unknown:
        del value[key]


_WALKED = (dict, list, float)


def tidy(value: Any, node: Node, canonical: Callable[[Any], str]) -> Any:
    """`prune` for built-in kinds: also drops nulls, and optional lists and maps that are empty.

    `canonical` writes quantities.
    """
    if isinstance(value, dict):
        if not node.properties and node.additional is None:
            if node.type == OBJECT and not node.preserve:
                value.clear()
            return value
        dropped = []
        for key, inner in value.items():
            child = node.properties.get(key) or node.additional
            if child is None:
                if not node.preserve:
                    dropped.append(key)
            elif inner is None:
                dropped.append(key)
            elif inner.__class__ in _WALKED:
                value[key] = tidy(inner, child, canonical)
                if not inner and _omitted(key, child, node):
                    dropped.append(key)
            elif child.type == QUANTITY:
                value[key] = canonical(inner)
        for key in dropped:
            del value[key]
        return value
    if isinstance(value, list):
        if node.items is not None:
            zero = _ZEROS.get(node.items.type)
            value[:] = [
                tidy(zero() if item is None and zero is not None else item, node.items, canonical)
                for item in value
            ]
        return value
    if node.type == QUANTITY:
        return canonical(value)
    if type(value) is float and node.type == INTEGER and is_whole(value):
        return int(value)
    return value


_ZEROS: dict[str, Callable[[], Any]] = {OBJECT: dict, STRING: str, INTEGER: int}
"""What a null in a list is to Go: the zero value of the items' type."""


def _omitted(key: str, child: Node, parent: Node) -> bool:
    """Whether the API server's types leave this field out when it is empty."""
    if key in parent.required or parent.additional is not None or child.preserve:
        return False
    return child.type == ARRAY or (child.type == OBJECT and child.additional is not None)


def unknown_fields(value: Any, node: Node) -> list[str]:
    """Dotted paths of the fields that `prune` would take, in document order; changes nothing."""
    found: list[str] = []
    _unknown(value, node, "", found)
    return found


def _unknown(value: Any, node: Node, path: str, found: list[str]) -> None:
    if isinstance(value, dict):
        if node.properties or node.additional is not None:
            for key, inner in value.items():
                child = node.properties.get(key) or node.additional
                if child is None:
                    if not node.preserve:
                        found.append(f"{path}.{key}" if path else key)
                elif inner.__class__ in _NESTED:
                    _unknown(inner, child, f"{path}.{key}" if path else key, found)
        elif node.type == OBJECT and not node.preserve:
            found.extend(f"{path}.{key}" if path else key for key in value)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            _unknown(item, node.items, f"{path}[{index}]", found)


_NESTED = (dict, list)
