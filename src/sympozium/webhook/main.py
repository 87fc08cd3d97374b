"""The process: `sympozium serve webhook`.

    References   informers of what admission looks up
    trust        the certificate, and the CA in the webhook configurations, looked at again and again
    uvicorn      HTTPS; a renewed certificate is taken by new connections, without a restart

Ready when the copies are complete and the API server has been told which CA to trust.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import uvicorn
from cryptography import x509

from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube.client import Client
from sympozium.kube.errors import KubeError
from sympozium.telemetry import health, logs, metrics, traces
from sympozium.webhook import trust
from sympozium.webhook.app import DEADLINE, Webhook
from sympozium.webhook.references import References

log = logging.getLogger(__name__)

_EXPIRES: Final = metrics.gauge(
    "sympozium_webhook_certificate_expires_timestamp_seconds",
    "Until when the certificate that is served is good.",
)
SERVICE: Final = "sympozium-webhook"
LOOK_EVERY: Final = 30.0
"""Seconds between looks at the certificate and the configurations."""
_FIRST: Final = 0.5


def run(
    *,
    port: int,
    url_base: str | None = None,
    certificate_dir: Path | None = None,
    health_port: int = 0,
    health_host: str = "127.0.0.1",
    host: str | None = None,
    log_level: str = "INFO",
    look_every: float = LOOK_EVERY,
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    `look_every` is in seconds: how soon a renewed certificate and a changed configuration are noticed.
    `url_base` (`https://127.0.0.1:9443`) is where the API server finds us when there is no Service; we then
    listen on loopback alone unless `host` says otherwise. `certificate_dir` has a certificate that others keep, with
    who trusts it; without, both are ours. `health_port` 0 serves no health endpoint.
    Raises ConfigError without a usable kubeconfig, OSError when a port is in use.
    """
    logs.setup("webhook", level=log_level)
    address = host or ("127.0.0.1" if url_base else "0.0.0.0")  # noqa: S104 - behind a Service, in a pod
    asyncio.run(
        _serve(
            port=port, host=address, hosts=server_names(url_base), certificate_dir=certificate_dir,
            health_port=health_port or None, health_host=health_host, look_every=look_every,
        )
    )  # fmt: skip
    return 0


def server_names(url_base: str | None) -> list[str]:
    """The names under which the API server may call us."""
    names = [SERVICE, f"{SERVICE}.{SYSTEM_NAMESPACE}", f"{SERVICE}.{SYSTEM_NAMESPACE}.svc"]
    if url_base:
        name = urlsplit(url_base).hostname
        if not name:
            raise ValueError(f"--url-base {url_base!r} is not a URL: write https://127.0.0.1:9443")
        names.append(name)
    return names


class _Server(uvicorn.Server):
    """uvicorn without its ticks ten times a second, and without its own handling of signals and connections."""

    def __init__(self, config: uvicorn.Config, webhook: Webhook) -> None:
        super().__init__(config)
        self.webhook = webhook
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  (uvicorn's signature)
        """Finish what is being answered, then drop the idle connections.

        uvicorn would close them politely, and an API server that keeps one open for its next request
        does not answer a TLS goodbye.
        """
        for server in self.servers:
            server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE):
                await self.webhook.idle()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Process:
    def __init__(self, client: Client, source: trust.Source, look_every: float) -> None:
        self.source = source
        self.look_every = look_every
        self.references = References(client)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.certified = asyncio.Event()
        self.problems = ["the CA is not in the webhook configurations yet"]
        self.server: _Server | None = None

    def unready(self) -> list[str]:
        """What is missing before requests can be answered."""
        if self.server and self.server.stopping.is_set():
            return ["stopping"]
        listening = [] if self.server and self.server.started else ["not listening yet"]
        return [*self.problems, *self.references.unready(), *listening]

    async def keep_trust(self) -> None:
        """Certificate and configurations, until cancelled."""
        delay = _FIRST
        while True:
            try:
                self.problems = await self.source.look(self._load)
            except (KubeError, trust.TrustError) as exc:
                # What has been loaded keeps serving; a webhook that never had a certificate stays unready.
                log.warning("certificate: %s", exc)
                if not self.certified.is_set():
                    self.problems = [f"no certificate: {exc}"]
            delay = min(delay * 2, self.look_every) if self.problems else self.look_every
            await asyncio.sleep(delay)

    def _load(self, certificate: bytes, key: bytes) -> None:
        """Into the TLS context that new connections are made with. `ssl` reads files only, so they pass through one.

        Raises ssl.SSLError, also for a key with a password, which nobody is there to say.
        """
        try:
            expires = x509.load_pem_x509_certificate(certificate).not_valid_after_utc
        except ValueError as error:
            raise ssl.SSLError(f"no certificate: {error}") from error
        with tempfile.TemporaryDirectory(prefix="sympozium-webhook-") as directory:
            path = Path(directory) / "pair.pem"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(key.rstrip() + b"\n" + certificate)
            # A context that meets a certificate and a key of another one serves with neither from then on.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password="")
            self.context.load_cert_chain(path, password="")
        _EXPIRES.set(expires.timestamp())
        self.certified.set()


async def _serve(
    *,
    port: int,
    host: str,
    hosts: Sequence[str],
    certificate_dir: Path | None = None,
    health_port: int | None,
    health_host: str = "127.0.0.1",
    look_every: float,
) -> None:
    async with (
        traces.running("sympozium-webhook"),
        Client.connect(field_manager="sympozium-webhook") as client,
    ):
        source = trust.Mounted(certificate_dir) if certificate_dir else trust.Own(client, hosts)
        process = _Process(client, source, look_every)
        webhook = Webhook(process.references)
        config = uvicorn.Config(
            webhook, host=host, port=port, http="httptools", ws="none", lifespan="off",
            log_config=None, access_log=False, date_header=False, server_header=False,
            timeout_keep_alive=120,
            ssl_context_factory=lambda _config, _default: process.context,
        )  # fmt: skip
        process.server = server = _Server(config, webhook)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stopping.set)
        async with health.serve(health_port, process.unready, host=health_host), asyncio.TaskGroup() as group:
            background = [
                group.create_task(process.references.follow()),
                group.create_task(process.keep_trust()),
            ]
            # Without a certificate there is nothing to listen with; SIGTERM must end that wait too.
            certified = group.create_task(process.certified.wait())
            stopping = group.create_task(server.stopping.wait())
            await asyncio.wait((certified, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not server.stopping.is_set():
                log.info("serving on %s:%d", host, port)
                await server.serve()
            for task in (*background, certified, stopping):
                task.cancel()
    log.info("stopped")
