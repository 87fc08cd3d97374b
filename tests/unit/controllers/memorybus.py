"""A bus in memory, for tests of what the controllers do with one. The real one is tested in tests/cluster."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sympozium.controllers.run.fold import Event
from sympozium.controllers.run.port import ApprovalWanted, BusError, Credentials, Handler, Ref, Stored


class MemoryBus:
    """Keeps what was said, in order. `connected` may be switched off."""

    def __init__(self) -> None:
        self.connected = True
        self.url = "nats://127.0.0.1:4222"
        self.issued: list[Ref] = []
        self.revoked: list[Ref] = []
        self.purged: list[Ref] = []
        self.cancelled: list[Ref] = []
        self.decisions: list[Mapping[str, Any]] = []
        self.history: dict[Ref, list[Stored]] = {}
        self._sequence = 0
        self._queue: asyncio.Queue[tuple[Ref, Stored | ApprovalWanted]] = asyncio.Queue()

    def say(self, ref: Ref, type_: str, time: str = "2026-11-26T12:00:00Z", **data: Any) -> Stored:
        self._sequence += 1
        stored = Stored(self._sequence, Event(type_, data, time))
        self.history.setdefault(ref, []).append(stored)
        self._queue.put_nowait((ref, stored))
        return stored

    def ask(self, ref: Ref, wanted: ApprovalWanted) -> None:
        self._queue.put_nowait((ref, wanted))

    async def issue(self, ref: Ref) -> Credentials:
        self._check()
        self.issued.append(ref)
        return Credentials(agent={"url": b"nats://127.0.0.1:4222"}, tools={"url": b"nats://127.0.0.1:4222"})

    async def revoke(self, ref: Ref) -> None:
        self._check()
        self.revoked.append(ref)

    async def purge(self, ref: Ref) -> None:
        self._check()
        self.purged.append(ref)

    async def transcript(self, ref: Ref) -> Sequence[Stored]:
        self._check()
        return list(self.history.get(ref, ()))

    async def cancel(self, ref: Ref, reason: str) -> None:
        self._check()
        self.cancelled.append(ref)

    async def decide(self, ref: Ref, decision: Mapping[str, Any], *, once: str) -> None:
        self._check()
        self.decisions.append(decision)

    async def consume(self, handler: Handler) -> None:
        while True:
            ref, message = await self._queue.get()
            if isinstance(message, Stored):
                await handler.event(ref, message)
            else:
                await handler.approval(ref, message)

    def _check(self) -> None:
        if not self.connected:
            raise BusError("the bus is away")
