"""Cron schedules as Kubernetes reads them: five fields, descriptors, `@every <duration>`.

Not cronsim, which the rest of the project uses: a CronJob is told apart by what it refuses (Sunday is 0 and
not 7, no `L`, no `#`, its own sentences) and by `@every` and `5/15`. An instant matches when the wall clock of
the time zone matches all fields: a time that a clock change skips does not happen, one that comes
twice happens twice. https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
"""

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
HORIZON = dt.timedelta(days=5 * 366)
"""A schedule without a time within it never comes (31 February)."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


class ScheduleError(ValueError):
    """Not a schedule; the text is the API server's."""


class Schedule(Protocol):
    def next(self, after: dt.datetime) -> dt.datetime | None:
        """The first instant after `after` (both aware, the answer in UTC), None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """`@every`: counted from the last time, not from the hour."""

    delay: dt.timedelta

    def next(self, after: dt.datetime) -> dt.datetime | None:
        return after.astimezone(dt.UTC).replace(microsecond=0) + self.delay


@dataclass(frozen=True, slots=True)
class Cron:
    """`any_day`, `any_weekday`: the field is a star; two that are both given are alternatives."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    zone: dt.tzinfo

    def _day(self, local: dt.datetime) -> bool:
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        either = not (self.any_day or self.any_weekday)
        return local.month in self.months and ((day or weekday) if either else (day and weekday))

    def next(self, after: dt.datetime) -> dt.datetime | None:
        now = after.astimezone(dt.UTC).replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
        end = now + HORIZON
        while now < end:
            local = now.astimezone(self.zone)
            if not self._day(local):
                now = self._midnight(local, now)
            elif local.hour not in self.hours:
                now += dt.timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes:
                now += dt.timedelta(minutes=1)
            else:
                return now
        return None

    def _midnight(self, local: dt.datetime, now: dt.datetime) -> dt.datetime:
        tomorrow = dt.datetime.combine(local.date() + dt.timedelta(days=1), dt.time(), self.zone)
        # Where midnight itself is skipped the clock may come out a little before: go on by the hour there.
        return max(tomorrow.astimezone(dt.UTC), now + dt.timedelta(minutes=60 - local.minute))


@lru_cache(maxsize=256)
def parse(text: str, zone: str = "") -> Schedule:
    """The schedule of `spec.schedule`. Raises ScheduleError for the schedule, ValueError for the zone."""
    if not text:
        raise ScheduleError("empty spec string")
    where = time_zone(zone) if zone else dt.UTC
    if text.startswith("@every "):
        return Every(_delay(text))
    if text.startswith("@"):
        if text not in DESCRIPTORS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = DESCRIPTORS[text]
    fields = text.split()
    if len(fields) != 5:
        shown = " ".join(fields)
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{shown}]")
    minutes, _ = _field(fields[0], 0, 59)
    hours, _ = _field(fields[1], 0, 23)
    days, any_day = _field(fields[2], 1, 31)
    months, _ = _field(fields[3], 1, 12, MONTHS, 1)
    weekdays, any_weekday = _field(fields[4], 0, 6, DAYS, 0)
    return Cron(minutes, hours, days, months, weekdays, any_day, any_weekday, where)


def time_zone(name: str) -> dt.tzinfo:
    """Raises ValueError for a zone that this machine's data does not have."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError(f"unknown time zone {name}") from error


def _delay(text: str) -> dt.timedelta:
    given = text.removeprefix("@every ")
    sign, rest = (given[:1], given[1:]) if given[:1] in {"+", "-"} else ("", given)
    parts = _PART.findall(rest)
    if (not parts and rest != "0") or (parts and "".join(a + b for a, b in parts) != rest):
        raise ScheduleError(f'failed to parse duration {text}: time: invalid duration "{given}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    # Below a second, and backwards, it is once a second.
    return dt.timedelta(seconds=1 if sign == "-" else max(1, int(seconds)))


def _field(
    text: str, low: int, high: int, names: tuple[str, ...] = (), first: int = 0
) -> tuple[frozenset[int], bool]:
    found: set[int] = set()
    star = False
    for part in filter(None, text.split(",")):
        values, whole = _range(part, low, high, {name: first + i for i, name in enumerate(names)})
        found |= values
        star = star or whole
    return frozenset(found), star


def _range(text: str, low: int, high: int, names: dict[str, int]) -> tuple[set[int], bool]:
    body, *steps = text.split("/")
    ends = body.split("-")
    star = ends[0] in {"*", "?"}
    if star:
        start, end = low, high
    else:
        start = end = _number(ends[0], names)
        if len(ends) == 2:
            end = _number(ends[1], names)
        elif len(ends) > 2:
            raise ScheduleError(f"too many hyphens: {text}")
    step = 1
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    if steps:
        step = _number(steps[0], {})
        if len(ends) == 1:
            end = high
        star = star and step <= 1
    if start < low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise ScheduleError(f"end of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return set(range(start, end + 1, step)), star


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ScheduleError(
            f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        )
    value = int(text)
    if value < 0:
        raise ScheduleError(f"negative number ({value}) not allowed: {text}")
    return value
