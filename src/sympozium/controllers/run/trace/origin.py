"""Which trace a run is part of. A function of the run: each process, and each attempt, comes to the same answer."""

from dataclasses import dataclass

from sympozium.api.meta import ANNOTATION_TRACEPARENT
from sympozium.api.run import AgentRun
from sympozium.telemetry import tracecontext
from sympozium.telemetry.tracecontext import TraceContext


@dataclass(frozen=True, slots=True)
class Origin:
    """`context` is the run's own span; `parent_id` that of whoever caused the run, empty where nobody said."""

    context: TraceContext
    parent_id: str


def of_run(run: AgentRun) -> Origin:
    """What its annotation says, else a trace of its own."""
    uid = run.metadata.uid
    cause = tracecontext.parse(run.metadata.annotations.get(ANNOTATION_TRACEPARENT))
    if cause is None:
        cause = TraceContext(tracecontext.derived_trace(uid), "")
    return Origin(cause.within(tracecontext.derived(uid, "run")), cause.span_id)
