"""Cron schedules: the API server's refusals (recorded), and instants by the wall clock."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from sympozium.localkube import schedules

UTC = dt.UTC


def at(text):
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
        ("61 * * * *", "end of range (61) above maximum (59): 61"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("-1 * * * *", 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'),
        ("* * * jan-foo *", 'failed to parse int from foo: strconv.Atoi: parsing "foo": invalid syntax'),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("@foo", "unrecognized descriptor: @foo"),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
    ],
)
def test_what_is_no_schedule_is_refused_in_the_servers_words(text, why):
    with pytest.raises(schedules.ScheduleError) as refused:
        schedules.parse(text)
    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("* * * * *", "2026-01-01T00:00:30Z", "2026-01-01T00:01:00+00:00"),
        ("0 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+00:00"),
        ("5/20 * * * *", "2026-01-01T00:10:00Z", "2026-01-01T00:25:00+00:00"),
        ("0 0 1 1 *", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00+00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00+00:00"),
        # A day and a weekday that are both given are alternatives; a star makes it both.
        ("0 0 13 * fri", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00+00:00"),
        ("0 0 13 * *", "2026-01-01T00:00:00Z", "2026-01-13T00:00:00+00:00"),
        ("0 0 */2 * mon", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00+00:00"),
        ("? ? ? ? ?", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00+00:00"),
        ("1,, * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00+00:00"),
        ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00+00:00"),
        ("@every 90s", "2026-01-01T00:00:30Z", "2026-01-01T00:02:00+00:00"),
        ("@every 1h30m", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00+00:00"),
        ("@every 100ms", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01+00:00"),
    ],
)
def test_the_next_time(text, after, expected):
    assert schedules.parse(text).next(at(after)).isoformat() == expected


def test_a_date_that_never_comes_has_no_next_time():
    assert schedules.parse("0 0 31 2 *").next(at("2026-01-01T00:00:00Z")) is None


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        # The night of 29 March 2026 has no half past two.
        ("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00+00:00"),
        # The night of 25 October 2026 has it twice.
        ("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00+00:00"),
        ("30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00+00:00"),
        ("0 0 * * *", "2026-07-01T00:00:00Z", "2026-07-01T22:00:00+00:00"),
    ],
)
def test_the_clock_of_a_time_zone(text, after, expected):
    assert schedules.parse(text, "Europe/Berlin").next(at(after)).isoformat() == expected


def test_an_unknown_time_zone_is_an_error():
    with pytest.raises(ValueError, match="unknown time zone Foo/Bar"):
        schedules.parse("* * * * *", "Foo/Bar")


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "*/7", "5-50/9", "59"]),
    st.sampled_from(["*", "0", "3,17", "*/5"]),
    st.sampled_from(["*", "1", "31", "*/10"]),
    st.sampled_from(["*", "2", "jan-mar"]),
    st.sampled_from(["*", "0", "mon-fri"]),
)


@settings(max_examples=30)
@given(FIELDS, st.integers(0, 2**31 - 1), st.sampled_from(["", "America/New_York", "Asia/Kathmandu"]))
def test_times_rise_and_match_and_none_is_left_out(fields, seconds, zone):
    schedule = schedules.parse(" ".join(fields), zone)
    begin = dt.datetime.fromtimestamp(seconds, UTC)
    times = [begin]
    for _ in range(3):
        found = schedule.next(times[-1])
        if found is None:
            break
        times.append(found)
    for before, after in pairwise(times):
        assert after > before
        assert schedule.next(after - dt.timedelta(minutes=1)) == after
        # An hour in between, minute by minute: none of them is a time.
        for minute in range(1, min(60, int((after - before).total_seconds() // 60))):
            between = before.replace(second=0) + dt.timedelta(minutes=minute)
            assert before < between < after
            assert schedule.next(between - dt.timedelta(minutes=1)) >= min(between, after)
