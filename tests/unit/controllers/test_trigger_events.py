"""Which Events are new to a trigger, whatever their writers say of themselves."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sympozium.api.base import Object
from sympozium.api.trigger import SeenEvents
from sympozium.controllers.trigger import events
from sympozium.kube.conditions import parse_time

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
MADE = datetime(2026, 11, 27, 11, tzinfo=UTC)


def event(version: int, at: str = "2026-11-27T11:30:00Z", **fields: Any) -> Object:
    meta = {"name": f"e{version}", "namespace": "team", "uid": f"u{version}", "resourceVersion": str(version)}
    meta["creationTimestamp"] = "2026-11-27T11:30:00Z"
    return {"metadata": meta, "lastTimestamp": at, "reason": "BackOff", **fields}


def dealt(*found: Object, seen: SeenEvents | None = None, anew: bool = False) -> SeenEvents:
    for one in sorted(found, key=events.version):
        seen = events.seen_with(one, seen, now=NOON, counted_anew=anew)
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    "times",
    [
        ("2099-01-01T00:00:00Z", "2026-11-27T11:40:00Z"),
        ("2026-11-27T11:40:05Z", "2026-11-27T11:40:00Z"),  # clocks of two nodes
        ("0000-05-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_what_was_dealt_with_is_not_new_again_whatever_it_says_of_its_time(times: tuple[str, str]) -> None:
    found = [event(10, times[0]), event(11, times[1])]
    seen = dealt(*found)
    assert [one for one in found if events.is_new(one, seen, MADE, counted_anew=False)] == []
    assert seen.resource_version == "11"
    assert parse_time(seen.time) <= NOON
    assert events.is_new(event(12, "1999-01-01T00:00:00Z"), seen, MADE, counted_anew=False)


def test_a_cluster_that_counts_anew_is_told_by_time_and_is_believed_again_after() -> None:
    seen = dealt(event(5000, "2099-01-01T00:00:00Z"))
    after = event(40, "2026-11-27T12:10:00Z")
    assert not events.is_new(after, seen, MADE, counted_anew=False)
    assert events.is_new(after, seen, MADE, counted_anew=True)
    seen = dealt(after, seen=seen, anew=True)
    assert seen.resource_version == "40"
    assert events.is_new(event(41), seen, MADE, counted_anew=False)


@pytest.mark.parametrize("text", ["0000-05-01T00:00:00Z", "10000-01-01T00:00:00Z", "20260101", "soon"])
def test_a_time_that_is_none_is_when_the_event_was_made(text: str) -> None:
    assert events.happened(event(1, text)).at == datetime(2026, 11, 27, 11, 30, tzinfo=UTC)


def test_an_event_fills_no_memory() -> None:
    huge = "x" * 1_000_000
    about = {"kind": "Pod", "name": huge}
    obj = event(1, message=huge, involvedObject=about, related={"name": huge})
    obj["metadata"]["labels"] = {f"l{index}": "v" for index in range(1000)}
    kept = events.slim(obj)
    assert len(repr(kept)) < 10_000
    assert kept["message"].endswith("[shortened]")
    assert events.happened(kept).event["reason"] == "BackOff"
