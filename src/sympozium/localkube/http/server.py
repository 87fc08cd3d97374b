"""The listening socket, TLS, and going down in order.

On SIGTERM or SIGINT the watches end first (their clients see a clean end of the stream and reconnect to
whatever comes next), then uvicorn waits for the requests that run.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import uvicorn

from sympozium.localkube.http.asgi import Application
from sympozium.localkube.http.protocol import PeerProtocol

log = logging.getLogger(__name__)

GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 90
"""As kube-apiserver: Go's clients keep an idle connection that long, and a POST on a closed one is not sent again."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class PortInUseError(Exception):
    """The address is taken; the text says which."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises PortInUseError."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(512)
    except OSError as error:
        made.close()
        raise PortInUseError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    made.setblocking(False)
    return made


def tls_context(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """TLS for the server; a client certificate is optional, and must be ours when it is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


class Server(uvicorn.Server):
    """`drain` is called once, at the first signal, to end the open streams.

    `ready` is called when connections are accepted and signals handled.
    """

    def __init__(
        self,
        application: Application,
        context: ssl.SSLContext,
        *,
        drain: Callable[[], None],
        ready: Callable[[], None],
    ) -> None:
        config = uvicorn.Config(
            application,
            http=PeerProtocol,
            ws="none",
            lifespan="off",
            loop="uvloop",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_context_factory=lambda *_: context,
        )
        super().__init__(config)
        self._application = application
        self._drain = drain
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not uvicorn's: that raises the signal again at the end, before our store is closed."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            log.info("signal %d: ending %d connections", sig, len(self.server_state.connections))
            self._application.closing = True
            self._drain()
        super().handle_exit(sig, frame)
