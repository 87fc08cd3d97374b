from typing import Any

from hypothesis import given, strategies as st

from sympozium.controllers.run.fold import (
    RESULT_LIMIT,
    Applied,
    Event,
    Held,
    Progress,
    Usage,
    fold,
    fold_all,
    head,
)


def event(type_: str, time: str = "2026-11-26T12:00:00Z", **data: Any) -> Event:
    return Event(type_, data, time)


def message(inp: int, out: int) -> Event:
    return event("model.message", usage={"inputTokens": inp, "outputTokens": out})


WHOLE = [
    event("run.started", "2026-11-26T12:00:01Z", model="m"),
    event("step.started", step=1),
    message(100, 10),
    event("tool.intent", callId="c1", tool="kubectl_get"),
    event("tool.outcome", callId="c1", ok=True),
    event("step.started", step=2),
    message(200, 20),
    event("tool.intent", callId="c2", tool="execute_command"),
    event("tool.approval", callId="c2", tool="execute_command", state="waiting"),
]


def test_steps_tokens_and_calls_are_counted() -> None:
    progress = fold_all(WHOLE)
    assert (progress.steps, progress.tool_calls, progress.usage) == (2, 2, Usage(300, 30))
    assert progress.started_at == "2026-11-26T12:00:01Z"
    assert progress.waiting == {"c2": "execute_command"}
    assert progress.outcome is None
    assert progress.version == len(WHOLE)


def test_a_decision_ends_the_waiting() -> None:
    for state in ("Approved", "Denied", "Expired"):
        assert fold(fold_all(WHOLE), event("tool.approval", callId="c2", state=state)).waiting == {}
    assert fold(fold_all(WHOLE), event("tool.approval", callId="other", state="Denied")).waiting


def test_the_result_ends_it_all() -> None:
    result = event("run.result", phase="Succeeded", reason="Completed", result="done", steps=3,
                   usage={"inputTokens": 310, "outputTokens": 30})  # fmt: skip
    progress = fold(fold_all(WHOLE), result)
    assert progress.outcome
    assert (progress.outcome.phase, progress.outcome.reason, progress.outcome.result) == (
        "Succeeded",
        "Completed",
        "done",
    )
    assert (progress.waiting, progress.steps, progress.usage) == ({}, 3, Usage(310, 30))


def test_anything_but_succeeded_is_failed() -> None:
    for phase in ("Failed", "Cancelled", None, "nonsense"):
        outcome = fold(Progress(), event("run.result", phase=phase, error="why")).outcome
        assert outcome
        assert (outcome.phase, outcome.error) == ("Failed", "why")


def test_a_retry_starts_anew_and_keeps_what_was_used() -> None:
    failed = event(
        "run.result",
        phase="Failed",
        reason="ModelError",
        steps=2,
        usage={"inputTokens": 300, "outputTokens": 30},
    )
    again = fold_all(
        [
            *WHOLE,
            failed,
            event("run.started", "2026-11-26T12:05:00Z"),
            event("step.started", step=1),
            message(5, 5),
        ]
    )
    assert (again.outcome, again.waiting, again.attempts) == (None, {}, 2)
    assert (again.usage, again.steps) == (Usage(305, 35), 3)
    assert again.started_at == "2026-11-26T12:00:01Z"
    done = fold(
        again, event("run.result", phase="Succeeded", usage={"inputTokens": 7, "outputTokens": 5}, steps=1)
    )
    assert (done.usage, done.steps) == (Usage(307, 35), 3)


def test_messages_without_what_they_should_carry_change_nothing_wrongly() -> None:
    progress = fold_all(
        [
            event(t)
            for t in (
                "run.started",
                "step.started",
                "model.message",
                "tool.approval",
                "run.result",
                "new.type",
            )
        ]
    )
    assert (progress.steps, progress.usage, progress.version) == (0, Usage(), 6)


@given(st.integers(0, len(WHOLE)))
def test_folding_in_two_goes_is_folding_at_once(cut: int) -> None:
    progress = fold_all(WHOLE[:cut])
    for item in WHOLE[cut:]:
        progress = fold(progress, item)
    assert progress == fold_all(WHOLE)


@given(st.text(min_size=1, max_size=8), st.integers(0, 80), st.integers(80, 200))
def test_a_head_fits_and_says_that_it_is_one(piece: str, times: int, limit: int) -> None:
    text = piece * times
    found = head(text, limit)
    assert len(found.encode()) <= limit
    assert found == text or "[shortened:" in found


def test_a_long_result_is_a_head() -> None:
    outcome = fold(Progress(), event("run.result", phase="Succeeded", result="ä" * 40_000)).outcome
    assert outcome
    assert len(outcome.result.encode()) <= RESULT_LIMIT
    assert "80000 bytes, the whole is in the transcript" in outcome.result


def test_the_tool_servers_last_word_about_policy_and_freeze_counts() -> None:
    applied = {"name": "p", "generation": 2, "digest": "sha256:b"}
    calls = [{"callId": "c", "tool": "execute_command", "target": "shell", "durationMs": 2140}]
    found = fold_all(
        [
            Event("policy.applied", {**applied, "generation": 1}, "t"),
            Event("policy.applied", applied, "t"),
            Event("run.frozen", {"frozen": True, "inFlight": calls}, "t"),
        ]
    )
    assert found.applied == Applied("p", 2, "sha256:b", count=2)
    assert found.held == Held(frozen=True, calls=("execute_command in shell for 2.1 s",))
    after = fold(found, Event("run.frozen", {"frozen": False, "inFlight": []}, "t"))
    assert after.held == Held(frozen=False)
