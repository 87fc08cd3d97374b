"""Viewers of a run: whatever they lose their connection at, they get each event once, in order."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from sympozium.bus import messages
from sympozium.bus.errors import BusError
from sympozium.bus.messages import Message
from sympozium.bus.subjects import AGENT, RunRef
from sympozium.kube import Client
from sympozium.server.bus import Bus
from sympozium.server.copies import RUNS, Copies
from sympozium.server.feed.feed import Feed
from sympozium.server.feed.log import Entry, Log
from sympozium.server.feed.view import RunView
from sympozium.testing.sse import Event, Parser

RUN = RunRef("team", "r1", "u1")
NO_KUBE = cast("Client", None)
RESULT = {"phase": "Succeeded", "reason": "Completed", "result": "r", "usage": {}, "steps": 1}


class Away(Bus):
    """A bus without a connection, which says that it has one."""

    connected = True


@dataclass(eq=False)
class Stage:
    """A feed to which messages come, over a stream that remembers all of them."""

    kept: int = 128 * 1024
    stream: list[Entry] = field(default_factory=list)
    away: bool = False

    def __post_init__(self) -> None:
        self.copies = Copies(NO_KUBE)
        self.feed = Feed(Away(NO_KUBE), RUN, lambda: None)
        self.feed.log = Log(self.kept)
        self.feed.complete.set()
        self.feed.older = self.older  # type: ignore[method-assign]
        self.phase("Running")

    def say(self, place: int, kind: str = messages.STEP_STARTED, **data: Any) -> None:
        self.feed._show(place, Message(kind, RUN, AGENT, "e", place, data or {"step": place}))
        self.stream.append(self.feed.log.after(self.feed.log.head - 1, 1)[0])  # type: ignore[index]

    def phase(self, phase: str, *, uid: str = "u1", **status: Any) -> None:
        metadata = {"namespace": "team", "name": "r1", "uid": uid, "resourceVersion": "1"}
        self.copies[RUNS]._cache.put({"metadata": metadata, "spec": {}, "status": {"phase": phase, **status}})

    async def older(self, after: int, size: int) -> list[Entry]:
        if self.away:
            raise BusError("away")
        found = [entry for entry in self.stream if entry.place > after]
        return found[: max(1, size // 1000)]


async def everything(view: RunView, parser: Parser | None = None) -> list[Event]:
    """What a viewer gets until there is nothing more."""
    parser = parser or Parser()
    found: list[Event] = []
    while chunk := await view.take():
        found += parser.feed(chunk)
    return found


def names(events: list[Event]) -> list[str]:
    return [event.event for event in events]


def ids(events: list[Event]) -> list[int]:
    return [event.id for event in events if event.id is not None]


async def test_a_viewer_gets_what_there_is_and_then_what_comes() -> None:
    stage = Stage()
    stage.say(3)
    view = RunView(stage.feed, stage.copies, 0)
    first = await everything(view)
    assert names(first) == ["run", "message"]
    assert first[0].data == {"namespace": "team", "name": "r1", "uid": "u1", "phase": "Running"}
    assert first[1].data["seq"] == 3
    assert await view.take() == b""
    stage.say(8)
    assert ids(await everything(view)) == [8]


async def test_text_comes_after_what_is_stored_and_is_replaced_by_its_message() -> None:
    stage = Stage()
    stage.say(1)
    view = RunView(stage.feed, stage.copies, 0)
    stage.feed.text.add("e", 1, "half a ")
    found = await everything(view)
    assert [(e.event, e.data.get("text")) for e in found[1:]] == [("message", None), ("partial", "half a ")]
    stage.feed.text.add("e", 1, "sentence")
    assert [(e.event, e.data) for e in await everything(view)] == [("delta", {"step": 1, "text": "sentence"})]
    late = await everything(RunView(stage.feed, stage.copies, 1))
    assert late[-1].data == {"step": 1, "text": "half a sentence", "whole": True}
    stage.say(2, messages.MODEL_MESSAGE, text="half a sentence", step=1)
    assert names(await everything(view)) == ["message"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Cancelled"])
async def test_the_end_comes_after_the_last_word(phase: str) -> None:
    stage = Stage()
    stage.say(1)
    view = RunView(stage.feed, stage.copies, 0)
    await everything(view)
    stage.phase(phase)
    assert await everything(view) == []
    assert not view.ended
    stage.say(2, messages.RUN_RESULT, **RESULT)
    found = await everything(view)
    assert names(found) == ["message", "end"]
    assert found[-1].data == {"phase": phase, "deleted": False}
    assert view.ended


async def test_where_the_last_word_was_not_heard_the_stream_is_asked_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    asked = asyncio.Event()
    monkeypatch.setattr(stage.feed, "look_again", asked.set)
    view = RunView(stage.feed, stage.copies, 0)
    await everything(view)
    assert not asked.is_set()
    stage.phase("Succeeded")
    await everything(view)
    assert asked.is_set()


async def test_a_result_of_an_attempt_before_is_not_the_last_word() -> None:
    stage = Stage()
    stage.say(1, messages.RUN_RESULT, **RESULT)
    stage.say(2, messages.RUN_STARTED)
    stage.phase("Failed")
    view = RunView(stage.feed, stage.copies, 0)
    assert names(await everything(view)) == ["run", "message", "message"]
    assert view.patience is not None


async def test_a_run_that_ended_long_ago_without_a_word_ends_at_once() -> None:
    stage = Stage()
    stage.phase("Cancelled", completedAt="2026-01-01T00:00:00Z")
    assert names(await everything(RunView(stage.feed, stage.copies, 0))) == ["run", "end"]


async def test_no_end_is_told_before_the_history_was_read() -> None:
    stage = Stage()
    stage.feed.complete.clear()
    stage.phase("Cancelled", completedAt="2026-01-01T00:00:00Z")
    view = RunView(stage.feed, stage.copies, 0)
    assert names(await everything(view)) == ["run"]
    stage.feed.complete.set()
    assert names(await everything(view)) == ["end"]


async def test_a_run_that_is_deleted_or_made_anew_ends_for_who_looks_at_it() -> None:
    for remove in (
        lambda s: s.copies[RUNS]._cache.drop(("team", "r1")),
        lambda s: s.phase("Pending", uid="u2"),
    ):
        stage = Stage()
        stage.say(1)
        view = RunView(stage.feed, stage.copies, 0)
        await everything(view)
        remove(stage)
        found = await everything(view)
        assert [(e.event, e.data) for e in found] == [("end", {"phase": "Running", "deleted": True})]


async def test_a_run_that_is_not_in_the_copy_yet_is_waited_for() -> None:
    stage = Stage()
    stage.copies[RUNS]._cache.drop(("team", "r1"))
    view = RunView(stage.feed, stage.copies, 0)
    assert names(await everything(view)) == ["run"]
    assert not view.ended
    view._opened -= 60
    assert names(await everything(view)) == ["end"]


async def test_an_id_of_another_stream_begins_anew_and_says_so() -> None:
    stage = Stage()
    stage.say(4)
    found = await everything(RunView(stage.feed, stage.copies, 99))
    assert [(e.event, e.id) for e in found] == [("run", None), ("reset", None), ("message", 4)]
    assert found[1].data == {"kind": "run"}


async def test_a_bus_that_is_away_is_said_and_what_is_kept_is_shown() -> None:
    stage = Stage()
    stage.say(1)
    view = RunView(stage.feed, stage.copies, 0)
    stage.feed._bus.connected = False  # type: ignore[misc]
    found = await everything(view)
    assert [(e.event, e.data.get("connected")) for e in found[1:]] == [("bus", False), ("message", None)]
    stage.feed._bus.connected = True  # type: ignore[misc]
    assert [e.data for e in await everything(view)] == [{"connected": True}]


async def test_what_is_not_kept_is_read_from_the_stream_when_that_is_there() -> None:
    stage = Stage(kept=300, away=True)
    for place in range(1, 9):
        stage.say(place)
    view = RunView(stage.feed, stage.copies, 0)
    assert names(await everything(view)) == ["run"]
    stage.away = False
    assert ids(await everything(view)) == list(range(1, 9))


async def test_neither_text_nor_the_end_comes_before_what_the_stream_did_not_give() -> None:
    stage = Stage(kept=300, away=True)
    for place in range(1, 9):
        stage.say(place)
    view = RunView(stage.feed, stage.copies, 0)
    stage.feed.text.add("e", 1, "half a ")
    assert names(await everything(view)) == ["run"]
    assert view.patience is not None  # nobody may tell that the stream is back
    stage.say(9, messages.RUN_RESULT, **RESULT)
    stage.phase("Succeeded")
    assert await everything(view) == []
    stage.away = False
    found = await everything(view)
    assert ids(found) == list(range(1, 10))
    assert names(found)[-1] == "end"


async def test_a_feed_that_broke_is_a_problem_and_the_end() -> None:
    stage = Stage()
    stage.feed.broken = True
    view = RunView(stage.feed, stage.copies, 0)
    found = await everything(view)
    assert [(e.event, e.data.get("status")) for e in found[1:]] == [("problem", 500)]
    assert view.ended


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(1, 5), st.integers(0, 400)),
        st.tuples(st.just("read"), st.integers(1, 4), st.integers(0, 3)),
        st.tuples(st.just("break"), st.integers(0, 5), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS, st.integers(100, 3000))
async def test_no_sequence_of_disconnects_loses_or_repeats_anything(
    steps: list[tuple[str, int, int]], kept: int
) -> None:
    stage = Stage(kept)
    place, seen, last = 0, [], 0
    view = RunView(stage.feed, stage.copies, last)
    for what, number, more in steps:
        if what == "say":
            place += number
            stage.say(place, text="x" * more)
        elif what == "read":
            for _ in range(number):
                found = ids(list(Parser().feed(await view.take())))
                seen += found
                last = seen[-1] if seen else 0
        else:
            # The connection breaks while a chunk is on its way: some of its events arrive, and the client comes back.
            found = ids(list(Parser().feed(await view.take())))[:number]
            seen += found
            last = seen[-1] if seen else 0
            view = RunView(stage.feed, stage.copies, last)
    seen += ids(await everything(view))
    assert seen == [entry.place for entry in stage.stream]
