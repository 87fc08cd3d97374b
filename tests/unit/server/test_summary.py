"""A run as a line of a list."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from sympozium.server.models.runs import Cost
from sympozium.server.runs.summary import HEAD, head, summary

META = {"namespace": "team", "name": "r1", "uid": "u1", "creationTimestamp": "2026-11-27T10:00:00Z"}


def run(
    spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **meta: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "metadata": {**META, **meta},
        "spec": {"instanceRef": "sre", "task": "look", **(spec or {})},
    }
    return found if status is None else {**found, "status": status}


def test_a_run_that_nobody_has_looked_at_is_pending() -> None:
    found = summary(run())
    assert (found.phase, found.steps, found.result, found.trigger, found.queue) == (
        "Pending",
        0,
        None,
        None,
        None,
    )
    assert (found.namespace, found.name, found.uid, found.instance, found.task) == (
        "team",
        "r1",
        "u1",
        "sre",
        "look",
    )


def test_all_that_a_finished_run_says() -> None:
    labels = {"sympozium.ai/pack": "ops", "sympozium.ai/persona": "sre", "sympozium.ai/schedule": "ops-sre"}
    spec = {
        "model": {"model": "m", "provider": "p"},
        "parent": {"runName": "boss", "sessionKey": "s", "spawnDepth": 1},
        "trigger": {"kind": "Schedule", "name": "ops-sre", "user": "system"},
        "suspend": True,
    }
    status = {
        "phase": "Failed", "reason": "TimedOut", "error": "too long", "result": "half",
        "startedAt": "2026-11-27T10:00:01Z", "completedAt": "2026-11-27T10:00:03.500000Z", "steps": 4,
        "tokenUsage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "toolCalls": 3, "durationMs": 2400},
        "policy": {"name": "strict", "generation": 2, "digest": "sha256:0"},
        "queue": {"position": 2, "reason": "full"},
    }  # fmt: skip
    cost = Cost(amount="0.5", currency="EUR")
    found = summary(
        run(spec, status, labels=labels), display_name="The SRE", waiting_approval="a1", cost=cost
    )
    assert found.model_dump(by_alias=True) == {
        "namespace": "team", "name": "r1", "uid": "u1", "instance": "sre", "displayName": "The SRE",
        "pack": "ops", "persona": "sre", "schedule": "ops-sre", "parent": "boss",
        "trigger": {"kind": "Schedule", "name": "ops-sre", "user": "system"},
        "phase": "Failed", "reason": "TimedOut", "error": "too long", "task": "look", "result": "half",
        "createdAt": "2026-11-27T10:00:00Z", "startedAt": "2026-11-27T10:00:01Z",
        "completedAt": "2026-11-27T10:00:03.500000Z", "durationMs": 2400, "steps": 4, "toolCalls": 3,
        "inputTokens": 10, "outputTokens": 5, "cost": {"amount": "0.5", "currency": "EUR"}, "model": "m",
        "policy": {"name": "strict", "generation": 2}, "waitingApproval": "a1", "suspended": True,
        "queue": {"position": 2, "reason": "full"},
    }  # fmt: skip


def test_a_duration_that_the_agent_did_not_tell_is_counted() -> None:
    times = {"startedAt": "2026-11-27T10:00:01Z", "completedAt": "2026-11-27T10:00:03.500000Z"}
    assert summary(run(status={"phase": "Failed", **times})).duration_ms == 2500
    assert summary(run(status={"phase": "Running", "startedAt": times["startedAt"]})).duration_ms is None


@pytest.mark.parametrize(("size", "cut"), [(HEAD, False), (HEAD + 1, True)])
def test_what_is_cut_says_so(size: int, cut: bool) -> None:
    found = summary(
        run({"task": "t" * size}, {"phase": "Succeeded", "result": "r" * size, "error": "e" * size})
    )
    for text in (found.task, found.result, found.error):
        assert text is not None
        assert (len(text), text.endswith("…")) == (HEAD, cut)


@given(st.text())
def test_a_head_is_a_beginning(text: str) -> None:
    assert text.startswith(head(text).removesuffix("…"))
    assert len(head(text)) <= HEAD
