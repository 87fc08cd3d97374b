"""A viewer over ASGI. A client that does not read is let go, so that nothing piles up for it.

Below us uvicorn holds at most 64 KiB and one chunk for a connection, then `send` waits. A chunk that is not taken within
its time ends the stream: the last event says why, for a client that reads on after all, and the connection is cut
when that is not read either.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sympozium.server.connection import HANG_UP
from sympozium.server.feed.frames import frame
from sympozium.server.settings import STREAM_STALL
from sympozium.server.streams.registry import SLOW
from sympozium.server.streams.viewer import Viewer

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_SLOW: Final = frame("dropped", {"reason": "this client reads too slowly: connect again, with the last id"})
_BYE: Final = frame("bye", {})
_LAST_SECONDS: Final = {_SLOW: 5.0, _BYE: 0.5}
"""For a client that reads too slowly, to hear why; a server that stops waits less."""


class EventStream(Response):
    """`opened` is entered before the answer begins: what it raises is the answer."""

    media_type = "text/event-stream"

    def __init__(
        self, opened: AbstractAsyncContextManager[Viewer], *, send_seconds: float = STREAM_STALL
    ) -> None:
        self._opened = opened
        self._send_seconds = send_seconds
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opened as viewer:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            viewer.pump = pump = asyncio.ensure_future(self._pump(viewer, send))
            gone = asyncio.ensure_future(_gone(receive))
            try:
                await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
                last = _BYE if pump.cancelled() else pump.result() if pump.done() else None
            finally:
                pump.cancel()
                gone.cancel()
                await asyncio.gather(pump, gone, return_exceptions=True)
            if last is not None:
                _hang_up(scope, last)

    async def _pump(self, viewer: Viewer, send: Send) -> bytes | None:
        """Returns None when the stream has ended, and the last event for a client that does not read."""
        try:
            async for chunk in viewer.chunks():
                async with asyncio.timeout(self._send_seconds):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            async with asyncio.timeout(self._send_seconds):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            SLOW.inc()
            return _SLOW
        return None


async def _gone(receive: Receive) -> None:
    """Until the client is."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _hang_up(scope: Scope, last: bytes) -> None:
    hang_up: Callable[[bytes, float], None] | None = scope.get("state", {}).get(HANG_UP)
    if hang_up is None:
        raise RuntimeError("this server cannot cut a connection whose client does not read")
    hang_up(last, _LAST_SECONDS[last])
