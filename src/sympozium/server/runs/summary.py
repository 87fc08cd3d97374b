"""A run's object as a RunSummary. Pure: what other objects say about the run is given to it."""

from datetime import datetime
from typing import Any, Final

from sympozium.api.meta import LABEL_PACK, LABEL_PERSONA, LABEL_SCHEDULE
from sympozium.kube.resources import Object
from sympozium.server.models.runs import Cost, QueuePosition, RunPolicy, RunSummary, RunTrigger

HEAD: Final = 400
"""Characters of a task, result or error that a list shows."""


def summary(
    run: Object,
    *,
    display_name: str | None = None,
    waiting_approval: str | None = None,
    cost: Cost | None = None,
) -> RunSummary:
    """`display_name` is the instance's, `waiting_approval` the undecided ApprovalRequest of the run."""
    metadata, spec, status = run["metadata"], run["spec"], run.get("status") or {}
    labels = metadata.get("labels") or {}
    usage = status.get("tokenUsage") or {}
    return RunSummary(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        instance=spec["instanceRef"],
        display_name=display_name,
        pack=labels.get(LABEL_PACK),
        persona=labels.get(LABEL_PERSONA),
        schedule=labels.get(LABEL_SCHEDULE),
        parent=(spec.get("parent") or {}).get("runName"),
        trigger=_part(RunTrigger, spec.get("trigger")),
        phase=status.get("phase") or "Pending",
        reason=status.get("reason"),
        error=_head(status.get("error")),
        task=head(spec["task"]),
        result=_head(status.get("result")),
        created_at=metadata["creationTimestamp"],
        started_at=status.get("startedAt"),
        completed_at=status.get("completedAt"),
        duration_ms=_duration(status, usage),
        steps=status.get("steps") or 0,
        tool_calls=usage.get("toolCalls") or 0,
        input_tokens=usage.get("inputTokens") or 0,
        output_tokens=usage.get("outputTokens") or 0,
        cost=cost,
        model=(spec.get("model") or {}).get("model"),
        policy=_part(RunPolicy, status.get("policy")),
        waiting_approval=waiting_approval,
        suspended=bool(spec.get("suspend")),
        queue=_part(QueuePosition, status.get("queue")),
    )


def head(text: str) -> str:
    """The beginning; the ellipsis says that there is more."""
    return text if len(text) <= HEAD else text[: HEAD - 1] + "…"


def _head(text: str | None) -> str | None:
    return None if text is None else head(text)


def _part(model: Any, found: Object | None) -> Any:
    """Those fields of a part that its model has."""
    return model(**{name: found.get(name) for name in model.model_fields}) if found else None


def _duration(status: Object, usage: Object) -> int | None:
    if status.get("startedAt") and status.get("completedAt"):
        if usage.get("durationMs"):
            return int(usage["durationMs"])
        spent = datetime.fromisoformat(status["completedAt"]) - datetime.fromisoformat(status["startedAt"])
        return int(spent.total_seconds() * 1000)
    return None
