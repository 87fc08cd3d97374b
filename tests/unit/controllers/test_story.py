"""The spans that a run's events tell."""

from datetime import timedelta
from typing import Any

import pytest

from sympozium.controllers.context import Context
from sympozium.controllers.run.fold import Event
from sympozium.controllers.run.port import Ref, Stored
from sympozium.controllers.run.trace import origin
from sympozium.controllers.run.trace.story import LOST, Story, nanoseconds
from sympozium.controllers.run.trace.teller import Teller
from sympozium.telemetry.spans import Span
from unit.controllers.make import NOON, run

CAUSE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def event(kind: str, second: float, **data: Any) -> Event:
    return Event(kind, data, (NOON + timedelta(seconds=second)).isoformat())


STARTED = event("run.started", 1, model="m1", provider="openai", tools=[], span="00000000000000a1")
STEP = event("step.started", 2, step=1, span="00000000000000b1")
ANSWER = event(
    "model.message", 3, step=1, text="secret", toolCalls=[], usage={"inputTokens": 7, "outputTokens": 2},
    finishReason="tool_calls", attempts=2, model="m2",
)  # fmt: skip
INTENT = event(
    "tool.intent", 4, callId="1-a", tool="pods_list", target="k8s-ops", args={"x": "secret"},
    verdict={"action": "ask", "rule": "p: rule 1", "reason": "secret"}, span="00000000000000c1",
)  # fmt: skip
WAITING = event("tool.approval", 5, callId="1-a", state="waiting")
DECIDED = event("tool.approval", 9, callId="1-a", state="Approved")
OUTCOME = event("tool.outcome", 12, callId="1-a", ok=True, isError=False, summary="secret", durationMs=2000)
RESULT = event("run.result", 13, phase="Succeeded", reason="Completed", result="secret", usage={}, steps=1)
WHOLE = [STARTED, STEP, ANSWER, INTENT, WAITING, DECIDED, OUTCOME, RESULT]


def story(annotation: str | None = CAUSE) -> Story:
    one = run()
    one.metadata.creation_timestamp = "2026-11-26T12:00:00Z"
    if annotation:
        one.metadata.annotations["sympozium.ai/traceparent"] = annotation
    return Story(one, origin.of_run(one))


def told(events: list[Event], one: Story | None = None) -> list[Span]:
    one = one or story()
    return [span for event in events for span in one.take(event)]


def by_name(spans: list[Span]) -> dict[str, Span]:
    found = {span.name: span for span in spans}
    assert len(found) == len(spans)
    return found


def seconds(span: Span) -> tuple[float, float]:
    noon = nanoseconds("2026-11-26T12:00:00Z")
    return (span.start - noon) / 1e9, (span.end - noon) / 1e9


def test_a_run_is_a_tree_of_its_cause() -> None:
    one = story()
    spans = told(WHOLE, one)
    noon = nanoseconds("2026-11-26T12:00:00Z")
    spans += one.ended("Succeeded", "Completed", noon + 14 * 10**9)
    found = by_name(spans)
    parents = {name: span.parent_id for name, span in found.items()}
    whole = found["run sre"]
    assert parents == {
        "run sre": "b7ad6b7169203331",
        "invoke_agent sre": whole.context.span_id,
        "chat m1": "00000000000000a1",
        "execute_tool pods_list": "00000000000000a1",
        "approval pods_list": "00000000000000c1",
        "tools/call pods_list": "00000000000000c1",
    }
    assert {span.context.trace_id for span in spans} == {"0af7651916cd43dd8448eb211c80319c"}
    assert {name: seconds(span) for name, span in found.items()} == {
        "run sre": (0, 14), "invoke_agent sre": (1, 13), "chat m1": (2, 3), "execute_tool pods_list": (4, 12),
        "approval pods_list": (5, 9), "tools/call pods_list": (10, 12),
    }  # fmt: skip
    assert found["chat m1"].attributes["gen_ai.usage.input_tokens"] == 7
    assert found["chat m1"].attributes["sympozium.model.attempts"] == 2
    assert found["chat m1"].attributes["gen_ai.response.model"] == "m2"
    assert found["execute_tool pods_list"].attributes["sympozium.gate.rule"] == "p: rule 1"
    assert not any(span.error for span in spans)
    assert "secret" not in str(spans)


