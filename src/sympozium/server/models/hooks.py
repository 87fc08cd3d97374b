"""What the sender of an event is told."""

from sympozium.server.models.base import ApiModel


class TriggerAnswer(ApiModel):
    """One of both is null."""

    run: str | None
    """The name of the run that it made."""
    suppressed: str | None
    """Why it made none."""
