"""What runs have used, and the page that a person on duty opens first."""

from typing import Annotated

from pydantic import Field

from sympozium.server.models.base import ApiModel
from sympozium.server.models.govern import ApprovalSummary
from sympozium.server.models.runs import RunSummary

Amount = Annotated[
    str | None, Field(description="A decimal number in text; null where no model of it has a price.")
]


class UsageSums(ApiModel):
    """Of runs that have ended. `runs` has more than `succeeded` and `failed`: cancelled and deleted ones."""

    runs: int
    succeeded: int
    failed: int
    input_tokens: int
    output_tokens: int
    tool_calls: int
    duration_ms: int
    cost: Amount


class UsageRow(UsageSums):
    keys: dict[str, str | None]
    """By what was asked for: `{"day": "2026-11-27", "pack": null}`; null for runs of no pack."""


class Usage(ApiModel):
    """Days are of UTC, by when runs ended. Costs are of today's prices."""

    rows: list[UsageRow]
    totals: UsageSums
    currency: str | None
    """Null where the installation has no prices."""
    unpriced: list[str]
    """Models that are in the rows and have no price: what they cost is in no sum."""
    note: str | None
    """What is missing from the figures, in words."""
    partial: bool
    """Whether the caller may list runs in some namespaces alone."""


class Spend(ApiModel):
    today: Amount
    week: Amount
    currency: str


class Tokens(ApiModel):
    today: int
    week: int


class NextTick(ApiModel):
    """When a schedule makes its next run."""

    namespace: str
    schedule: str
    instance: str
    at: str


class Overview(ApiModel):
    """What goes on. Lists have the newest hundred; `phases` counts all."""

    phases: dict[str, int]
    running: list[RunSummary]
    waiting: list[ApprovalSummary]
    """What waits for a person, as far as the caller may list requests."""
    failed: list[RunSummary]
    """Of the last 24 hours."""
    recent: list[RunSummary]
    spend: Spend | None
    """Of runs that ended today (UTC), and in the last seven days; null where the installation has no prices."""
    tokens: Tokens
    next: list[NextTick]
    stopped: bool
    """Whether the installation is stopped (`sympozium stop --all`)."""
    partial: bool
    """Whether the caller may list runs in some namespaces alone."""
