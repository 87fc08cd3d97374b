"""Metrics of runs: counted when their messages come, or computed from the copies when somebody asks.

Pods of runs are gone before anybody could scrape them, so what they do is counted where it is reported.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from sympozium.actions.networkprobe import CONDITION
from sympozium.api.base import Object
from sympozium.api.config import NAME
from sympozium.controllers.context import Context
from sympozium.controllers.run.fold import Event, Usage
from sympozium.kube.conditions import find, parse_time
from sympozium.pricing import Prices
from sympozium.telemetry import metrics

_SECONDS: Final = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_QUEUED: Final = metrics.histogram(
    "sympozium_run_queue_seconds", "From the creation of a run to its Job.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)  # fmt: skip
_DURATION: Final = metrics.histogram(
    "sympozium_run_duration_seconds",
    "From the start of a run's agent to its end.",
    ["phase"],
    buckets=_SECONDS,
)
_VERDICTS: Final = metrics.counter(
    "sympozium_tool_verdicts_total", "What the gate said of tool calls: allow, deny, ask.", ["action"]
)
_CALLS: Final = metrics.counter(
    "sympozium_tool_calls_total", "Tool calls that ended: ok, error, denied.", ["outcome"]
)
_CALL_SECONDS: Final = metrics.histogram(
    "sympozium_tool_call_seconds", "The making of a tool call, without its wait for a person.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800),
)  # fmt: skip
_WAITED: Final = metrics.histogram(
    "sympozium_approval_wait_seconds", "How long a tool call waited for a person.", ["decision"],
    buckets=(1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 86400),
)  # fmt: skip
_MODEL_CALLS: Final = metrics.counter(
    "sympozium_model_calls_total", "Steps of runs: ok, or error where the model gave no answer after all attempts.",
    ["outcome"],
)  # fmt: skip
_MODEL_RETRIES: Final = metrics.counter(
    "sympozium_model_retries_total", "Attempts at an answer beyond the first, of steps that got one."
)
_MODEL_SECONDS: Final = metrics.histogram(
    "sympozium_model_call_seconds", "From asking the model to its whole answer, over all attempts.",
    buckets=(0.25, 0.5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 600),
)  # fmt: skip
_TOKENS: Final = metrics.counter(
    "sympozium_model_tokens_total", "Tokens that models read (input) and wrote (output).", ["model", "type"]
)
_COST: Final = metrics.counter(
    "sympozium_model_cost_total", "What those tokens cost by today's prices; of models that have one.",
    ["model", "currency"],
)  # fmt: skip
_PHASES: Final = metrics.computed("sympozium_runs", "Runs that exist, by phase.", ["phase"])
_PENDING: Final = metrics.computed("sympozium_approvals_pending", "Tool calls that wait for a person now.")
_OLDEST: Final = metrics.computed(
    "sympozium_queue_oldest_seconds", "Age of the run that has waited longest for a place."
)
_ENFORCED: Final = metrics.computed(
    "sympozium_network_policy_enforced",
    "1 where a probe found network policies enforced, 0 where not; absent before.",
)
_MODELS: Final = metrics.Bounded(100)
_NO_ANSWER: Final = frozenset({"ModelError", "ModelUnreachable", "TokenLimit"})


def count(event: Event, run: Object | None, config: Object | None) -> None:
    """A message of a run has come. `run` and SympoziumConfig as they are in the copies, if they are."""
    data = event.data
    match event.type:
        case "tool.intent":
            _VERDICTS.labels(str((data.get("verdict") or {}).get("action"))).inc()
        case "tool.approval" if "waitedMs" in data:
            _WAITED.labels(str(data.get("state"))).observe(data["waitedMs"] / 1000)
        case "tool.outcome":
            denied = bool(data.get("denied"))
            _CALLS.labels("denied" if denied else "error" if data.get("isError") else "ok").inc()
            if not denied:
                _CALL_SECONDS.observe(data.get("durationMs", 0) / 1000)
        case "model.message":
            _MODEL_CALLS.labels("ok").inc()
            _MODEL_RETRIES.inc(max(0, int(data.get("attempts") or 1) - 1))
            if "durationMs" in data:
                _MODEL_SECONDS.observe(data["durationMs"] / 1000)
            _spent(Usage.of(data.get("usage")), run, config)
        case "run.result" if data.get("reason") in _NO_ANSWER:
            _MODEL_CALLS.labels("error").inc()


def _spent(usage: Usage, run: Object | None, config: Object | None) -> None:
    model = (((run or {}).get("spec") or {}).get("model") or {}).get("model") or "unknown"
    label = _MODELS.of(model)
    _TOKENS.labels(label, "input").inc(usage.input_tokens)
    _TOKENS.labels(label, "output").inc(usage.output_tokens)
    prices = Prices.of(config)
    amount = prices.amount(model, usage.input_tokens, usage.output_tokens)
    if amount is not None:
        _COST.labels(label, prices.currency).inc(float(amount))


def started(run: Object, context: Context) -> None:
    """A run got its Job."""
    _QUEUED.observe(_seconds_since(run["metadata"]["creationTimestamp"], context))


def ended(run: Object, context: Context) -> None:
    """A run has ended."""
    status = run["status"]
    if status.get("startedAt"):
        _DURATION.labels(status["phase"]).observe(_seconds_since(status["startedAt"], context))


def report(context: Context) -> None:
    """Have /metrics say what the copies hold; for the leader, since replicas have the same."""
    _PHASES.source = lambda: _phases(context)
    _PENDING.source = lambda: [((), sum(1 for _ in _undecided(context)))]
    _OLDEST.source = lambda: [((), max(_waits(context), default=0.0))]
    _ENFORCED.source = lambda: _enforced(context)


def _phases(context: Context) -> Iterable[tuple[Sequence[str], float]]:
    found = Counter((run.get("status") or {}).get("phase") or "Pending" for run in context.caches.runs.list())
    return [([phase], number) for phase, number in sorted(found.items())]


def _undecided(context: Context) -> Iterable[Object]:
    now = context.now()
    for asked in context.caches.approvals.list():
        if not (asked.get("status") or {}).get("decision") and parse_time(asked["spec"]["expiresAt"]) > now:
            yield asked


def _waits(context: Context) -> Iterable[float]:
    for run in context.caches.runs.list():
        status = run.get("status") or {}
        if status.get("phase") in (None, "Queued") and status.get("reason") != "Suspended":
            yield _seconds_since(run["metadata"]["creationTimestamp"], context)


def _enforced(context: Context) -> Iterable[tuple[Sequence[str], float]]:
    config = context.caches.configs.get(context.system_namespace, NAME)
    found = find(((config or {}).get("status") or {}).get("conditions"), CONDITION)
    if found is None or found["status"] == "Unknown":
        return []
    return [((), float(found["status"] == "True"))]


def _seconds_since(time: str, context: Context) -> float:
    return max(0.0, (context.now() - parse_time(time)).total_seconds())
