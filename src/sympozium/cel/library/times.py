"""Timestamps and durations, read and written as Go does, and their parts in a time zone."""

import datetime as dt
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sympozium.cel.declarations import Overload, method
from sympozium.cel.errors import EvaluationError
from sympozium.cel.types import DURATION, INT, STRING, TIMESTAMP
from sympozium.cel.values import SECOND, Duration, Timestamp

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(Z|z|[+-]\d\d:\d\d)")
_UNITS: Final = {
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND,
}  # fmt: skip
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _refused(source: str, wanted: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{source}' to 'google.protobuf.{wanted}'")


def to_timestamp(value: Any) -> Timestamp:
    if isinstance(value, Timestamp):
        return value
    if isinstance(value, int):
        return Timestamp(value * SECOND)
    match = _RFC3339.fullmatch(value)
    if match is None:
        raise _refused("string", "Timestamp")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        raise _refused("string", "Timestamp") from None
    whole = int((moment - _EPOCH).total_seconds())
    zone = match[8]
    if zone not in {"Z", "z"}:
        sign = -1 if zone[0] == "-" else 1
        whole -= sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    return Timestamp(whole * SECOND + int((match[7] or "").ljust(9, "0")))


def parse_duration(text: str) -> int | None:
    """Nanoseconds of `1h30m`, None when it is none."""
    sign = -1 if text.startswith("-") else 1
    body = text[1:] if text[:1] in {"-", "+"} else text
    if body == "0":
        return 0
    at, total = 0, Fraction(0)
    while at < len(body):
        match = _PART.match(body, at)
        if match is None:
            return None
        total += Fraction(match[1].rstrip(".") or "0") * _UNITS[match[2]]
        at = match.end()
    return sign * int(total) if body and total < 2**63 else None


def to_duration(value: Any) -> Duration:
    if isinstance(value, Duration):
        return value
    if isinstance(value, int):
        return Duration(value * SECOND)
    ns = parse_duration(value)
    if ns is None:
        raise _refused("string", "Duration")
    return Duration(ns)


def fraction(ns: int) -> str:
    """`.5` of half a second, "" of none."""
    text = f"{ns:09d}".rstrip("0")
    return f".{text}" if text else ""


def rfc3339(value: Timestamp) -> str:
    whole, rest = divmod(value.ns, SECOND)
    moment = _EPOCH + dt.timedelta(seconds=whole)
    return f"{moment.year:04d}{moment:-%m-%dT%H:%M:%S}{fraction(rest)}Z"


def seconds(value: Duration) -> str:
    """`5400s`, as string() writes a duration."""
    whole, rest = divmod(abs(value.ns), SECOND)
    return f"{'-' if value.ns < 0 else ''}{whole}{fraction(rest)}s"


def _local(value: Timestamp, zone: str) -> dt.datetime:
    moment = _EPOCH + dt.timedelta(microseconds=value.ns // 1000)
    match = re.fullmatch(r"([+-]?)(\d{1,2}):(\d\d)", zone)
    if match is not None:
        offset = dt.timedelta(hours=int(match[2]), minutes=int(match[3]))
        return moment.astimezone(dt.timezone(-offset if match[1] == "-" else offset))
    try:
        return moment.astimezone(ZoneInfo(zone or "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {zone}") from None


_PARTS: Final[dict[str, Callable[[dt.datetime], int]]] = {
    "getFullYear": lambda t: t.year,
    "getMonth": lambda t: t.month - 1,
    "getDayOfYear": lambda t: t.timetuple().tm_yday - 1,
    "getDayOfMonth": lambda t: t.day - 1,
    "getDate": lambda t: t.day,
    "getDayOfWeek": lambda t: t.isoweekday() % 7,
    "getHours": lambda t: t.hour,
    "getMinutes": lambda t: t.minute,
    "getSeconds": lambda t: t.second,
    "getMilliseconds": lambda t: t.microsecond // 1000,
}


def _reader(part: Callable[[dt.datetime], int]) -> Callable[..., int]:
    return lambda value, zone="UTC": part(_local(value, zone))


def _truncated(ns: int, unit: int) -> int:
    return abs(ns) // unit * (1 if ns >= 0 else -1)


OVERLOADS: list[Overload] = [
    *(method(name, (TIMESTAMP,), INT, _reader(part)) for name, part in _PARTS.items()),
    *(method(name, (TIMESTAMP, STRING), INT, _reader(part)) for name, part in _PARTS.items()),
    method("getHours", (DURATION,), INT, lambda d: _truncated(d.ns, 3600 * SECOND)),
    method("getMinutes", (DURATION,), INT, lambda d: _truncated(d.ns, 60 * SECOND)),
    method("getSeconds", (DURATION,), INT, lambda d: _truncated(d.ns, SECOND)),
    method("getMilliseconds", (DURATION,), INT, lambda d: _truncated(d.ns, 1_000_000)),
]