def test_a_run_that_nobody_says_the_cause_of_has_a_trace_of_its_own_always_the_same() -> None:
    first, again = origin.of_run(story(None).run), origin.of_run(story(None).run)
    assert first == again
    assert first.parent_id == ""
    assert origin.of_run(story("00-nonsense").run) == first


def test_a_call_that_is_denied_is_made_nowhere() -> None:
    denied = event(
        "tool.outcome", 6, callId="1-a", ok=False, isError=True, denied=True, summary="", durationMs=0
    )
    found = by_name(
        told([STARTED, INTENT, WAITING, event("tool.approval", 5.5, callId="1-a", state="Denied"), denied])
    )
    assert set(found) == {"approval pods_list", "execute_tool pods_list"}
    assert found["execute_tool pods_list"].error == "denied"
    assert found["execute_tool pods_list"].attributes["error.type"] == "denied"


def test_an_attempt_that_is_lost_ends_with_all_that_was_open_in_it_when_the_next_begins() -> None:
    one = story()
    again = event("run.started", 20, model="m1", provider="openai", tools=[], span="00000000000000a2")
    spans = told([STARTED, STEP, INTENT, again], one)
    assert {span.name: span.error for span in spans} == {
        "chat m1": LOST, "execute_tool pods_list": LOST, "invoke_agent sre": LOST,
    }  # fmt: skip
    spans = one.ended("Failed", "Timeout", nanoseconds("2026-11-26T12:01:00Z"))
    assert [(span.name, span.error) for span in spans] == [
        ("invoke_agent sre", "Timeout"),
        ("run sre", "Timeout"),
    ]
    assert spans[0].context.span_id == "00000000000000a2"
    assert spans[1].attributes["sympozium.run.attempts"] == 2


def test_a_call_that_is_judged_anew_is_one_call() -> None:
    anew = event("tool.intent", 7, **INTENT.data)
    [span] = told([STARTED, INTENT, anew, event("tool.outcome", 8, callId="1-a", isError=False, denied=True)])
    assert seconds(span) == (4, 8)


@pytest.mark.parametrize("target", ["", "shell", "tools"])
def test_what_no_sidecar_does_has_no_span_of_one(target: str) -> None:
    intent = event("tool.intent", 4, **{**INTENT.data, "target": target})
    assert [span.name for span in told([STARTED, intent, OUTCOME])] == ["execute_tool pods_list"]


def test_events_without_a_beginning_tell_nothing() -> None:
    assert told([ANSWER, OUTCOME, DECIDED, RESULT]) == []


class Kept:
    """A process's traces that keeps them."""

    target = None

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, _target: object, _resource: object, span: Span, *, kept: bool) -> None:
        self.sent.append(span.name)


def test_after_a_restart_the_last_minute_is_told_again_and_no_more() -> None:
    """The predecessor may have died before it had sent it."""
    from sympozium.controllers.run.trace.teller import _Told, _Where
    from sympozium.telemetry.otlp import Target
    from sympozium.telemetry.spans import Resource

    ref, kept = Ref("team", "r", "uid-r"), Kept()
    noon = nanoseconds("2026-11-26T12:00:00Z")
    teller = Teller(Context.__new__(Context), kept, now=lambda: noon + 66 * 10**9)  # type: ignore[arg-type]
    for number, one in enumerate(WHOLE):
        teller.take(ref, Stored(number + 1, one))
    assert kept.sent == [], "where they go is not known yet"
    teller._told[ref] = _Told(story(), _Where(Target("http://c:4318"), Resource(()), of_installation=True))
    for stored in teller._early.pop(ref):
        teller.take(ref, stored)
    assert kept.sent == [
        "approval pods_list",
        "tools/call pods_list",
        "execute_tool pods_list",
        "invoke_agent sre",
    ]
