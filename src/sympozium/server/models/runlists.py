"""Lists of runs, single ones, and what is sent to make or change them."""

from typing import Annotated

from pydantic import Field

from sympozium.server.models.base import ApiModel, KubeObject
from sympozium.server.models.runs import RunSummary


class Match(ApiModel):
    """Where a run has what was searched for: text, never markup."""

    field: str
    before: str
    hit: str
    after: str


class RunItem(RunSummary):
    """A run of a list."""

    match: list[Match] = Field(default_factory=list)


class RunPage(ApiModel):
    """`total` and `facets` count all that the caller may see, whichever page this is.

    A facet counts as if it were not filtered by itself, so that another value can be chosen.
    """

    items: list[RunItem]
    cursor: str | None
    """Of the next page; null on the last one."""
    total: int
    facets: dict[str, dict[str, int]]
    """By phase, instance and pack: the hundred most frequent values."""
    partial: bool
    """Whether the caller may list runs in some namespaces alone; runs elsewhere are neither shown nor counted."""


class RunDetail(ApiModel):
    summary: RunSummary
    object: KubeObject
    conditions: list[KubeObject]
    children: int
    """Runs that it started, as far as the caller may list runs."""


class NewRun(ApiModel):
    """A run to create. What is absent is filled from the instance."""

    instance: Annotated[str, Field(min_length=1, max_length=253)]
    task: Annotated[str, Field(min_length=1, max_length=262144)]
    model: str | None = None
    timeout: str | None = None
    """A duration: `10m`."""
    system_prompt: str | None = None
    keep: bool = False
    """Keep the pod when the run has ended."""
    labels: dict[str, str] = Field(default_factory=dict)
    name: Annotated[str | None, Field(max_length=253)] = None
    """Without it, a name is made of the instance's."""


class RunWritten(ApiModel):
    """A run as it is after a write, with what admission warned of."""

    run: RunSummary
    warnings: list[str]


class RunTree(ApiModel):
    """A run with those that it started, the oldest first. `hidden` counts the runs further down that are left out."""

    run: RunSummary
    children: "list[RunTree]"
    hidden: int
