"""Values seen through their schema: which fields they set, how two differ, and how an applied one merges.

These are the rules of structured-merge-diff (KEP-555): maps and objects are merged by key unless they are
atomic; lists are atomic unless the schema says set or map, whose items are then known by value or by keys.
A list that cannot be taken apart (a key is missing, twice the same item) is treated as atomic.
"""

from typing import Any

import orjson

from sympozium.localkube.patch.fields import MEMBER, SELF, Fields, insert
from sympozium.localkube.schema.equality import same
from sympozium.localkube.schema.node import ATOMIC, FREE, ITEM_KEY_DEFAULTS, MAP, SET, Node
from sympozium.localkube.schema.shapes import zero


class UntypedError(Exception):
    """A list of a map type has an item that has none of the keys."""


def elements(items: list[Any], node: Node) -> dict[str, Any] | None:
    """The items of a list by path element, in order; None when the list is to be taken as a whole.

    Of items that are there twice the first counts: what is stored may have them. Raises UntypedError.
    """
    if node.list_type == ATOMIC:
        return None
    found: dict[str, Any] = {}
    for item in items:
        element = element_of(item, node)
        if element is None:
            return None
        found.setdefault(element, item)
    return found


def element_of(item: Any, node: Node) -> str | None:
    """The path element of an item; None for one that has none. Raises UntypedError when it has no key at all."""
    if node.list_type == SET:
        return None if isinstance(item, dict | list) else f"v:{orjson.dumps(item).decode()}"
    if not isinstance(item, dict):
        return None
    keys: dict[str, Any] = {}
    for key in sorted(node.map_keys):
        value = item.get(key)
        if value is None:
            value = _key_default(node, key)
        if value is not None:
            keys[key] = value
    if not keys:
        names = " ".join(orjson.dumps(key).decode() for key in node.map_keys)
        raise UntypedError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return f"k:{orjson.dumps(keys).decode()}"


def _key_default(node: Node, key: str) -> Any:
    child = node.items.properties.get(key) if node.items is not None else None
    if child is None:
        return ITEM_KEY_DEFAULTS.get(key)
    if child.default is not None:
        return orjson.loads(child.default)
    if key in ITEM_KEY_DEFAULTS:
        return ITEM_KEY_DEFAULTS[key]
    if node.items is not None and node.items.name == "v1.LocalObjectReference":
        return ""  # its one field has this default in the API server's schema
    # A field that is always written has its zero value when it is not there.
    shape = node.items.shape if node.items is not None else None
    return zero(child) if shape is not None and any(name == key for name, _ in shape.always) else None


def _granular(value: Any, node: Node) -> bool:
    return isinstance(value, dict) and node.map_type != ATOMIC


def fields_of(value: Any, node: Node) -> Fields:
    """The fields that an applied value sets."""
    out: Fields = {}
    _collect(value, node, out)
    return out


def _collect(value: Any, node: Node, into: Fields) -> None:
    """Adds the fields beneath a place to its subtree, or makes the place itself a member."""
    if _granular(value, node):
        for key, inner in value.items():
            child = node.child(key)
            below = into.setdefault(f"f:{key}", {})
            if inner is None or inner == {} or (child is None or key not in node.properties):
                below[SELF] = MEMBER
            _collect(inner, child or FREE, below)
            if not below:
                del into[f"f:{key}"]
        return
    if isinstance(value, list):
        found = elements(value, node)
        if found is not None:
            for element, item in found.items():
                _collect(item, node.items or FREE, insert(into, element))
            return
    into[SELF] = MEMBER


