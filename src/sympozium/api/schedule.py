"""SympoziumSchedule: runs at set times."""

from typing import Annotated, Final, Literal

from pydantic import Field

from sympozium.api.base import Duration, Model, Name, Time
from sympozium.api.shared import Parent, Resource, RunType, Status

FIRE_ANNOTATION: Final = "sympozium.ai/fire"
"""A token that somebody writes on a schedule to make one run at once; the same token never makes a second."""
FIRED_ANNOTATION: Final = "sympozium.ai/fired"
"""The token that was dealt with."""
TICK_ANNOTATION: Final = "sympozium.ai/tick"
"""On a run: the tick (RFC 3339) or the token (`fire:...`) that caused it."""


class ScheduleSpec(Model):
    instance_ref: Name
    """SympoziumInstance in the same namespace that runs."""
    schedule: Annotated[str, Field(min_length=1, max_length=253)]
    """Cron expression of five fields, `@hourly` and its like, or `@every 30m`."""
    task: Annotated[str, Field(min_length=1, max_length=262144)]
    """What to do, in plain words."""
    type: RunType = "scheduled"
    """Kind of occasion, told to the agent."""
    suspend: bool | None = None
    """Set to true to stop making runs."""
    concurrency_policy: Literal["Forbid", "Allow", "Replace"] = "Forbid"
    """What to do when the last run has not ended: leave this one out, run both, or cancel the last one."""
    include_memory: bool = True
    """Put the notes of earlier runs into the task."""
    time_zone: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Name from the IANA time zone database; UTC when absent."""
    starting_deadline_seconds: Annotated[int, Field(ge=0)] | None = None
    """How late a run may start; later it is left out, visibly."""
    successful_runs_history_limit: Annotated[int, Field(ge=0)] | None = None
    """Runs that succeeded to keep; all when absent."""
    failed_runs_history_limit: Annotated[int, Field(ge=0)] | None = None
    """Runs that failed to keep; all when absent."""
    parent: Parent | None = None
    """The run that made this schedule: its runs stay under the policies that held for that run. Written once, by the controllers."""
    jitter: Duration | None = None
    """Start each run up to this much later, by an amount that derives from the schedule and the tick."""


class ScheduleStatus(Status):
    phase: Literal["Active", "Suspended", "Error"] | None = None
    """Where the schedule stands."""
    last_run_time: Time | None = None
    """Tick of the last run."""
    next_run_time: Time | None = None
    """Next tick."""
    last_run_name: str | None = None
    """Name of the last run."""
    total_runs: Annotated[int, Field(ge=0)] | None = None
    """Runs made so far."""


class SympoziumSchedule(Resource):
    """Runs of an instance at set times."""

    kind: Literal["SympoziumSchedule"] = "SympoziumSchedule"
    spec: ScheduleSpec
    status: ScheduleStatus = Field(default_factory=ScheduleStatus)
