"""Which runs to hold or to let go on, and what came of it."""

from typing import Annotated, Literal

from pydantic import Field

from sympozium.server.models.base import ApiModel


class Stop(ApiModel):
    """Which runs to hold: all, those that are named, or those of a label selector; one of the three."""

    all: bool = False
    """The installation: nothing starts, and what goes on is frozen. An administrator's right."""
    namespace: str | None = None
    names: list[Annotated[str, Field(min_length=1, max_length=253)]] = Field(
        default_factory=list, max_length=1000
    )
    labels: Annotated[str | None, Field(max_length=1000)] = None
    seconds: Annotated[float, Field(ge=0, le=30)] = 5
    """How long to wait for the runs' word."""


class StopOrKill(Stop):
    kill: bool = False
    """Cancel them and end their pods, instead of freezing them."""


State = Literal["Frozen", "Held", "Running", "Ended", "Told"]


class StoppedRun(ApiModel):
    """`state`: Frozen (its tool server has said so), Held (it has not started), Running, Ended, or Told (not known yet).

    `problem`: why it could not be told. `in_flight`: the call that had begun before it was frozen.
    """

    namespace: str
    name: str
    state: State
    in_flight: str | None
    problem: str | None


class StopResult(ApiModel):
    items: list[StoppedRun]
    stopped: bool
    """Whether the installation is stopped."""
    problems: list[str]
    """What was not done, or could not be looked at."""
