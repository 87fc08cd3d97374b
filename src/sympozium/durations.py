"""Go durations (`10m`, `1h30m`, `500ms`), the form in which every field of the custom resources takes time.

Kubernetes users know the grammar from `metav1.Duration` (https://pkg.go.dev/time#ParseDuration). We take
it without a sign, since no field of ours means anything when it is negative, and without fractions of
a nanosecond. Internally a duration is a number of seconds, because `asyncio.timeout` takes seconds.
"""

import re
from decimal import Decimal
from typing import Final

PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$"
"""For the `pattern` of a CRD schema: RE2 and Python read it alike."""

_WHOLE: Final = re.compile(PATTERN)
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS: Final = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}


def parse(text: str) -> float:
    """Seconds of a Go duration. Raises ValueError that says what a duration looks like."""
    if text == "0":
        return 0.0
    if not _WHOLE.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a duration: write a number and a unit (ns, us, ms, s, m, h), as in 10m or 1h30m"
        )
    return float(sum(Decimal(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))


def render(seconds: float) -> str:
    """The shortest Go duration of a number of seconds, to the millisecond: 5400 is `1h30m`, 0 is `0s`.

    Raises ValueError for a negative number.
    """
    if seconds < 0:
        raise ValueError(f"{seconds} s: a duration is not negative")
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, rest = divmod(milliseconds, 1000)
    text = (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "")
    if whole and rest:
        return f"{text}{whole}.{rest:03d}".rstrip("0") + "s"
    if whole:
        return f"{text}{whole}s"
    if rest:
        return f"{text}{rest}ms"
    return text or "0s"
