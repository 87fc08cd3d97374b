"""What of runs is counted."""

from types import SimpleNamespace
from typing import Any

from sympozium.controllers.run import figures
from sympozium.controllers.run.fold import Event
from sympozium.telemetry import metrics
from unit.controllers.make import NOON, after, text

RUN = {"metadata": {"name": "r"}, "spec": {"model": {"model": "gpt-x"}}}
PRICES = {
    "spec": {"prices": {"currency": "EUR", "models": [{"model": "gpt-*", "inputPerMillion": "2", "outputPerMillion": "10"}]}}
}  # fmt: skip


def value(name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"sympozium_{name}", labels) or 0.0


def event(kind: str, **data: Any) -> Event:
    return Event(kind, data, text(NOON))


def test_a_step_is_tokens_cost_time_and_attempts() -> None:
    before = {
        name: value(name, **labels)
        for name, labels in (
            ("model_tokens_total", {"model": "gpt-x", "type": "input"}), ("model_retries_total", {}),
            ("model_call_seconds_sum", {}), ("model_calls_total", {"outcome": "ok"}),
            ("model_cost_total", {"model": "gpt-x", "currency": "EUR"}),
        )
    }  # fmt: skip
    usage = {"inputTokens": 1_000_000, "outputTokens": 100_000}
    figures.count(event("model.message", usage=usage, durationMs=2500, attempts=3), RUN, PRICES)
    assert (
        value("model_tokens_total", model="gpt-x", type="input") == before["model_tokens_total"] + 1_000_000
    )
    assert value("model_retries_total") == before["model_retries_total"] + 2
    assert value("model_call_seconds_sum") == before["model_call_seconds_sum"] + 2.5
    assert value("model_calls_total", outcome="ok") == before["model_calls_total"] + 1
    assert value("model_cost_total", model="gpt-x", currency="EUR") == before["model_cost_total"] + 3


def test_a_model_without_a_price_has_no_cost() -> None:
    run = {"spec": {"model": {"model": "other"}}}
    figures.count(event("model.message", usage={"inputTokens": 5, "outputTokens": 5}), run, PRICES)
    assert (
        metrics.registry.get_sample_value("sympozium_model_cost_total", {"model": "other", "currency": "EUR"})
        is None
    )
    figures.count(event("model.message", usage={"inputTokens": 5, "outputTokens": 5}), None, None)
    assert value("model_tokens_total", model="unknown", type="input") >= 5


def test_models_that_people_make_up_are_bounded() -> None:
    bounded = metrics.Bounded(2)
    assert [bounded.of(name) for name in "abacb"] == ["a", "b", "a", "other", "b"]


def test_calls_are_counted_by_verdict_and_outcome() -> None:
    ok, denied = value("tool_calls_total", outcome="ok"), value("tool_calls_total", outcome="denied")
    asked, seconds = value("tool_verdicts_total", action="ask"), value("tool_call_seconds_count")
    waited = value("approval_wait_seconds_sum", decision="Approved")
    figures.count(event("tool.intent", verdict={"action": "ask"}), None, None)
    figures.count(event("tool.approval", state="waiting"), None, None)
    figures.count(event("tool.approval", state="Approved", waitedMs=1500), None, None)
    figures.count(event("tool.outcome", isError=False, durationMs=10), None, None)
    figures.count(event("tool.outcome", isError=True, denied=True, durationMs=0), None, None)
    assert value("tool_verdicts_total", action="ask") == asked + 1
    assert value("approval_wait_seconds_sum", decision="Approved") == waited + 1.5
    assert (value("tool_calls_total", outcome="ok"), value("tool_calls_total", outcome="denied")) == (
        ok + 1,
        denied + 1,
    )
    assert value("tool_call_seconds_count") == seconds + 1, "what is denied takes no time"


def test_what_the_copies_hold_is_computed_when_somebody_asks() -> None:
    def run(phase: str, age: float, reason: str = "") -> dict[str, Any]:
        meta = {"creationTimestamp": text(after(-age))}
        return {"metadata": meta, "status": {"phase": phase, "reason": reason}}

    approvals = [
        {"spec": {"expiresAt": text(after(60))}}, {"spec": {"expiresAt": text(after(-60))}},
        {"spec": {"expiresAt": text(after(60))}, "status": {"decision": "Approved"}},
    ]  # fmt: skip
    config = {"status": {"conditions": [{"type": "NetworkPolicyEnforced", "status": "False"}]}}
    runs = [run("Queued", 30), run("Queued", 90), run("Queued", 500, "Suspended"), run("Running", 900)]
    caches = SimpleNamespace(
        runs=SimpleNamespace(list=lambda: runs), approvals=SimpleNamespace(list=lambda: approvals),
        configs=SimpleNamespace(get=lambda *_: config),
    )  # fmt: skip
    context: Any = SimpleNamespace(caches=caches, now=lambda: NOON, system_namespace="s")
    try:
        figures.report(context)
        assert (value("runs", phase="Queued"), value("runs", phase="Running")) == (3, 1)
        assert value("approvals_pending") == 1
        assert value("queue_oldest_seconds") == 90
        assert metrics.registry.get_sample_value("sympozium_network_policy_enforced", {}) == 0
    finally:
        for computed in (figures._PHASES, figures._PENDING, figures._OLDEST, figures._ENFORCED):
            computed.source = None
    assert metrics.registry.get_sample_value("sympozium_approvals_pending", {}) is None, (
        "a standby says nothing"
    )
