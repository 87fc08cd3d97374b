"""Operators, size, `in`, and what the language itself has.

Integers have 64 bits and do not wrap around; numbers of different types are compared, never added.
"""

import math
from typing import Any

from sympozium.cel.declarations import Overload, function, method
from sympozium.cel.errors import EvaluationError, NoOverloadError
from sympozium.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    A,
    B,
    Type,
    list_of,
    map_of,
    type_of,
)
from sympozium.cel.values import (
    MAX_INT,
    MAX_UINT,
    MIN_INT,
    Duration,
    SetList,
    Timestamp,
    TypeValue,
    UInt,
    compare,
    equal,
    key_of,
    type_name,
)

_NUMBERS = {int, UInt, float}


def checked(value: int, kind: type) -> int:
    """An integer result within its bits. Raises EvaluationError."""
    if kind is UInt:
        if not 0 <= value <= MAX_UINT:
            raise EvaluationError("unsigned integer overflow")
        return UInt(value)
    if not MIN_INT <= value <= MAX_INT:
        raise EvaluationError("integer overflow")
    return value


def add(first: Any, second: Any) -> Any:
    one, two = type(first), type(second)
    if one is two:
        if one is int or one is UInt:
            return checked(int(first) + int(second), one)
        if one in {float, str, bytes}:
            return first + second
        if one is Duration:
            return Duration(first.ns + second.ns)
    if isinstance(first, list) and isinstance(second, list):
        if isinstance(first, SetList):
            return SetList([*first, *(item for item in second if not any(equal(item, old) for old in first))])
        return [*first, *second]
    if {one, two} == {Timestamp, Duration}:
        return Timestamp(first.ns + second.ns)
    raise NoOverloadError


def subtract(first: Any, second: Any) -> Any:
    one, two = type(first), type(second)
    if one is two:
        if one is int or one is UInt:
            return checked(int(first) - int(second), one)
        if one is float:
            return first - second
        if one in {Timestamp, Duration}:
            return Duration(first.ns - second.ns)
    if one is Timestamp and two is Duration:
        return Timestamp(first.ns - second.ns)
    raise NoOverloadError


def multiply(first: Any, second: Any) -> Any:
    kind = type(first)
    if kind is not type(second) or kind not in _NUMBERS:
        raise NoOverloadError
    return first * second if kind is float else checked(int(first) * int(second), kind)


def divide(first: Any, second: Any) -> Any:
    kind = type(first)
    if kind is not type(second) or kind not in _NUMBERS:
        raise NoOverloadError
    if kind is float:
        return _float_quotient(first, second)
    if second == 0:
        raise EvaluationError("division by zero")
    quotient = abs(int(first)) // abs(int(second))
    return checked(quotient if (first < 0) == (second < 0) else -quotient, kind)


def _float_quotient(first: float, second: float) -> float:
    if second:
        return first / second
    if not first or math.isnan(first):
        return math.nan
    return math.copysign(math.inf, first) * math.copysign(1.0, second)


def modulo(first: Any, second: Any) -> Any:
    kind = type(first)
    if kind is not type(second) or kind not in {int, UInt}:
        raise NoOverloadError
    if second == 0:
        raise EvaluationError("modulus by zero")
    rest = abs(int(first)) % abs(int(second))
    return checked(rest if first >= 0 else -rest, kind)


def negate(value: Any) -> Any:
    if type(value) is int:
        return checked(-value, int)
    if type(value) is float:
        return -value
    if type(value) is Duration:
        return Duration(-value.ns)
    raise NoOverloadError


def invert(value: Any) -> Any:
    if type(value) is not bool:
        raise NoOverloadError
    return not value


def contains(item: Any, holder: Any) -> bool:
    """`item in holder`."""
    if isinstance(holder, list):
        return any(equal(item, other) for other in holder)
    if isinstance(holder, dict):
        return type(item) in {str, bool, int, UInt, float} and key_of(item) in holder
    raise NoOverloadError


