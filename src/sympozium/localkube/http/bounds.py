"""What uvicorn's protocol and its parser do not bound: how large a request's head is, and how long it takes.

Go's server, and so kube-apiserver, has a limit of 1 MB and 32 s. A connection that is being closed is cut after
half a second: TLS would wait much longer for a peer that does not answer the close, and shutdown with it.
"""

import asyncio
from typing import Any, cast

from sympozium.localkube.http.asgi import ABORT
from sympozium.localkube.http.upgrade import UpgradableProtocol

LINGER_SECONDS = 0.5
HEAD_LIMIT = 1024 * 1024
HEAD_SECONDS = 32.0
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 35\r\nconnection: close\r\n\r\n431 Request Header Fields Too Large"
)


class BoundedProtocol(UpgradableProtocol):
    """uvicorn's protocol with the bounds above. The scope has ABORT, which cuts the connection."""

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
        if self._in_head and self._head_size > HEAD_LIMIT and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        self._cut_if_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[ABORT] = self._abort
        self._start_head_timer()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_size = False, 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._cut_if_closing()

    def shutdown(self) -> None:
        super().shutdown()
        self._cut_if_closing()

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._abort)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cut_if_closing(self) -> None:
        if self.transport.is_closing():
            self.loop.call_later(LINGER_SECONDS, self._abort)

    def _abort(self) -> None:
        self.transport.abort()
