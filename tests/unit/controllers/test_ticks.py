from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from sympozium.api.ticks import MISSED_LIMIT, Schedule, jitter, stamp

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("0 * * * *", ["2026-11-26T13:00Z", "2026-11-26T14:00Z"]),
        ("@hourly", ["2026-11-26T13:00Z"]),
        ("@daily", ["2026-11-27T00:00Z"]),
        ("@weekly", ["2026-11-29T00:00Z"]),
        ("@monthly", ["2026-12-01T00:00Z"]),
        ("@yearly", ["2027-01-01T00:00Z"]),
        ("*/20 9-17 * * MON-FRI", ["2026-11-26T12:20Z", "2026-11-26T12:40Z"]),
        ("30 6 1 * *", ["2026-12-01T06:30Z"]),
        ("@every 30m", ["2026-11-26T12:30Z", "2026-11-26T13:00Z"]),
        ("@every 1h30m", ["2026-11-26T13:30Z"]),
    ],
)
def test_the_next_ticks(expression: str, following: list[str]) -> None:
    ticks = Schedule(expression, anchor=NOON).ticks(NOON)
    assert [next(ticks) for _ in following] == [at(text) for text in following]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("61 * * * *", "not a cron expression"),
        ("* * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("@sometimes", "@every <duration> or one of @yearly"),
        ("@every", "not a duration"),
        ("@every 10ms", "shortest interval"),
        ("0 0 30 2 *", "not a cron expression|never due"),
        ("", "five fields"),
    ],
)
def test_mistakes_are_named(expression: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Schedule(expression, anchor=NOON)


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(ValueError, match="'Mars/Base' is not a time zone"):
        Schedule("0 * * * *", time_zone="Mars/Base", anchor=NOON)


def test_every_counts_from_the_anchor_whenever_it_is_asked() -> None:
    plan = Schedule("@every 30m", anchor=NOON + timedelta(minutes=7, microseconds=5))
    assert plan.after(NOON + timedelta(days=3)) == at("2026-11-29T12:07Z")
    assert plan.after(NOON - timedelta(days=1)) == at("2026-11-26T12:37Z")


def test_zones_keep_local_time_over_a_change_of_clocks() -> None:
    plan = Schedule("30 2 * * *", time_zone="Europe/Berlin", anchor=NOON)
    ticks = plan.ticks(at("2026-10-24T00:00Z"))
    assert [next(ticks) for _ in range(3)] == [
        at("2026-10-24T00:30Z"), at("2026-10-25T00:30Z"), at("2026-10-26T01:30Z"),
    ]  # fmt: skip
    skipped = plan.ticks(at("2027-03-27T12:00Z"))
    assert next(skipped) == at("2027-03-28T01:00Z")


def test_what_was_due_in_a_span() -> None:
    plan = Schedule("0 * * * *", anchor=NOON)
    assert plan.due(NOON, NOON + timedelta(minutes=59)).last is None
    exact = plan.due(NOON, NOON + timedelta(hours=1))
    assert (exact.last, exact.earlier) == (NOON + timedelta(hours=1), 0)
    missed = plan.due(NOON, NOON + timedelta(hours=3, minutes=10))
    assert (missed.last, missed.earlier, missed.more) == (NOON + timedelta(hours=3), 2, False)


@pytest.mark.parametrize("expression", ["* * * * *", "@every 1m"])
def test_a_long_absence_is_bounded_and_the_last_tick_is_right(expression: str) -> None:
    missed = Schedule(expression, anchor=NOON).due(NOON, NOON + timedelta(days=30, seconds=10))
    assert (missed.last, missed.earlier, missed.more) == (NOON + timedelta(days=30), MISSED_LIMIT, True)


@given(minutes=st.integers(1, 500), seconds=st.integers(0, 10_000_000))
def test_every_tick_is_after_its_moment_and_on_the_grid(minutes: int, seconds: int) -> None:
    moment = NOON + timedelta(seconds=seconds)
    tick = Schedule(f"@every {minutes}m", anchor=NOON).after(moment)
    assert moment < tick <= moment + timedelta(minutes=minutes)
    assert (tick - NOON) % timedelta(minutes=minutes) == timedelta()


def test_jitter_is_the_same_each_time_and_within_its_bound() -> None:
    found = {jitter(f"uid-{n}", NOON, 600) for n in range(50)}
    assert all(timedelta() <= j <= timedelta(seconds=600) for j in found)
    assert len(found) > 40
    assert jitter("a", NOON, 600) == jitter("a", NOON, 600)
    assert jitter("a", NOON, 0) == timedelta()


def test_stamps_tell_ticks_apart() -> None:
    assert stamp(NOON) == str(int(NOON.timestamp()) // 60)
    assert stamp(NOON + timedelta(seconds=30)) == f"{stamp(NOON)}-30"
