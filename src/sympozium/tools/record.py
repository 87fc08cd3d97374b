"""What the tool server needs of the bus, as a protocol: the calls are tested without a server.

`sympozium.bus` has the real one. `publish` returns when the stream has acknowledged the message,
however long that takes; `request` is idempotent by call id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Control(Protocol):
    """A message from the control plane: `approval.decided` or `run.cancel`."""

    @property
    def type(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...


class Record(Protocol):
    """The run's record."""

    async def publish(self, type: str, data: dict[str, Any]) -> None: ...  # noqa: A002 - the envelope's word

    async def request(self, kind: str, call_id: str, data: dict[str, Any]) -> None: ...

    def control(self) -> AsyncIterator[Control]: ...
