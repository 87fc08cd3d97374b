"""Strategic merge patch: merge patch that knows which lists are maps or sets.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
Directives: `$patch` (replace, delete, merge), `$retainKeys`, `$deleteFromPrimitiveList/<list>`,
`$setElementOrder/<list>`. What a patch mentions comes in the patch's order; what it does not mention keeps
its place where that can be told, and otherwise comes after.
"""

from typing import Any

import orjson

from sympozium.localkube.errors import bad_request
from sympozium.localkube.patch.typecheck import plain
from sympozium.localkube.schema.node import FREE, Node

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_ITEMS = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(current: dict[str, Any], patch: dict[str, Any], node: Node) -> dict[str, Any]:
    """The patched object. `current` may be changed; `patch` is not.

    Raises ApiError 400 for directives and items that cannot be understood (the API server's words; its code is
    500 for some, which here stands for a fault of the server's own).
    """
    merged = _merge_object(current, orjson.loads(orjson.dumps(patch)), node)
    return {} if merged is None else merged


def _merge_object(target: dict[str, Any], patch: dict[str, Any], node: Node) -> dict[str, Any] | None:
    """None says that the object goes (`$patch: delete`)."""
    directive = patch.get(_PATCH)
    if directive == "replace":
        cleaned: dict[str, Any] = _clean(patch)
        return cleaned
    if directive == "delete":
        return None
    if directive is not None:
        raise bad_request(f"unknown patch type: {plain(directive)} in map: {plain(patch)}")
    _retain(target, patch)
    orders = {}
    for key in [key for key in patch if key.startswith(("$",))]:
        if key.startswith(_DELETE_ITEMS):
            _delete_items(target, key.removeprefix(_DELETE_ITEMS), patch.pop(key))
        elif key.startswith(_ORDER):
            orders[key.removeprefix(_ORDER)] = patch.pop(key)
    for key, value in patch.items():
        child = node.child(key) or FREE
        if value is None:
            target.pop(key, None)
        elif key not in target or type(target[key]) is not type(value):
            _put(target, key, _fresh(value, child))
        elif isinstance(value, dict):
            _put(
                target,
                key,
                _clean(value) if "replace" in child.strategies else _merge_object(target[key], value, child),
            )
        elif isinstance(value, list) and "merge" in child.strategies:
            target[key] = _merge_list(target[key], value, child, orders.pop(key, None))
        else:
            target[key] = _clean(value)
    for key, order in orders.items():
        if isinstance(target.get(key), list):
            target[key] = _ordered(target[key], order, target[key], node.child(key) or FREE)
    return target


def _put(target: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        target.pop(key, None)
    else:
        target[key] = value


def _retain(target: dict[str, Any], patch: dict[str, Any]) -> None:
    if _RETAIN not in patch:
        return
    kept = patch.pop(_RETAIN)
    if not isinstance(kept, list) or any(
        value is not None and not key.startswith("$") and key not in kept for key, value in patch.items()
    ):
        raise bad_request("invalid patch format of retainKeys")
    for key in [key for key in target if key not in kept]:
        del target[key]


def _delete_items(target: dict[str, Any], key: str, items: Any) -> None:
    if isinstance(target.get(key), list) and isinstance(items, list):
        target[key] = [item for item in target[key] if item not in items]


def _clean(value: Any) -> Any:
    """A value of a patch as it is stored: without directives, and without nulls in objects."""
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if v is not None and not k.startswith("$")}
    if isinstance(value, list):
        return [
            _clean(item) for item in value if not (isinstance(item, dict) and item.get(_PATCH) == "delete")
        ]
    return value


def _fresh(value: Any, node: Node) -> Any:
    """What a patch adds where nothing was."""
    if isinstance(value, dict):
        return None if value.get(_PATCH) in {"replace", "delete"} else _merge_object({}, value, node)
    if isinstance(value, list) and "merge" in node.strategies:
        return _merge_list([], value, node, None)
    return _clean(value)


