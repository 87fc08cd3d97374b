"""What the agent needs of the bus, as a protocol; `sympozium.bus` has the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Record(Protocol):
    """The run's record. `publish` returns when the stream has acknowledged the message."""

    async def publish(self, kind: str, data: Mapping[str, Any]) -> int: ...

    async def publish_delta(self, data: Mapping[str, Any]) -> None:
        """Best effort and not stored; never waits for a server that is away."""
