from datetime import UTC, datetime, timedelta

from sympozium.kube.conditions import condition, find, is_true, merged, parse_time, rfc3339

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_the_transition_time_moves_with_the_status_alone() -> None:
    first = merged([], [condition("Ready", False, "Waiting", "x")], now=NOON, generation=1)
    later = NOON + timedelta(minutes=5)
    same = merged(first, [condition("Ready", False, "Other", "y")], now=later, generation=2)
    assert (same[0]["lastTransitionTime"], same[0]["reason"], same[0]["observedGeneration"]) == (
        rfc3339(NOON), "Other", 2,
    )  # fmt: skip
    turned = merged(same, [condition("Ready", True, "Done")], now=later, generation=2)
    assert turned[0]["lastTransitionTime"] == rfc3339(later)


def test_nothing_new_is_equal_so_nothing_is_written() -> None:
    old = merged([], [condition("A", True, "R"), condition("B", None, "R")], now=NOON, generation=1)
    assert merged(old, [condition("A", True, "R")], now=NOON + timedelta(days=1), generation=1) == old


def test_order_is_kept_and_types_are_dropped() -> None:
    old = merged([], [condition(t, True, "R") for t in "ABC"], now=NOON, generation=1)
    new = merged(
        old, [condition("B", False, "R"), condition("D", True, "R")], now=NOON, generation=1, drop=["A"]
    )
    assert [c["type"] for c in new] == ["B", "C", "D"]
    assert is_true(new, "C")
    assert not is_true(new, "B")
    assert find(new, "A") is None
    assert find(None, "A") is None


def test_times_are_utc_seconds() -> None:
    assert rfc3339(parse_time("2026-11-26T14:00:00.123456+02:00")) == "2026-11-26T12:00:00Z"
    assert parse_time("2026-11-26T12:00:00Z") == NOON
