"""Defaults of structural schemas, and what an explicit null means.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting:
a default goes only into an object that is there; a null in a field that is not nullable counts as
absent: it becomes the default, and goes where there is none. Nulls as items of lists stay.
"""

from typing import Any

import orjson

from sympozium.localkube.schema.node import Node


def apply_defaults(value: Any, node: Node) -> None:
    """Fills in defaults beneath `value` and resolves nulls, in place."""
    if isinstance(value, dict):
        _object(value, node)
    elif isinstance(value, list) and node.items is not None:
        items = node.items
        for index, item in enumerate(value):
            if item is None and not items.nullable and items.default is not None:
                value[index] = item = orjson.loads(items.default)
            if item.__class__ in _NESTED:
                apply_defaults(item, items)


_NESTED = (dict, list)


def _object(value: dict[str, Any], node: Node) -> None:
    properties = node.properties
    if node.fills:
        for key, child in properties.items():
            if child.default is not None and (
                key not in value or (value[key] is None and not child.nullable)
            ):
                value[key] = orjson.loads(child.default)
    dropped = []
    for key, inner in value.items():
        if inner.__class__ in _NESTED:
            child = properties.get(key) or node.additional
            if child is not None:
                apply_defaults(inner, child)
        elif inner is None:
            child = properties.get(key) or node.additional
            if child is not None and not child.nullable:
                if child.default is None:
                    dropped.append(key)
                else:
                    value[key] = orjson.loads(child.default)
    for key in dropped:
        del value[key]
