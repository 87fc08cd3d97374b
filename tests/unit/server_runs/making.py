"""Runs as the API has them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sympozium.server.runs.index import Index, Row

BEGAN = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)


def run(
    name: str,
    namespace: str = "team",
    *,
    phase: str = "Succeeded",
    task: str = "look",
    instance: str = "sre",
    age: int = 0,
    tokens: tuple[int, int] = (0, 0),
    seconds: int | None = None,
    labels: dict[str, str] | None = None,
    model: str = "small",
    spec: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    """`age` is in seconds before BEGAN; `seconds` is how long it took."""
    created = BEGAN - timedelta(seconds=age)
    if seconds is not None:
        status |= {"startedAt": time(created), "completedAt": time(created + timedelta(seconds=seconds))}
    return {
        "metadata": {
            "name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}", "creationTimestamp": time(created),
            "labels": labels or {},
        },
        "spec": {"instanceRef": instance, "task": task, "model": {"model": model}, **(spec or {})},
        "status": {
            "phase": phase, "tokenUsage": {"inputTokens": tokens[0], "outputTokens": tokens[1]}, **status,
        },
    }  # fmt: skip


def time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def add(index: Index, *runs: dict[str, Any]) -> None:
    index.update([Row.of(r) for r in runs])


def index(*runs: dict[str, Any]) -> Index:
    made = Index()
    add(made, *runs)
    return made
