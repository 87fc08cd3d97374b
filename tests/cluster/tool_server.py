"""The tool server of a run, as far as the controllers speak with it: it answers what it is told."""

import asyncio
from concurrent.futures import Future
from typing import Any, Self

from cluster.control_support import Control
from sympozium.bus.credentials import Credentials
from sympozium.bus.messages import POLICY_APPLIED, POLICY_CHANGED, RUN_FREEZE, RUN_FROZEN
from sympozium.bus.publisher import Publisher
from sympozium.testing.client import Object

LISTS = {"callId": "c1", "tool": "execute_command", "target": "shell", "durationMs": 2100}


class ToolServer:
    """Use as a context manager. `told` has what came, in order; `in_flight` what it says of calls when it freezes."""

    def __init__(
        self, control: Control, run: str, namespace: str, *, in_flight: list[Object] | None = None
    ) -> None:
        self.told: list[tuple[str, Object]] = []
        self.in_flight = in_flight or []
        self._control = control
        self._credentials = control.credentials(run, namespace, "tools")
        self._serving: Future[Any] | None = None

    def __enter__(self) -> Self:
        self._serving = self._control.loop.start(self._serve(self._credentials))
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._serving is not None
        self._serving.cancel()

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]

    async def _serve(self, credentials: Credentials) -> None:
        publisher = await Publisher.open(credentials)
        try:
            async for message in publisher.control():
                data = dict(message.data)
                self.told.append((message.type, data))
                if message.type == POLICY_CHANGED:
                    policy = data["policy"]
                    applied = {key: policy[key] for key in ("name", "generation", "digest")}
                    await publisher.publish(POLICY_APPLIED, applied)
                elif message.type == RUN_FREEZE:
                    calls = self.in_flight if data["frozen"] else []
                    await publisher.publish(RUN_FROZEN, {"frozen": data["frozen"], "inFlight": calls})
        finally:
            await asyncio.shield(publisher.close())
