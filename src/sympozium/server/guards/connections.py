"""Bounds of connections, and their TLS: what HTTP never gets to see.

A connection costs a client nothing and us a file descriptor, so there is a limit to them; at the limit one that idles
between two requests makes room. A head must be there within 10 s. A peer that reads nothing of what it asked for
during a minute is cut: uvicorn would wait for it for ever. Streams lose their patience sooner.
"""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

from sympozium.httpbounds import BoundedHead
from sympozium.kube.errors import ConfigError
from sympozium.server.connection import Connection

log = logging.getLogger(__name__)
LOOK_EVERY: Final = 10.0
"""Seconds between looks at the files of a certificate."""
_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedConnection(BoundedHead, Connection):
    head_limit = 64 * 1024
    head_seconds = 10.0
    write_seconds = 60.0
    most_connections = 4096

    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        full = len(self.connections) >= self.most_connections and not self._make_room()
        super().connection_made(transport)
        if full:
            log.warning("%d connections are open: one more is refused", len(self.connections) - 1)
            transport.write(_FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_write_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer does not keep up: it may be slow, as long as it reads."""
        super().pause_writing()
        self._expect_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def _expect_reading(self, unread: int) -> None:
        self._stop_write_timer()
        self._write_timer = self.loop.call_later(self.write_seconds, self._look_at_reading, unread)

    def _look_at_reading(self, unread: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left < unread:
            self._expect_reading(left)
        else:
            self.abort()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()

    def _make_room(self) -> bool:
        for other in self.connections:
            if isinstance(other, BoundedConnection) and other.idles:
                self.connections.discard(other)
                other.transport.abort()
                return True
        return False

    @property
    def idles(self) -> bool:
        """Between two requests, with nothing to send."""
        return self.timeout_keep_alive_task is not None and not self.transport.is_closing()


def bounded(most: int) -> type[BoundedConnection]:
    """The protocol of a server with `most` connections."""

    class Bounded(BoundedConnection):
        most_connections = most

    return Bounded


class Certificate:
    """A TLS context whose certificate is read again when its files change; connections that are open keep theirs."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises ConfigError."""
        self._files = (certificate, key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._stamp: object = None
        try:
            self.load()
        except (OSError, ssl.SSLError) as exc:
            raise ConfigError(f"--tls-cert {certificate}, --tls-key {key}: {exc}") from exc

    def load(self) -> bool:
        """True when there was something new. Raises OSError, SSLError for what cannot be used: the old one stays."""
        stamp = [(found.st_mtime_ns, found.st_ino) for found in (file.stat() for file in self._files)]
        if stamp == self._stamp:
            return False
        # A context takes a pair in one piece or not at all, but a new certificate beside an old key is an error: the
        # other file is then about to follow.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
        self.context.load_cert_chain(*self._files)
        self._stamp = stamp
        return True

    async def follow(self, *, every: float = LOOK_EVERY) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(every)
            try:
                if self.load():
                    log.info("TLS: certificate read again")
            except (OSError, ssl.SSLError) as exc:
                log.warning("TLS: the new certificate cannot be used, the old one stays: %s", exc)
