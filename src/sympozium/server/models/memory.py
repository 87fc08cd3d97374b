"""Notes that agents keep."""

from pydantic import Field

from sympozium.server.models.base import ApiModel


class Notes(ApiModel):
    """`resource_version` null: nothing is written yet, and `text` is what they begin with. `bytes` of `max_bytes` are used."""

    namespace: str
    instance: str
    enabled: bool
    text: str
    bytes: int
    max_bytes: int | None
    resource_version: str | None
    changed_at: str | None


class NotesWritten(ApiModel):
    """`resource_version` as it was read: notes that somebody has changed meanwhile are not overwritten."""

    text: str = Field(max_length=1_000_000)
    resource_version: str | None = None
