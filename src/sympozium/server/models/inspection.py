"""What one run did, looked at afterwards or while it goes on: where its time went, what was decided about its calls."""

from typing import Annotated, Any, Literal

from pydantic import Field

from sympozium.server.models.base import ApiModel


class Span(ApiModel):
    """A piece of a run's time. `ended_at` null: it goes on."""

    id: str
    kind: Literal["queue", "pod", "step", "model", "tool", "approval"]
    name: str
    started_at: str
    ended_at: str | None
    status: str | None
    parent: str | None = None


class Timing(ApiModel):
    spans: list[Span]
    complete: bool
    """False for a run that has said more than is read at once."""
    note: str | None
    """What could not be looked at, in words."""


class Audited(ApiModel):
    action: Literal["allow", "deny", "ask"]
    rule: str
    reason: str


class Verdict(ApiModel):
    """`instead`: in words, what would be allowed. `audited`: what a policy that only watches would have decided."""

    action: Literal["allow", "deny", "ask"]
    rule: str
    reason: str
    instead: str | None = None
    audited: Audited | None = None


class Place(ApiModel):
    """Where a rule stands: a line of what the command `where` prints."""

    where: str
    line: int
    text: str


class Decided(ApiModel):
    """What a person decided, or that nobody did in time."""

    state: str
    decided_by: str | None = None
    comment: str | None = None


class CallOutcome(ApiModel):
    ok: bool
    denied: bool
    duration_ms: int


class Decision(ApiModel):
    """A tool call, and what was decided about it. `args` are as on the record: shortened, secrets masked."""

    call_id: str
    time: str
    tool: str
    target: str
    args: Any
    verdict: Verdict
    place: Place | None
    """Null where the rule is of no policy, or its policy is gone, changed, or not for the caller to see."""
    approvals: list[Decided]
    waits: bool
    """Whether it waits for a person."""
    outcome: CallOutcome | None


class AppliedPolicy(ApiModel):
    name: str
    generation: int
    digest: str | None = None


class Decisions(ApiModel):
    policy: AppliedPolicy | None
    """Under which the run is."""
    policy_now: dict[str, int]
    """Generations that the policies have now, by name."""
    applied: list[AppliedPolicy]
    """Those that the run's tool server has taken, in order."""
    decisions: list[Decision]
    complete: bool
    """False for a run that has said more than is read at once."""


class Fork(ApiModel):
    """A new run that begins with the conversation of another one, up to and including a step."""

    step: Annotated[int, Field(ge=1)]
    task: Annotated[str | None, Field(min_length=1, max_length=262144)] = None
    """What to do from there; the task of the other run when absent."""
