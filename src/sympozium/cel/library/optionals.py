"""Optional values. https://pkg.go.dev/github.com/google/cel-go/cel#OptionalTypes"""

from typing import Any

from sympozium.cel.declarations import Overload, function, method
from sympozium.cel.errors import EvaluationError, NoOverloadError
from sympozium.cel.types import BOOL, DYN, INT, STRING, A, B, list_of, map_of, optional_of
from sympozium.cel.values import NONE, Duration, Optional, Timestamp


def _value(optional: Optional) -> Any:
    if not optional.present:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def _of_non_zero(value: Any) -> Optional:
    zero = value is None or (
        type(value) is not Optional
        and isinstance(value, str | bytes | list | dict | int | float)
        and not value
    )
    if isinstance(value, Timestamp | Duration):
        zero = value.ns == 0
    return NONE if zero else Optional(value)


def _elsewhere(*_args: Any) -> Any:
    raise NoOverloadError


def _first(items: list[Any]) -> Optional:
    return Optional(items[0]) if items else NONE


def _last(items: list[Any]) -> Optional:
    return Optional(items[-1]) if items else NONE


_OPT = optional_of(A)

OVERLOADS: list[Overload] = [
    function("optional.of", (A,), _OPT, Optional, strict=True),
    function("optional.ofNonZeroValue", (A,), _OPT, _of_non_zero, strict=True),
    function("optional.none", (), _OPT, lambda: NONE, strict=True),
    function(
        "optional.unwrap",
        (list_of(_OPT),),
        list_of(A),
        lambda items: [item.value for item in items if item.present],
    ),
    method(
        "unwrapOpt",
        (list_of(_OPT),),
        list_of(A),
        lambda items: [item.value for item in items if item.present],
    ),
    method("value", (_OPT,), A, _value),
    method("hasValue", (_OPT,), BOOL, lambda optional: optional.present),
    method("or", (_OPT, _OPT), _OPT, _elsewhere),
    method("orValue", (_OPT, A), A, _elsewhere),
    method("first", (list_of(A),), _OPT, _first),
    method("last", (list_of(A),), _OPT, _last),
    function("_?._", (DYN, STRING), optional_of(DYN), _elsewhere),
    function("_[?_]", (list_of(A), INT), _OPT, _elsewhere),
    function("_[?_]", (optional_of(list_of(A)), INT), _OPT, _elsewhere),
    function("_[?_]", (map_of(A, B), A), optional_of(B), _elsewhere),
    function("_[?_]", (optional_of(map_of(A, B)), A), optional_of(B), _elsewhere),
    function("_[_]", (optional_of(list_of(A)), INT), _OPT, _elsewhere),
    function("_[_]", (optional_of(map_of(A, B)), A), optional_of(B), _elsewhere),
]