class Comparison:
    """`added`, `modified` and `removed` places between two values."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self, old: Any, new: Any, node: Node) -> None:
        self.added: Fields = {}
        self.modified: Fields = {}
        self.removed: Fields = {}
        _compare(old, new, node, (self.added, self.modified, self.removed))

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.added or self.modified or self.removed)


_Trees = tuple[Fields, Fields, Fields]


def _compare(old: Any, new: Any, node: Node, trees: _Trees) -> None:
    if old is new:
        return
    if old is None or new is None:
        # A null has the form of what it is compared with.
        old, new = _like(old, new), _like(new, old)
    if _granular(old, node) and _granular(new, node):
        _compare_maps(old, new, node, trees)
        return
    if isinstance(old, list) and isinstance(new, list):
        before, after = elements(old, node), elements(new, node)
        if before is not None and after is not None:
            for element in dict.fromkeys((*before, *after)):
                _pair(before, after, element, element, node.items or FREE, trees)
            return
    if not same(old, new):
        trees[1][SELF] = MEMBER


def _like(value: Any, other: Any) -> Any:
    return type(other)() if value is None and isinstance(other, dict | list) and other else value


def _compare_maps(old: dict[str, Any], new: dict[str, Any], node: Node, trees: _Trees) -> None:
    for key in dict.fromkeys((*old, *new)):
        _pair(old, new, key, f"f:{key}", node.child(key) or FREE, trees)


def _pair(old: Any, new: Any, key: str, element: str, node: Node, trees: _Trees) -> None:
    if key in old and key in new:
        below = ({}, {}, {})  # type: _Trees
        _compare(old[key], new[key], node, below)
        for tree, part in zip(trees, below, strict=True):
            if part:
                tree[element] = part
    elif key in new:
        trees[0][element] = _whole(new[key], node)
    else:
        trees[2][element] = _whole(old[key], node)


def _whole(value: Any, node: Node) -> Fields:
    """A place that came or went, with everything in it."""
    out: Fields = {SELF: MEMBER}
    if _granular(value, node):
        for key, inner in value.items():
            out[f"f:{key}"] = _whole(inner, node.child(key) or FREE)
    elif isinstance(value, list):
        for element, item in (elements(value, node) or {}).items():
            out[element] = _whole(item, node.items or FREE)
    return out


def merge(live: Any, applied: Any, node: Node) -> Any:
    """`live` with what `applied` says. Neither is changed; parts are shared with both."""
    if _granular(live, node) and _granular(applied, node):
        out = dict(live)
        for key, inner in applied.items():
            out[key] = merge(live[key], inner, node.child(key) or FREE) if key in live else inner
        return out
    if isinstance(live, list) and isinstance(applied, list):
        before, after = elements(live, node), elements(applied, node)
        if before is not None and after is not None:
            return _merge_items(live, after, node)
    return applied


def _merge_items(live: list[Any], applied: dict[str, Any], node: Node) -> list[Any]:
    """Applied items in their order; the others stay before what they were before, also those there twice."""
    out: list[Any] = []
    waiting = [(element_of(item, node), item) for item in live]
    first = dict(reversed(waiting))
    items = node.items or FREE
    done: set[str | None] = set()
    for element, item in applied.items():
        while waiting and (waiting[0][0] in done or waiting[0][0] not in applied):
            other, kept = waiting.pop(0)
            if other not in done:
                out.append(kept)
        out.append(merge(first[element], item, items) if element in first else item)
        done.add(element)
    out += [item for element, item in waiting if element not in applied]
    return out


def remove(value: Any, gone: Fields, node: Node) -> Any:
    """`value` without the places in `gone`; a place that is a member goes with all that is in it."""
    if _granular(value, node):
        out = {}
        for key, inner in value.items():
            below = gone.get(f"f:{key}")
            if below is None:
                out[key] = inner
            elif SELF not in below:
                out[key] = remove(inner, below, node.child(key) or FREE)
        return out
    if isinstance(value, list) and node.list_type in {SET, MAP}:
        kept = []
        for item in value:
            element = element_of(item, node)
            below = None if element is None else gone.get(element)
            if below is None:
                kept.append(item)
            elif SELF not in below:
                kept.append(remove(item, below, node.items or FREE))
        return kept
    return value


def with_named_parents(fields: Fields, node: Node) -> Fields:
    """The set with every field of a named struct that has members beneath it (so that it goes when empty)."""
    out: Fields = {}
    for element, below in fields.items():
        if element == SELF:
            out[SELF] = MEMBER
            continue
        child = (node.child(element[2:]) if element.startswith("f:") else node.items) or FREE
        inner = with_named_parents(below, child)
        if element.startswith("f:") and element[2:] in node.properties:
            inner[SELF] = MEMBER
        out[element] = inner
    return out
