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
        for index in range(len(value)):
            if value[index] is None and not items.nullable and items.default is not None:
                value[index] = orjson.loads(items.default)
            if value[index].__class__ in _NESTED:
                apply_defaults(value[index], items)


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
            below = node.child(key)
            if below is not None:
                apply_defaults(inner, below)
        elif inner is None:
            below = node.child(key)
            if below is not None and not below.nullable:
                if below.default is None:
                    dropped.append(key)
                else:
                    value[key] = orjson.loads(below.default)
    for key in dropped:
        del value[key]
