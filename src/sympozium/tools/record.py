"""What the tool server needs of the bus, as a protocol: the calls are tested without a server.

`sympozium.bus` has the real one. `publish` returns when the stream has acknowledged the message,
however long that takes; `request` is idempotent by the
call id in its data, and `request_approval` is one for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class Control(Protocol):
    """A message from the control plane. A larger `sequence` was said later, whenever it arrives."""

    @property
    def sequence(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


class Record(Protocol):
    """The run's record."""

    async def publish(self, kind: str, data: Mapping[str, Any]) -> int: ...

    async def request(self, kind: str, data: Mapping[str, Any]) -> int: ...

    async def request_approval(self, data: Mapping[str, Any]) -> int: ...

    def control(self) -> AsyncIterator[Control]: ...
