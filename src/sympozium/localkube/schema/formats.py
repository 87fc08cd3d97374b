"""String formats that the API server enforces in custom resources; unknown ones are ignored, as there.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation
"""

import base64
import binascii
import datetime as dt
import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_DATE_TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)"
)
_DURATION = re.compile(
    r"-?\d+(\.\d+)?(ns|us|µs|ms|s|m|h)(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))*|0|\d+ ?(ns|us|ms|s|m|h|d|w|"
    r"nanoseconds?|microseconds?|milliseconds?|seconds?|minutes?|hours?|days?|weeks?)"
)
_HOST_CHAR = r"(?:[^\W_]|[$+<=>^`|~])"
_HOST = re.compile(
    # One label with at most one hyphen, or several, of which the last is of letters: the validator's own pattern.
    rf"{_HOST_CHAR}(-?{_HOST_CHAR}{{0,62}})?"
    rf"|({_HOST_CHAR}((?:{_HOST_CHAR}|-){{0,61}}{_HOST_CHAR})?\.)+[^\W\d_]{{2,63}}"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_MAC = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def _uuid(version: str) -> re.Pattern[str]:
    return re.compile(
        rf"[0-9a-fA-F]{{8}}-?[0-9a-fA-F]{{4}}-?{version}[0-9a-fA-F]{{3}}-?[0-9a-fA-F]{{4}}-?[0-9a-fA-F]{{12}}"
    )


def _without_error(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _date_time(text: str) -> bool:
    return _DATE_TIME.fullmatch(text) is not None and _is_date(text[:10])


_is_date = _without_error(dt.date.fromisoformat)


def _byte(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return bool(text)


CHECKS: dict[str, Callable[[str], bool]] = {
    "byte": _byte,
    "cidr": lambda text: (
        "/" in text and _without_error(lambda t: ipaddress.ip_network(t, strict=False))(text)
    ),
    "date": lambda text: len(text) == 10 and _is_date(text),
    "date-time": _date_time,
    "datetime": _date_time,
    "duration": _matches(_DURATION),
    "email": _matches(_EMAIL),
    "hostname": lambda text: len(text) <= 253 and _HOST.fullmatch(text) is not None,
    "ipv4": _without_error(ipaddress.IPv4Address),
    "ipv6": _without_error(ipaddress.IPv6Address),
    "k8s-long-name": lambda text: len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None,
    "k8s-short-name": _matches(_LABEL),
    "mac": _matches(_MAC),
    "uri": lambda text: (
        _without_error(urlsplit)(text) and bool(urlsplit(text).scheme or text.startswith("/"))
    ),
    "uuid": _matches(_uuid("[0-9a-fA-F]")),
    "uuid3": _matches(_uuid("3")),
    "uuid4": _matches(_uuid("4")),
    "uuid5": _matches(_uuid("5")),
}
"""Format -> whether a string has it. Numbers' formats (int32, int64) are in `checks`."""
