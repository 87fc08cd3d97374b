"""An answer that is waited for: a run is followed, its client watched, and whoever goes away first ends it.

A client that goes away cancels its run, unless it asked with an idempotency key: then it may come again for
the answer. So does a client that does not read what it is sent.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from sympozium.server.agents.asked import Asked, Asking, Ended, Happening

KEEPALIVE: Final = 15.0
"""Seconds after which a silent stream says that it is alive."""
SEND_SECONDS: Final = 20.0
"""For a client to take what it is sent."""
Body = Callable[[Send], Awaitable[None]]


class GoneError(Exception):
    """Nobody waits for the run any more; the text says why."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """What a client is told when the server stops: as a whole answer (JSON), or at the end of a stream."""

    whole: bytes
    event: bytes


class Waiting:
    """An ASGI application that answers one request: `body` writes the answer, within the life of its client."""

    def __init__(
        self, asking: Asking, asked: Asked, draining: asyncio.Event, body: Body, farewell: Farewell
    ) -> None:
        self._asking = asking
        self._asked = asked
        self._draining = draining
        self._body = body
        self._farewell = farewell
        self._begun = False

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        async def timely(message: Message) -> None:
            self._begun = True
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await send(message)
            except TimeoutError:
                raise GoneError("its client does not read what it is sent") from None

        answer = asyncio.ensure_future(self._body(timely))
        gone = asyncio.ensure_future(_gone(receive))
        drain = asyncio.ensure_future(self._draining.wait())
        why = "its client went away"
        try:
            await asyncio.wait({answer, gone, drain}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                answer.result()
                return
            if drain.done():
                why = "the API server stops"
        except GoneError as error:
            why = str(error)
        finally:
            for task in (answer, gone, drain):
                task.cancel()
            await asyncio.gather(answer, gone, drain, return_exceptions=True)
        if not self._asked.keyed:
            await self._asking.cancel(self._asked, why)
        if self._draining.is_set():
            await self._say_farewell(send)

    async def _say_farewell(self, send: Send) -> None:
        if not self._begun:
            headers = [(b"content-type", b"application/json"), (b"retry-after", b"2")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
        said = self._farewell.event if self._begun else self._farewell.whole
        await send({"type": "http.response.body", "body": said, "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def end_of(happenings: AsyncIterator[Happening]) -> Ended:
    """The last happening of a run."""
    async for happening in happenings:
        if isinstance(happening, Ended):
            return happening
    raise AssertionError("a run that is followed has an end")
