"""Validation of custom resources by their structural schema.

On an update, what did not change is not held against the writer ("ratcheting"): a schema may become
stricter without making stored objects unwritable. Keys of lists are always checked, since merging relies on
them. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting
"""

from typing import Any, Final

import orjson

from sympozium.localkube.schema import gotext
from sympozium.localkube.schema.checks import has_type, wrong_type
from sympozium.localkube.schema.equality import same
from sympozium.localkube.schema.node import ARRAY, MAP, SET, Node
from sympozium.localkube.types import Cause


class _Absent:
    """There is no earlier value, or none that can be told to be the same place."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


def validate(value: Any, old: Any, node: Node, path: str = "") -> list[Cause]:
    """Structural causes of `value` (an update of `old`, or ABSENT), which is at `path`."""
    out: list[Cause] = []
    _value(value, old, node, path, out)
    return out


def _value(value: Any, old: Any, node: Node, path: str, out: list[Cause]) -> None:
    if value is None:
        if not node.nullable and node.type and not _unchanged(value, old):
            out.append(wrong_type(path, value, node.type))
        return
    if node.type and not _typed(value, node, path, out, old):
        return
    if node.checks and not _unchanged(value, old):
        for check in node.checks:
            check(value, path, out)
    if value.__class__ is dict:
        _object(value, old, node, path, out)
    elif value.__class__ is list:
        if node.type == ARRAY and node.list_type in {SET, MAP}:
            _unique(value, node, path, out)
        _items(value, old, node, path, out)


def _unchanged(value: Any, old: Any) -> bool:
    return old is not ABSENT and same(value, old)


def _typed(value: Any, node: Node, path: str, out: list[Cause], old: Any) -> bool:
    wanted = node.type
    if wanted in _BUILTIN or has_type(value, wanted):
        return True
    if not _unchanged(value, old):
        cause = wrong_type(path, value, wanted)
        out.append(cause)
    return False


_BUILTIN = {"quantity"}


def _object(value: dict[str, Any], old: Any, node: Node, path: str, out: list[Cause]) -> None:
    before = old if old.__class__ is dict else {}
    if node.required and not _unchanged(value, old):
        missing = (key for key in node.required if key not in value)
        out.extend(gotext.required(f"{path}.{key}" if path else key) for key in missing)
    properties, additional = node.properties, node.additional
    for key, inner in value.items():
        child = properties.get(key) or additional
        if child is not None:
            _value(inner, before.get(key, ABSENT), child, f"{path}.{key}" if path else key, out)


def _items(value: list[Any], old: Any, node: Node, path: str, out: list[Cause]) -> None:
    items = node.items
    if items is None:
        return
    correlated = correlate(old, node)
    for index, item in enumerate(value):
        before = correlated.get(item_key(item, node), ABSENT) if correlated else ABSENT
        _value(item, before, items, f"{path}[{index}]", out)


def correlate(old: Any, node: Node) -> dict[bytes, Any]:
    """Old items by key, for lists whose items have one."""
    if old.__class__ is not list or node.list_type not in {MAP, SET}:
        return {}
    return {item_key(item, node): item for item in old}


def item_key(item: Any, node: Node) -> bytes:
    """What tells an item of a map or set list from its neighbours."""
    if node.list_type == MAP and item.__class__ is dict:
        return orjson.dumps([item.get(key) for key in node.map_keys])
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)


def _unique(value: list[Any], node: Node, path: str, out: list[Cause]) -> None:
    seen: set[bytes] = set()
    for index, item in enumerate(value):
        if node.list_type == MAP and item.__class__ is not dict:
            continue
        key = item_key(item, node)
        if key in seen:
            shown = {k: item[k] for k in node.map_keys if k in item} if node.list_type == MAP else item
            out.append(gotext.duplicate(f"{path}[{index}]", shown))
        seen.add(key)
