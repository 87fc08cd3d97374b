"""Whether a schedule can be understood: the check that admission makes when it is written.

Five-field cron, the named schedules, and `@every <duration>`; a time zone of the IANA database.
"""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from sympozium import durations

NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def problem(expression: str) -> str | None:
    """What is wrong with a schedule, or None."""
    text = expression.strip()
    if text.startswith("@every"):
        try:
            seconds = durations.parse(text.removeprefix("@every").strip())
        except ValueError as exc:
            return str(exc)
        return None if seconds >= 1 else f"{expression!r}: the shortest interval is 1s"
    if text.startswith("@") and text not in NAMED:
        return f"{expression!r}: write @every <duration> or one of {', '.join(NAMED)}"
    cron = NAMED.get(text, text)
    if len(cron.split()) != 5:
        return f"{expression!r}: a cron expression has five fields: minute hour day month weekday"
    try:
        next(CronSim(cron, datetime.now(UTC)))
    except CronSimError as exc:
        return f"{expression!r} is not a cron expression: {exc}"
    except StopIteration:
        return f"{expression!r} is never due"
    return None


def zone_problem(name: str) -> str | None:
    """What is wrong with the name of a time zone, or None."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"{name!r} is not a time zone: write a name such as Europe/Berlin"
    return None
