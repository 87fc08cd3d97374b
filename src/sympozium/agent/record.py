"""What the agent needs of the bus, as a protocol; `sympozium.bus` has the real one."""

from __future__ import annotations

from typing import Any, Protocol


class Record(Protocol):
    """The run's record. `publish` returns when the stream has acknowledged the message."""

    async def publish(self, type: str, data: dict[str, Any]) -> None: ...  # noqa: A002 - the envelope's word

    async def publish_delta(self, type: str, data: dict[str, Any]) -> None:  # noqa: A002
        """Best effort and not stored; never waits for a server that is away."""
