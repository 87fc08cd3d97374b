"""What a call costs, by the sizes of its arguments: the numbers of cel-go and of Kubernetes' functions."""

import math
from collections.abc import Callable
from typing import Any, Final

from sympozium.cel.library.formats import FORMAT_REGEX
from sympozium.cel.values import Optional, size

STRING: Final = 0.1
"""Cost of one character that is looked at."""
REGEX: Final = 0.25
"""Cost of one character of a regular expression, for each character that it is held against."""

CREATE_LIST: Final = 10
CREATE_MAP: Final = 30
CREATE_STRUCT: Final = 40
Cost = Callable[[list[Any], Any], int]
AUTHORIZE: Final = 350_000


def up(value: float) -> int:
    return math.ceil(value)


def _one(_args: list[Any], _result: Any) -> int:
    return 1


def _text(factor: float = 1.0) -> Cost:
    return lambda args, _result: up(size(args[0]) * factor * STRING)


def traversal(value: Any) -> int:
    """Looking at everything in a value."""
    if isinstance(value, str | bytes):
        return int(len(value if isinstance(value, bytes) else value.encode()) * STRING)
    if isinstance(value, list):
        return sum(traversal(item) for item in value)
    if isinstance(value, dict):
        return sum(traversal(key) + traversal(item) for key, item in value.items())
    return 1


def _smaller(args: list[Any], _result: Any) -> int:
    first, second = args
    if isinstance(first, Optional) and not first.present and isinstance(second, Optional):
        return 1
    return up(min(size(first), size(second)) * STRING)


def _compared(args: list[Any], _result: Any) -> int:
    return _smaller(args, _result) if isinstance(args[0], str | bytes) else 1


def _added(args: list[Any], _result: Any) -> int:
    if isinstance(args[0], str | bytes):
        return up((size(args[0]) + size(args[1])) * STRING)
    return 1


def _in(args: list[Any], _result: Any) -> int:
    return size(args[1]) if isinstance(args[1], list) else 1


def _matches(args: list[Any], _result: Any) -> int:
    return up((1.0 + size(args[0])) * STRING) * up(size(args[1]) * REGEX)


def _contains(args: list[Any], _result: Any) -> int:
    return up(size(args[0]) * STRING) * up(size(args[1]) * STRING)


def _to_string(args: list[Any], _result: Any) -> int:
    return up(size(args[0]) * STRING) if isinstance(args[0], bytes) else 1


def _to_bytes(args: list[Any], _result: Any) -> int:
    return up(size(args[0]) * STRING) if isinstance(args[0], str) else 1


def _ip(args: list[Any], _result: Any) -> int:
    return up(size(args[0]) * STRING) if isinstance(args[0], str) else 1


def _contains_ip(args: list[Any], _result: Any) -> int:
    cost = up(2 * size(args[0]) * STRING)
    return cost + (up(size(args[1]) * STRING) if isinstance(args[1], str) else 0)


def _contains_cidr(args: list[Any], _result: Any) -> int:
    cost = up(2 * size(args[0]) * STRING) + up(size(args[0]) * STRING) + 1
    return cost + (up(size(args[1]) * STRING) if isinstance(args[1], str) else 0)


def _validate(args: list[Any], _result: Any) -> int:
    regex = FORMAT_REGEX[args[0].name]
    return up((1.0 + size(args[1])) * STRING) * up(regex * REGEX)


def _selector(args: list[Any], _result: Any) -> int:
    length = size(args[1])
    return 10 + up(length * STRING) + up(up(length * 0.5) * 50)


def _sets(args: list[Any], _result: Any) -> int:
    return 1 + size(args[0]) * size(args[1])


def _equivalent(args: list[Any], _result: Any) -> int:
    return 1 + 2 * size(args[0]) * size(args[1])


def _self_compared(items: list[Any]) -> int:
    """Distinct and the sorts are charged for comparing each with each."""
    count = len(items)
    factor = 2.0 + (STRING if items and isinstance(items[0], str | bytes) else 0.0)
    return int(count * count * factor) + 11


def _quadratic(args: list[Any], _result: Any) -> int:
    return _self_compared(args[0])


def _sorted_by(args: list[Any], _result: Any) -> int:
    return _self_compared(args[1])


def _range(_args: list[Any], result: Any) -> int:
    return 11 + size(result)


def _result_list(_args: list[Any], result: Any) -> int:
    return 11 + size(result)


def _flatten(args: list[Any], _result: Any) -> int:
    return 11 + size(args[0]) * (args[1] if len(args) == 2 else 1)


_COSTS: Final[dict[str, Cost]] = {
    "_==_": _smaller,
    "_!=_": _smaller,
    "_<_": _compared,
    "_<=_": _compared,
    "_>_": _compared,
    "_>=_": _compared,
    "_+_": _added,
    "@in": _in,
    "@in set": lambda _args, _result: 0,
    "matches": _matches,
    "contains": _contains,
    "startsWith": lambda args, _result: up(size(args[0]) * STRING),
    "endsWith": lambda args, _result: up(size(args[0]) * STRING),
    "string": _to_string,
    "bytes": _to_bytes,
    "format": _text(),
    "strings.quote": _text(),
    "check": lambda _args, _result: AUTHORIZE,
    "fieldSelector": _selector,
    "labelSelector": _selector,
    **dict.fromkeys(
        ("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), lambda args, _r: traversal(args[0])
    ),
    **dict.fromkeys(
        (
            "url",
            "lowerAscii",
            "upperAscii",
            "substring",
            "trim",
            "jsonpatch.escapeKey",
            "cidr",
            "isIP",
            "isCIDR",
        ),
        _text(),
    ),
    **dict.fromkeys(("quantity", "isQuantity", "semver", "isSemver"), _text()),
    **dict.fromkeys(("replace", "split", "ip.isCanonical"), _text(2.0)),
    "join": lambda _args, result: up(size(result) * 2 * STRING),
    "find": _matches,
    "findAll": _matches,
    "ip": _ip,
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "validate": _validate,
    "sets.contains": _sets,
    "sets.intersects": _sets,
    "sets.equivalent": _equivalent,
    "distinct": _quadratic,
    "sort": _quadratic,
    "@sortByAssociatedKeys": _sorted_by,
    "lists.range": _range,
    "slice": _result_list,
    "reverse": _result_list,
    "flatten": _flatten,
}


_BY_OVERLOAD: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_", "_+_", "@in", "string", "bytes"})


def call_cost(name: str, overloads: int) -> Cost:
    """The cost of calls of a function, from (arguments, result). Where the checker could not tell which of
    several overloads is meant, operators cost 1, as in cel-go.
    """
    if overloads > 1 and name in _BY_OVERLOAD:
        return _one
    return _COSTS.get(name, _one)