def length(value: Any) -> int:
    if type(value) in {str, bytes} or isinstance(value, list | dict):
        return len(value)
    raise NoOverloadError("no such overload: size")


def _unreachable(*_args: Any) -> Any:
    raise AssertionError("evaluated by program itself")


_ORDERED: tuple[Type, ...] = (BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION)
_MIXED = ((INT, DOUBLE), (INT, UINT), (UINT, DOUBLE), (UINT, INT), (DOUBLE, INT), (DOUBLE, UINT))


def _ordering() -> list[Overload]:
    found = []
    for name, holds in (
        ("_<_", lambda a, b: compare(a, b) < 0),
        ("_<=_", lambda a, b: compare(a, b) <= 0),
        ("_>_", lambda a, b: compare(a, b) > 0),
        ("_>=_", lambda a, b: compare(a, b) >= 0),
    ):
        pairs = [*((kind, kind) for kind in _ORDERED), *_MIXED]
        found += [function(name, pair, BOOL, holds, strict=True) for pair in pairs]
    return found


def _arithmetic() -> list[Overload]:
    found = [
        function("_+_", (kind, kind), kind, add, strict=True)
        for kind in (INT, UINT, DOUBLE, STRING, BYTES, DURATION)
    ]
    found += [
        function("_+_", (list_of(A), list_of(A)), list_of(A), add, strict=True),
        function("_+_", (TIMESTAMP, DURATION), TIMESTAMP, add, strict=True),
        function("_+_", (DURATION, TIMESTAMP), TIMESTAMP, add, strict=True),
        function("_-_", (TIMESTAMP, TIMESTAMP), DURATION, subtract, strict=True),
        function("_-_", (TIMESTAMP, DURATION), TIMESTAMP, subtract, strict=True),
        function("_-_", (DURATION, DURATION), DURATION, subtract, strict=True),
        function("-_", (DURATION,), DURATION, negate, strict=True),
    ]
    for kind in (INT, UINT, DOUBLE):
        found += [
            function("_-_", (kind, kind), kind, subtract, strict=True),
            function("_*_", (kind, kind), kind, multiply, strict=True),
            function("_/_", (kind, kind), kind, divide, strict=True),
        ]
    found += [function("_%_", (kind, kind), kind, modulo, strict=True) for kind in (INT, UINT)]
    return found + [function("-_", (kind,), kind, negate, strict=True) for kind in (INT, DOUBLE)]


def _sizes() -> list[Overload]:
    sized = (STRING, BYTES, list_of(A), map_of(A, B))
    return [
        made
        for kind in sized
        for made in (
            function("size", (kind,), INT, length, strict=True),
            method("size", (kind,), INT, length, strict=True),
        )
    ]


OVERLOADS: list[Overload] = [
    function("_==_", (A, A), BOOL, equal, strict=True),
    function("_!=_", (A, A), BOOL, lambda a, b: not equal(a, b), strict=True),
    *_ordering(),
    *_arithmetic(),
    *_sizes(),
    function("@in", (A, list_of(A)), BOOL, contains, strict=True),
    function("@in", (A, map_of(A, B)), BOOL, contains, strict=True),
    function("!_", (BOOL,), BOOL, invert, strict=True),
    function("_&&_", (BOOL, BOOL), BOOL, _unreachable),
    function("_||_", (BOOL, BOOL), BOOL, _unreachable),
    function("_?_:_", (BOOL, A, A), A, _unreachable),
    function("@not_strictly_false", (BOOL,), BOOL, _unreachable),
    function("_[_]", (list_of(A), INT), A, _unreachable),
    function("_[_]", (map_of(A, B), A), B, _unreachable),
    function("type", (A,), type_of(A), lambda value: TypeValue(type_name(value)), strict=True),
    function("dyn", (A,), DYN, lambda value: value, strict=True),
    function("cel.@mapInsert", (map_of(A, B), A, B), map_of(A, B), _unreachable),
    function("cel.@mapInsert", (map_of(A, B), map_of(A, B)), map_of(A, B), _unreachable),
]
