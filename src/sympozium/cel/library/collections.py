"""Lists and sets: Kubernetes' own list functions, the lists extension (version 3), and sets.

https://pkg.go.dev/k8s.io/apiserver/pkg/cel/library#Lists, https://pkg.go.dev/github.com/google/cel-go/ext#Lists
"""

import functools
import itertools
from typing import Any, Final

from sympozium.cel.declarations import Overload, function, method
from sympozium.cel.errors import CostError, EvaluationError
from sympozium.cel.library.operators import add
from sympozium.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    A,
    Type,
    list_of,
)
from sympozium.cel.values import Duration, UInt, compare, equal

LONGEST: Final = 1_000_000
"""Elements of a range."""
_COMPARABLE: tuple[Type, ...] = (INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES)
_ZERO: dict[str, Any] = {"int": 0, "uint": UInt(0), "double": 0.0, "duration": Duration(0)}


def _is_sorted(items: list[Any]) -> bool:
    return all(compare(first, second) <= 0 for first, second in itertools.pairwise(items))


def _summed(zero: Any) -> Any:
    return lambda items: functools.reduce(add, items, zero)


def _least(items: list[Any]) -> Any:
    if not items:
        raise EvaluationError("min called on empty list")
    return functools.reduce(lambda a, b: b if compare(a, b) > 0 else a, items)


def _most(items: list[Any]) -> Any:
    if not items:
        raise EvaluationError("max called on empty list")
    return functools.reduce(lambda a, b: b if compare(a, b) < 0 else a, items)


def _index_of(items: list[Any], item: Any) -> int:
    return next((index for index, other in enumerate(items) if equal(other, item)), -1)


def _last_index_of(items: list[Any], item: Any) -> int:
    return next((index for index in range(len(items) - 1, -1, -1) if equal(items[index], item)), -1)


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise EvaluationError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise EvaluationError(
            f"cannot slice({start}, {end}), start index must be less than or equal to end index"
        )
    if end > len(items):
        raise EvaluationError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return items[start:end]


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    if depth == 0:
        return list(items)
    made: list[Any] = []
    for item in items:
        made += _flatten(item, depth - 1) if isinstance(item, list) else [item]
    return made


def _sorted(items: list[Any]) -> list[Any]:
    if len({type(item) for item in items}) > 1:
        raise EvaluationError("list elements must have the same type")
    return sorted(items, key=functools.cmp_to_key(compare))


def _sorted_by(items: list[Any], keys: list[Any]) -> list[Any]:
    pairs: list[tuple[Any, Any]] = list(zip(keys, items, strict=True))
    pairs.sort(key=functools.cmp_to_key(_by_key))
    return [item for _, item in pairs]


def _by_key(first: tuple[Any, Any], second: tuple[Any, Any]) -> int:
    return compare(first[0], second[0])


def _distinct(items: list[Any]) -> list[Any]:
    made: list[Any] = []
    for item in items:
        if not any(equal(item, other) for other in made):
            made.append(item)
    return made


def _range(count: int) -> list[int]:
    if count > LONGEST:
        raise CostError("operation cancelled: actual cost limit exceeded")
    return list(range(count))


def _within(items: list[Any], others: list[Any]) -> bool:
    """Whether all others are among the items."""
    return all(any(equal(other, item) for item in items) for other in others)


_LIST = list_of(A)

OVERLOADS: list[Overload] = [
    *(method("isSorted", (list_of(kind),), BOOL, _is_sorted) for kind in _COMPARABLE),
    *(method("min", (list_of(kind),), kind, _least) for kind in _COMPARABLE),
    *(method("max", (list_of(kind),), kind, _most) for kind in _COMPARABLE),
    *(
        method("sum", (list_of(kind),), kind, _summed(_ZERO[kind.name]))
        for kind in (INT, UINT, DOUBLE, DURATION)
    ),
    method("indexOf", (_LIST, A), INT, _index_of),
    method("lastIndexOf", (_LIST, A), INT, _last_index_of),
    method("slice", (_LIST, INT, INT), _LIST, _slice),
    method("flatten", (list_of(_LIST),), _LIST, _flatten),
    method("flatten", (list_of(list_of(A)), INT), list_of(Type("dyn", "dyn")), _flatten),
    *(method("sort", (list_of(kind),), list_of(kind), _sorted) for kind in _COMPARABLE),
    *(method("@sortByAssociatedKeys", (_LIST, list_of(kind)), _LIST, _sorted_by) for kind in _COMPARABLE),
    method("distinct", (_LIST,), _LIST, _distinct),
    method("reverse", (_LIST,), _LIST, lambda items: items[::-1]),
    function("lists.range", (INT,), list_of(INT), _range),
    function("sets.contains", (_LIST, _LIST), BOOL, _within),
    function("sets.equivalent", (_LIST, _LIST), BOOL, lambda a, b: _within(a, b) and _within(b, a)),
    function(
        "sets.intersects", (_LIST, _LIST), BOOL, lambda a, b: any(any(equal(x, y) for y in b) for x in a)
    ),
]
