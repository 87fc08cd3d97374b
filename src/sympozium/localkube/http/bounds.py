"""Bounds of a connection, as Go's server and so kube-apiserver has them: a head of 1 MB, within 32 s.

A connection that is being closed is cut after half a second: TLS would wait much longer for a peer that does not
answer the close, and shutdown with it.
"""

from typing import Any, cast

from sympozium.httpbounds import BoundedHead
from sympozium.localkube.http.asgi import ABORT
from sympozium.localkube.http.upgrade import UpgradableProtocol

LINGER_SECONDS = 0.5


class BoundedProtocol(BoundedHead, UpgradableProtocol):
    """uvicorn's protocol with the bounds above. The scope has ABORT, which cuts the connection."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._cut_if_closing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[ABORT] = self.abort

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._cut_if_closing()

    def shutdown(self) -> None:
        super().shutdown()
        self._cut_if_closing()

    def _cut_if_closing(self) -> None:
        if self.transport.is_closing():
            self.loop.call_later(LINGER_SECONDS, self.abort)
