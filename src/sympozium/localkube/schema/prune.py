"""Fields that a schema does not have: found, and removed.

Custom resources lose unknown fields unless `x-kubernetes-preserve-unknown-fields` keeps them; the fields
that are specified beneath such a place are still looked at. Built-in kinds lose unknown fields as a
typed decoder loses them, and with them nulls and lists and maps that are empty; what their types write even
then (`shapes`) is added.
"""

from collections.abc import Callable
from typing import Any

from sympozium.localkube.schema.node import ARRAY, INTEGER, OBJECT, QUANTITY, STRING, Node, is_whole
from sympozium.localkube.schema.shapes import arrange, zero


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
    """`prune` for built-in kinds: the form in which the API server's own types write themselves.

    `canonical` writes quantities.
    """
    if isinstance(value, dict):
        if not node.properties and node.additional is None:
            if node.type == OBJECT and not node.preserve:
                value.clear()
            return value
        _tidy_object(value, node, canonical)
        return value
    if isinstance(value, list):
        items = node.items
        if items is not None:
            value[:] = [_filled(item, items, canonical) for item in value]
        return value
    if node.type == QUANTITY:
        return canonical(value)
    if type(value) is float and node.type == INTEGER and is_whole(value):
        return int(value)
    return value


def _tidy_object(value: dict[str, Any], node: Node, canonical: Callable[[Any], str]) -> None:
    properties, additional = node.properties, node.additional
    dropped = []
    for key, inner in value.items():
        child = properties.get(key)
        if child is None:
            if additional is not None:
                value[key] = _filled(inner, additional, canonical)
            elif not node.preserve:
                dropped.append(key)
        elif inner is None:
            dropped.append(key)
        elif inner.__class__ in _WALKED:
            value[key] = tidy(inner, child, canonical)
            if not inner and _omitted(child):
                dropped.append(key)
        elif child.type == QUANTITY:
            value[key] = canonical(inner)
    for key in dropped:
        del value[key]
    if node.shape is not None:
        arrange(value, node.shape)


def _filled(value: Any, node: Node, canonical: Callable[[Any], str]) -> Any:
    """An item of a list or map: a null is the zero value of its type to Go."""
    if value is None:
        value = zero(node)
        return {} if value is None and node.type == OBJECT and node.additional is None else value
    return value if value.__class__ is str and node.type == STRING else tidy(value, node, canonical)


def _omitted(child: Node) -> bool:
    """Whether nothing is left of an empty list or map: storage does not tell it from none."""
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
