"""One stream: what its sources have, a ping when they have nothing, and its end.

The rights that the stream stands on are asked about again while it lasts. An answer that cannot be had is waited for, a
while: after that the stream ends too, since a right that nobody can confirm is none.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from sympozium.kube import ApiError, KubeError
from sympozium.server.feed.frames import PING, frame
from sympozium.server.problems import Problem, of_kubernetes
from sympozium.server.settings import STREAM_RECHECK

PING_SECONDS: Final = 15.0
_DUE: Final = 0.001
"""What comes due within this time is done now. A timer may fire earlier than its moment by the grain of the clock: whoever
then waits for the rest of the grain goes round without a pause, forever where the clock stands still meanwhile."""
UNCHECKED_SECONDS: Final = 120.0
"""How long a stream goes on while nobody can say whether it may."""
_RETRY_MS: Final = (1000, 3000)
"""When a browser comes back: spread, so that those of one server do not all come at once."""

Check = Callable[[], Awaitable[None]]
"""Raises the Problem or KubeError for which the stream ends."""


def _now() -> float:
    return asyncio.get_running_loop().time()


def _due(moment: float) -> bool:
    return moment - _now() <= _DUE


class Source(Protocol):
    @property
    def ended(self) -> bool: ...

    @property
    def patience(self) -> float | None: ...

    async def take(self) -> bytes: ...


class Viewer:
    """`wake` it when a source has something. `sources` and `check` are set before `chunks` is read."""

    def __init__(
        self, draining: asyncio.Event, *, ping: float = PING_SECONDS, check_every: float = STREAM_RECHECK
    ) -> None:
        self.sources: Sequence[Source] = ()
        self.check: Check | None = None
        self.pump: asyncio.Future[Any] | None = None
        """What sends the chunks: cancelled when they are not taken and the server must end."""
        self._draining = draining
        self._ping = ping
        self._check_every = check_every
        self._woken = asyncio.Event()
        self._confirmed = _now()

    def wake(self) -> None:
        self._woken.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Whole events, until the stream ends."""
        yield b"retry: %d\n\n" % random.randint(*_RETRY_MS)  # noqa: S311 - spreads the clients
        ping_at = _now() + self._ping
        check_at = self._next_check()
        while True:
            self._woken.clear()
            if self._draining.is_set():
                yield frame("bye", {})
                return
            if _due(check_at):
                check_at = self._next_check()
                if (problem := await self._withdrawn()) is not None:
                    yield frame("problem", problem.body())
                    return
            sent = False
            for source in self.sources:
                if chunk := await source.take():
                    sent = True
                    yield chunk
            if sent:
                ping_at = _now() + self._ping
                continue
            if all(source.ended for source in self.sources):
                return
            if _due(ping_at):
                ping_at = _now() + self._ping
                yield PING
            await self._sleep(min(ping_at, check_at))

    def _next_check(self) -> float:
        return _now() + self._check_every * random.uniform(0.8, 1.0)  # noqa: S311 - spreads the reviews

    async def _sleep(self, until: float) -> None:
        """Until woken, and not longer than `until` or a source's patience."""
        left = until - _now()
        left = min([left, *(source.patience for source in self.sources if source.patience is not None)])
        try:
            async with asyncio.timeout(max(left, 0)):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _withdrawn(self) -> Problem | None:
        if self.check is None:
            return None
        try:
            await self.check()
        except Problem as problem:
            return problem
        except ApiError as error:
            if error.code < 500 and error.code != 429:
                return of_kubernetes(error)
            return self._unconfirmed(error)
        except KubeError as error:
            return self._unconfirmed(error)
        self._confirmed = _now()
        return None

    def _unconfirmed(self, error: KubeError) -> Problem | None:
        if _now() - self._confirmed < UNCHECKED_SECONDS:
            return None
        return of_kubernetes(error)
