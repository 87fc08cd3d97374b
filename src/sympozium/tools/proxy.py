"""Through the egress component: a tunnel by CONNECT, also for plain HTTP, so that a request is made in one way only."""

from __future__ import annotations

import asyncio
import base64
import ssl
from urllib.parse import unquote, urlsplit

import h11

from sympozium.hosts import in_url


class Proxy:
    """`url` has the run's credential as its password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        self._credential = base64.b64encode(pair.encode()).decode()

    async def connect(
        self, host: str, port: int, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to `host`, with TLS when there is a `context`. Raises OSError, with the words of a refusal."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            await self._tunnel(host, port, reader, writer)
            if context is not None:
                await writer.start_tls(context, server_hostname=host)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def _tunnel(
        self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        target = f"{in_url(host)}:{port}"
        http = h11.Connection(our_role=h11.CLIENT)
        headers = [("Host", target), ("Proxy-Authorization", f"Basic {self._credential}")]
        try:
            writer.write(http.send(h11.Request(method="CONNECT", target=target, headers=headers)) or b"")
            writer.write(http.send(h11.EndOfMessage()) or b"")
            words = bytearray()
            while True:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    http.receive_data(await reader.read(1 << 16))
                elif isinstance(event, h11.Response):
                    if 200 <= event.status_code < 300:
                        return  # the destination speaks first only in protocols that nobody reads here
                elif isinstance(event, h11.Data):
                    words += event.data
                else:
                    break
        except (h11.LocalProtocolError, h11.RemoteProtocolError) as error:
            raise ConnectionError(f"the egress proxy answered what is not HTTP: {error}") from error
        raise ConnectionRefusedError(f"the egress proxy refused: {words.decode(errors='replace').strip()}")
