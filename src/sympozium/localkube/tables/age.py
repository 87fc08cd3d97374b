"""Ages as kubectl shows them: `2s`, `5m3s`, `3h`, `2d4h`, at most two units."""

from datetime import UTC, datetime


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time; None for what is not one."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def age(text: object, now: datetime) -> str:
    """How long ago a timestamp was, `<unknown>` when there is none."""
    at = parse_time(text) if isinstance(text, str) and text else None
    if at is None:
        return "<unknown>"
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return duration((now - at).total_seconds())


def duration(seconds: float) -> str:
    """Kubernetes' HumanDuration: coarser units the longer it is."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first}{unit}{second}{smaller}" if second else f"{first}{unit}"
