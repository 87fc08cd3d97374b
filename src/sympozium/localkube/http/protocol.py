"""uvicorn's HTTP protocol, which also tells the application who the peer's certificate says it is.

TLS has verified the certificate against our CA by the time the protocol sees the connection.
"""

import asyncio
from typing import Any, cast

from sympozium.localkube.http.asgi import PEER_CERTIFICATE
from sympozium.localkube.http.bounds import BoundedProtocol


class PeerProtocol(BoundedProtocol):
    _peer_certificate: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        super().connection_made(transport)
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            self._peer_certificate = ssl_object.getpeercert(binary_form=True)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[PEER_CERTIFICATE] = self._peer_certificate
