"""Where the time of a run went, on values."""

from typing import Any

from hypothesis import given, strategies as st

from sympozium.bus import messages as bus
from sympozium.bus.history import Stored
from sympozium.bus.messages import Message
from sympozium.bus.subjects import RunRef
from sympozium.server.models.inspection import Span
from sympozium.server.runs.timing import spans
from unit.server_runs.making import run

REF = RunRef("team", "r", "uid-team-r")
VERDICT = {"action": "allow", "rule": "default-policy: toolGating", "reason": ""}


def at(second: int) -> str:
    return f"2026-11-27T10:{second // 60:02}:{second % 60:02}.000000Z"


def said(*messages: tuple[int, str, dict[str, Any]]) -> list[Stored]:
    """(second, type, data) each."""
    return [
        Stored(place, Message(kind, REF, bus.SENDERS[kind], "e1", place, data, at(second)))
        for place, (second, kind, data) in enumerate(messages, 1)
    ]


STARTED = (5, bus.RUN_STARTED, {"model": "m", "provider": "p", "tools": []})
STEP = (6, bus.STEP_STARTED, {"step": 1})
MESSAGE = (
    8,
    bus.MODEL_MESSAGE,
    {"step": 1, "text": "", "toolCalls": [], "usage": {}, "finishReason": "tool_calls"},
)
INTENT = (
    8,
    bus.TOOL_INTENT,
    {"callId": "c1", "tool": "execute_command", "target": "shell", "args": {}, "verdict": VERDICT},
)
WAITS = (9, bus.TOOL_APPROVAL, {"callId": "c1", "state": "waiting"})
DECIDED = (20, bus.TOOL_APPROVAL, {"callId": "c1", "state": "Approved", "decidedBy": "alice"})
OUTCOME = (22, bus.TOOL_OUTCOME, {"callId": "c1", "ok": True, "isError": False, "durationMs": 2000})
NEXT = (23, bus.STEP_STARTED, {"step": 2})
RESULT = (30, bus.RUN_RESULT, {"phase": "Succeeded"})
WHOLE = (STARTED, STEP, MESSAGE, INTENT, WAITS, DECIDED, OUTCOME, NEXT,
         (29, bus.MODEL_MESSAGE, {**MESSAGE[2], "step": 2, "finishReason": "stop"}), RESULT)  # fmt: skip


def table(found: list[Span]) -> list[tuple[str, str, str, str | None, str | None, str | None]]:
    return [
        (s.kind, s.name, s.started_at[14:19], s.ended_at and s.ended_at[14:19], s.status, s.parent)
        for s in found
    ]


def pod() -> dict[str, Any]:
    return {"metadata": {"name": "r-abcde", "creationTimestamp": "2026-11-27T10:00:02Z"}}


def test_a_whole_run() -> None:
    ended = run("r", startedAt=at(4), completedAt=at(31))
    assert table(spans(ended, pod(), said(*WHOLE))) == [
        ("queue", "queued", "00:00", "00:02", "done", None),
        ("pod", "r-abcde", "00:02", "00:05", "done", None),
        ("step", "step 1", "00:06", "00:23", "done", None),
        ("model", "model", "00:06", "00:08", "tool_calls", "step-2"),
        ("tool", "execute_command in shell", "00:08", "00:22", "done", "step-2"),
        ("approval", "approval", "00:09", "00:20", "Approved", "tool-4"),
        ("step", "step 2", "00:23", "00:30", "done", None),
        ("model", "model", "00:23", "00:29", "stop", "step-8"),
    ]


def test_without_its_pod_the_queue_ends_where_it_began() -> None:
    assert table(spans(run("r", startedAt=at(4)), None, said(STARTED)))[0][3] == "00:04"
    (queued,) = spans(run("r", phase="Queued"), None, [])
    assert (queued.ended_at, queued.status) == (None, "running")


def test_what_had_not_ended_ends_with_the_run_and_says_so() -> None:
    going = spans(run("r", phase="AwaitingApproval", startedAt=at(4)), None, said(*WHOLE[:5]))
    assert {(s.kind, s.status) for s in going if s.ended_at is None} == {
        ("step", "running"), ("tool", "running"), ("approval", "running"),
    }  # fmt: skip
    cut = spans(run("r", phase="Cancelled", startedAt=at(4), completedAt=at(15)), None, said(*WHOLE[:5]))
    assert {(s.kind, s.ended_at) for s in cut if s.status == "cut"} == {
        ("step", at(15)), ("tool", at(15)), ("approval", at(15)),
    }  # fmt: skip


def test_a_call_that_was_refused_or_failed_says_so() -> None:
    for data, status in (({"ok": False, "denied": True}, "denied"), ({"ok": False}, "failed")):
        outcome = (9, bus.TOOL_OUTCOME, {**OUTCOME[2], **data})
        found = spans(run("r"), None, said(STARTED, STEP, MESSAGE, INTENT, outcome))
        assert [s.status for s in found if s.kind == "tool"] == [status]


def test_a_second_pod_ends_the_step_of_the_first() -> None:
    again = (40, bus.RUN_STARTED, STARTED[2])
    found = table(spans(run("r", phase="Running"), None, said(STARTED, STEP, again, (41, *STEP[1:]))))
    assert [row[2:4] for row in found if row[0] == "step"] == [("00:06", "00:40"), ("00:41", None)]


@given(st.lists(st.sampled_from(WHOLE), max_size=25), st.booleans())
def test_in_whatever_order_a_run_speaks_each_span_has_a_place(parts: list[Any], ended: bool) -> None:
    obj = run("r", phase="Failed" if ended else "Running", completedAt=at(60))
    found = spans(obj, None, said(*parts))
    names = [span.id for span in found]
    assert len(set(names)) == len(names)
    assert all(span.parent is None or span.parent in names for span in found)
    assert all(span.status for span in found)
    assert all(span.ended_at for span in found) or not ended
