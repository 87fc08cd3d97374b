"""When a schedule is due. Pure: the present is an argument.

Three grammars: five-field cron with Debian's semantics and daylight-saving rules (cronsim), `@hourly` and its
like, and `@every <duration>`, which counts from the creation of the schedule, so that its ticks do not move
when the controller restarts. All ticks are whole seconds in UTC.
https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from sympozium import durations
from sympozium.api.cron import NAMED
from sympozium.names import digest

_SHORTEST: Final = 1.0
MISSED_LIMIT: Final = 100
"""Ticks that are looked through after a long absence; beyond them only the last one is known to be due."""


@dataclass(frozen=True, slots=True)
class Missed:
    """What was due in a span: the last tick, and how many came before it."""

    last: datetime | None
    earlier: int
    more: bool = False
    """There were more than MISSED_LIMIT ticks, and `earlier` is a lower bound."""


class Schedule:
    """A parsed schedule. Raises ValueError that says what is wrong and where."""

    def __init__(self, expression: str, *, time_zone: str | None = None, anchor: datetime) -> None:
        """`anchor` is where `@every` counts from: the creation time of the object."""
        self._every: timedelta | None = None
        self._cron = ""
        self._zone = _zone(time_zone)
        self._anchor = anchor.astimezone(UTC).replace(microsecond=0)
        text = expression.strip()
        if text.startswith("@every"):
            seconds = durations.parse(text.removeprefix("@every").strip())
            if seconds < _SHORTEST:
                raise ValueError(f"{expression!r}: the shortest interval is 1s")
            self._every = timedelta(seconds=int(seconds))
            return
        if text.startswith("@") and text not in NAMED:
            raise ValueError(f"{expression!r}: write @every <duration> or one of {', '.join(NAMED)}")
        self._cron = NAMED.get(text, text)
        if len(self._cron.split()) != 5:
            raise ValueError(
                f"{expression!r}: a cron expression has five fields: minute hour day month weekday"
            )
        try:
            next(CronSim(self._cron, self._anchor))
        except CronSimError as exc:
            raise ValueError(f"{expression!r} is not a cron expression: {exc}") from exc
        except StopIteration as exc:
            raise ValueError(f"{expression!r} is never due") from exc

    def after(self, moment: datetime) -> datetime:
        """The first tick after a moment. Raises StopIteration where there is none in fifty years."""
        return next(self.ticks(moment))

    def ticks(self, moment: datetime) -> Iterator[datetime]:
        """All ticks after a moment."""
        moment = moment.astimezone(UTC)
        if self._every is not None:
            passed = max((moment - self._anchor) // self._every, 0)
            tick = self._anchor + passed * self._every
            while True:
                tick += self._every
                if tick > moment:
                    yield tick
        for found in CronSim(self._cron, moment.astimezone(self._zone)):
            yield found.astimezone(UTC)

    def due(self, since: datetime, until: datetime) -> Missed:
        """The ticks in `(since, until]`."""
        last: datetime | None = None
        count = 0
        for tick in self.ticks(since):
            if tick > until:
                break
            last, count = tick, count + 1
            if count > MISSED_LIMIT:
                return Missed(self._last_before(until), MISSED_LIMIT, more=True)
        return Missed(last, max(count - 1, 0))

    def _last_before(self, until: datetime) -> datetime:
        if self._every is not None:
            return self._anchor + (until.astimezone(UTC) - self._anchor) // self._every * self._every
        # A second later, since a reversed iterator begins strictly before its moment.
        start = (until + timedelta(seconds=1)).astimezone(self._zone).replace(microsecond=0)
        return next(CronSim(self._cron, start, reverse=True)).astimezone(UTC)


def jitter(uid: str, tick: datetime, most: float) -> timedelta:
    """How much later a tick's run starts: derived, so that a restart computes the same."""
    if most <= 0:
        return timedelta()
    share = int(digest(uid, tick.isoformat(), length=8), 16) / 0xFFFFFFFF
    return timedelta(seconds=int(share * most))


def stamp(tick: datetime) -> str:
    """A tick as part of a name: minutes since the epoch as CronJob does, with seconds only where they matter."""
    seconds = int(tick.timestamp())
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}" if rest == 0 else f"{minutes}-{rest}"


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(f"{name!r} is not a time zone: write a name as Europe/Berlin") from exc
