"""int(), string() and the others. https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions"""

import math
import re
from decimal import Decimal
from typing import Any

from sympozium.cel.declarations import Overload, function
from sympozium.cel.errors import EvaluationError
from sympozium.cel.library import times
from sympozium.cel.types import BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT, Type
from sympozium.cel.values import MAX_INT, MAX_UINT, MIN_INT, Duration, Timestamp, UInt, type_name

_FLOAT = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity)|nan", re.IGNORECASE
)


def refused(value: Any, wanted: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{type_name(value)}' to '{wanted}'")


def to_int(value: Any) -> int:
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]+", value) or not MIN_INT <= int(value) <= MAX_INT:
            raise refused(value, "int")
        return int(value)
    if isinstance(value, Timestamp):
        return value.ns // 1_000_000_000
    if isinstance(value, Duration):
        return value.ns
    if isinstance(value, float):
        if math.isnan(value) or not -(2.0**63) < value < 2.0**63:
            raise EvaluationError("integer overflow")
        return int(value)
    if int(value) > MAX_INT:
        raise EvaluationError("integer overflow")
    return int(value)


def to_uint(value: Any) -> UInt:
    if isinstance(value, str):
        if not re.fullmatch(r"\+?[0-9]+", value) or int(value) > MAX_UINT:
            raise refused(value, "uint")
        return UInt(value)
    if isinstance(value, float) and (math.isnan(value) or value >= 2.0**64):
        raise EvaluationError("unsigned integer overflow")
    if value < 0:
        raise EvaluationError("unsigned integer overflow")
    return UInt(value)


def to_double(value: Any) -> float:
    if isinstance(value, str) and not _FLOAT.fullmatch(value):
        raise refused(value, "double")
    return float(value)


def to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in {"true", "TRUE", "True", "t", "T", "1"}:
        return True
    if value in {"false", "FALSE", "False", "f", "F", "0"}:
        return False
    raise refused(value, "bool")


def to_string(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return go_float(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
        case Timestamp():
            return times.rfc3339(value)
        case Duration():
            return times.seconds(value)
    return str(value)


def go_float(value: float) -> str:
    """As Go's %g: the shortest digits, an exponent from 1e+06 on and below 1e-04."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if value and not 1e-4 <= abs(value) < 1e6:
        mantissa, _, exponent = text.partition("e")
        if not exponent:
            mantissa, _, exponent = _scientific(text)
        mantissa = mantissa.removesuffix(".0")
        return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0').zfill(2)}"
    return text.removesuffix(".0")


def _scientific(text: str) -> tuple[str, str, str]:
    """`1234567.5` as (1.2345675, e, +06)."""
    mantissa, e, exponent = f"{Decimal(text).normalize():e}".partition("e")
    return mantissa, e, exponent


def to_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


_FROM: dict[str, tuple[Type, Any, tuple[Type, ...]]] = {
    "int": (INT, to_int, (INT, UINT, DOUBLE, STRING, TIMESTAMP, DURATION)),
    "uint": (UINT, to_uint, (UINT, INT, DOUBLE, STRING)),
    "double": (DOUBLE, to_double, (DOUBLE, INT, UINT, STRING)),
    "bool": (BOOL, to_bool, (BOOL, STRING)),
    "string": (STRING, to_string, (STRING, BOOL, INT, UINT, DOUBLE, BYTES, TIMESTAMP, DURATION)),
    "bytes": (BYTES, to_bytes, (BYTES, STRING)),
    "timestamp": (TIMESTAMP, times.to_timestamp, (TIMESTAMP, STRING, INT)),
    "duration": (DURATION, times.to_duration, (DURATION, STRING, INT)),
}

OVERLOADS: list[Overload] = [
    function(name, (source,), result, convert)
    for name, (result, convert, sources) in _FROM.items()
    for source in sources
]
