"""uvicorn's HTTP protocol, which can give its connection away.

An upgrade (exec, attach, port-forward) is answered by the application like any request. What the client sends
behind such a request is not HTTP: it is kept, up to a limit, until the application either takes the connection over
or refuses; after a refusal the connection is closed.
"""

import asyncio
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sympozium.localkube.http.asgi import TAKE_OVER

EARLY_LIMIT = 64 * 1024


class UpgradableProtocol(HttpToolsProtocol):
    """The scope has TAKE_OVER, which is `take_over`."""

    _early: bytearray | None = None
    """What came behind a request for an upgrade."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[TAKE_OVER] = self.take_over

    def data_received(self, data: bytes) -> None:
        """As uvicorn does, which forgets what comes behind a request for an upgrade."""
        if self._early is not None:
            self._early += data
            if len(self._early) > EARLY_LIMIT:
                self.transport.pause_reading()
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._early = bytearray(data[upgrade.args[0] :])
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def take_over(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The connection as streams, for the request that is being handled, which is not to be answered then. None when
        the client has left, or has not asked for an upgrade.
        """
        if self._early is None or self.transport.is_closing() or self.cycle.disconnected:
            return None
        self.cycle.disconnected = True  # for uvicorn: nothing more is to be sent for it
        self.connections.discard(self)
        reader = asyncio.StreamReader(limit=EARLY_LIMIT, loop=self.loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self.loop)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        self.transport.resume_reading()
        reader.feed_data(bytes(self._early))
        return reader, asyncio.StreamWriter(self.transport, protocol, reader, self.loop)
