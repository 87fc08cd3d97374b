"""uvicorn's HTTP protocol, which also tells the application who the peer's certificate says it is.

TLS has verified the certificate against our CA by the time the protocol sees the connection.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sympozium.localkube.http.asgi import PEER_CERTIFICATE

LINGER_SECONDS = 0.5


class PeerProtocol(HttpToolsProtocol):
    """A connection that is being closed is cut after half a second: TLS would wait much longer for a peer
    that does not answer the close, and shutdown with it.
    """

    _peer_certificate: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        super().connection_made(transport)
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            self._peer_certificate = ssl_object.getpeercert(binary_form=True)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[PEER_CERTIFICATE] = self._peer_certificate

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(LINGER_SECONDS, self.transport.abort)
