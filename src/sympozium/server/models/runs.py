"""Runs, as lists and live changes show them."""

from sympozium.api.run import Phase, TriggerKind
from sympozium.server.models.base import ApiModel


class RunTrigger(ApiModel):
    """What caused a run."""

    kind: TriggerKind
    name: str | None = None
    user: str | None = None


class RunPolicy(ApiModel):
    """What is enforced, as the run's tool server has applied it."""

    name: str
    generation: int


class QueuePosition(ApiModel):
    """Place in the queue; `position` counts the runs that go first."""

    position: int
    reason: str


class Cost(ApiModel):
    """`amount` is a decimal number, as text: money is not rounded on its way."""

    amount: str
    currency: str


class RunSummary(ApiModel):
    """A run in a line. `task` and `result` are heads; the object has more, the transcript has all."""

    namespace: str
    name: str
    uid: str
    instance: str
    display_name: str | None = None
    pack: str | None = None
    persona: str | None = None
    schedule: str | None = None
    parent: str | None = None
    trigger: RunTrigger | None = None
    phase: Phase
    reason: str | None = None
    error: str | None = None
    task: str
    result: str | None = None
    created_at: str
    started_at: str | None = None
    completed_at: str | None = None
    duration_ms: int | None = None
    steps: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Cost | None = None
    model: str | None = None
    policy: RunPolicy | None = None
    waiting_approval: str | None = None
    """Name of the ApprovalRequest that it waits for."""
    suspended: bool = False
    queue: QueuePosition | None = None
