"""What uvicorn's protocol and its parser do not bound: how large a request's head is, and how long it takes."""

import asyncio

from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_WORDS = b"431 Request Header Fields Too Large"
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 35\r\nconnection: close\r\n\r\n" + _WORDS
)


async def _refuse(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    length = (b"content-length", str(len(_WORDS)).encode())
    await send(
        {"type": "http.response.start", "status": 431, "headers": [*headers, length], "trailers": False}
    )
    await send({"type": "http.response.body", "body": _WORDS, "more_body": False})


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol with a limit to the head of a request: bytes, and seconds from when it is awaited.

    Between two requests of a connection uvicorn's own keep-alive timeout counts, until the next one begins.
    """

    head_limit = 1024 * 1024
    head_seconds = 32.0

    _in_head = True
    """Between the end of one request (or the connection's begin) and the end of the next one's head."""
    _head_size = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        super().connection_made(transport)
        self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_size += len(data)
        super().data_received(data)
        if self._in_head and self._head_size > self.head_limit and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_head_timer()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_size = False, 0
        self._stop_head_timer()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.head_limit:
            # It came in one piece: whoever asks next on this connection asks nobody, since the answer closes it.
            self.app = _refuse
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self.abort)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def abort(self) -> None:
        """Cut the connection, whatever is under way."""
        self.transport.abort()
