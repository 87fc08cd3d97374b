"""How large a request may be, and how long its body may take to arrive."""

import asyncio
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sympozium.server.problems import Problem

URL_LIMIT: Final = 8 * 1024
BODY_SECONDS: Final = 30.0
_CLOSE: Final = {"Connection": "close"}
"""The rest of the request will not be read, so the connection has no further use."""


class Refused(HTTPException):
    """Raised where the body is read: routes let it pass, as any refusal of HTTP."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail, headers=_CLOSE)


class Bodies:
    """`limit` is in bytes. What says its length is refused before it is read; what does not, when it is too much."""

    def __init__(self, app: ASGIApp, *, limit: int, seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        problem = self._at_once(scope)
        if problem:
            await problem.response()(scope, receive, send)
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, self._bounded(receive), answer)
        except Refused as refused:
            if started:
                raise
            await Problem(refused.status_code, refused.detail, headers=_CLOSE).response()(
                scope, receive, send
            )

    def _at_once(self, scope: Scope) -> Problem | None:
        size = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
        if size > URL_LIMIT:
            return Problem(414, f"the address has {size} bytes: {URL_LIMIT} at most", headers=_CLOSE)
        said = Headers(scope=scope).get("content-length", "")
        if said.isdigit() and int(said) > self._limit:
            return Problem(413, self._too_large(), headers=_CLOSE)
        return None

    def _bounded(self, receive: Receive) -> Receive:
        read, complete = 0, False
        end = time.monotonic() + self._seconds

        async def bounded() -> Message:
            nonlocal read, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout(max(0.0, end - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise Refused(408, f"the body did not arrive within {self._seconds:.0f} s") from None
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                complete = not message.get("more_body", False)
            if read > self._limit:
                raise Refused(413, self._too_large())
            return message

        return bounded

    def _too_large(self) -> str:
        return f"a body may have {self._limit} bytes: send less at once"