def _merge_list(target: list[Any], patch: list[Any], node: Node, order: Any) -> list[Any]:
    if node.merge_key and any(isinstance(item, dict) for item in (*patch, *target)):
        mentioned, merged = _merge_maps(target, patch, node)
    else:
        mentioned = patch
        merged = target + [item for item in _unique(patch) if item not in target]
    placed = _ordered(merged, mentioned, target, node)
    if order is not None:
        _check_order(mentioned, order, node)
    return placed if order is None else _ordered(placed, order, target, node)


def _check_order(patch: list[Any], order: Any, node: Node) -> None:
    """What a patch adds has to be in the order that it sets."""
    if not isinstance(order, list):
        raise bad_request(f"{_ORDER} must be a list")
    wanted = [_identity(item, node) for item in order]
    at = 0
    for item in patch:
        try:
            at = wanted.index(_identity(item, node), at)
        except ValueError:
            raise bad_request(
                f"The order in patch list:\n{plain(patch)}\n doesn't match $setElementOrder list:\n{plain(order)}\n"
            ) from None


def _unique(items: list[Any]) -> list[Any]:
    return [item for index, item in enumerate(items) if item not in items[:index]]


def _merge_maps(target: list[Any], patch: list[Any], node: Node) -> tuple[list[Any], list[Any]]:
    """(the patch's items without directives, all items)."""
    key, items = node.merge_key, node.items or FREE
    named: list[dict[str, Any]] = []
    replace = False
    for item in patch:
        if not isinstance(item, dict):
            raise bad_request(f"list element types are not identical: [{plain(target)} {plain(patch)}]")
        directive = item.get(_PATCH)
        if directive == "replace":
            replace = True  # of the whole list; what else is in the item says nothing
        elif directive == "delete":
            gone = _key(item, key)
            target = [old for old in target if not (isinstance(old, dict) and old.get(key) == gone)]
        elif directive in {None, "merge"}:
            named.append({name: value for name, value in item.items() if name != _PATCH})
        else:
            raise bad_request(f"unknown patch type: {plain(directive)} in map: {plain(item)}")
    if replace:
        return [], [_clean(item) for item in named]
    merged = list(target)
    for item in named:
        value = _key(item, key)
        at = next(
            (i for i, old in enumerate(merged) if isinstance(old, dict) and old.get(key) == value), None
        )
        if at is None:
            added = _merge_object({}, dict(item), items)
            if added is not None:
                merged.append(added)
        else:
            merged[at] = _merge_object(merged[at], dict(item), items)
    return named, merged


def _key(item: dict[str, Any], key: str) -> Any:
    if key not in item:
        raise bad_request(f"map: {plain(item)} does not contain declared merge key: {key}")
    return item[key]


def _ordered(items: list[Any], wanted: Any, before: list[Any], node: Node) -> list[Any]:
    """`items` with those of `wanted` in its order, the others where `before` had them."""
    if not isinstance(wanted, list):
        raise bad_request(f"{_ORDER} must be a list")
    ranks, old = _ranks(wanted, node), _ranks(before, node)
    named = sorted((i for i in items if _identity(i, node) in ranks), key=lambda i: ranks[_identity(i, node)])
    others = [item for item in items if _identity(item, node) not in ranks]
    others.sort(key=lambda item: old.get(_identity(item, node), len(old)))
    out: list[Any] = []
    while named and others:
        first, second = old.get(_identity(others[0], node)), old.get(_identity(named[0], node))
        take_other = first is not None and second is not None and first < second
        out.append(others.pop(0) if take_other else named.pop(0))
    return out + named + others


def _ranks(items: list[Any], node: Node) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for index, item in enumerate(items):
        ranks.setdefault(_identity(item, node), index)
    return ranks


def _identity(item: Any, node: Node) -> bytes:
    if isinstance(item, dict) and node.merge_key:
        return orjson.dumps(item.get(node.merge_key))
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
