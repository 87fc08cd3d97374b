"""What a run says."""

from typing import Any

from sympozium.server.models.base import ApiModel


class RunEvent(ApiModel):
    """A message of a run. `seq` is its place in the stream: it rises, with gaps. docs/contracts.md lists types and data."""

    seq: int
    time: str
    type: str
    source: str
    data: dict[str, Any]


class Transcript(ApiModel):
    """`complete` false: there is more, after the last `seq`. `dropped`: messages that nobody of the run has signed."""

    events: list[RunEvent]
    complete: bool
    dropped: int
