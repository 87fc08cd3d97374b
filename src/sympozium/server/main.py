"""The process: `sympozium serve apiserver`.

SIGTERM and SIGINT begin the drain: `/readyz` says so, streams say goodbye and end, requests are finished, then the process
ends with 0.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from typing import Final

import uvicorn

from sympozium.server.app import build
from sympozium.server.guards.connections import Certificate, bounded
from sympozium.server.parts import Parts, background
from sympozium.server.settings import Settings
from sympozium.telemetry import health, logs, traces

log = logging.getLogger(__name__)
_DRAIN_SECONDS: Final = 10


def run(
    settings: Settings, *, health_port: int = 0, health_host: str = "127.0.0.1", log_level: str = "INFO"
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    `health_port` 0 serves no health endpoint. Raises ConfigError without a usable kubeconfig and for settings that
    contradict each other, OSError when a port is in use.
    """
    settings.check()
    logs.setup("apiserver", level=log_level)
    asyncio.run(_serve(settings, health_port or None, health_host))
    return 0


class _Server(uvicorn.Server):
    """uvicorn whose signals are ours, since streams must hear of them first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(settings: Settings, health_port: int | None, health_host: str) -> None:
    certificate = None
    if settings.tls_cert and settings.tls_key:
        certificate = Certificate(settings.tls_cert, settings.tls_key)
    async with (
        traces.running("sympozium-apiserver"),
        Parts.connect(settings) as parts,
        background(*([certificate.follow()] if certificate else [])),
    ):
        config = uvicorn.Config(
            build(parts), host=settings.host, port=settings.port, ws="none", lifespan="off",
            http=bounded(settings.max_connections), log_config=None, access_log=False, server_header=False,
            timeout_keep_alive=75, timeout_graceful_shutdown=_DRAIN_SECONDS,
            proxy_headers=bool(settings.trusted_proxies), forwarded_allow_ips=list(settings.trusted_proxies),
            ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
        )  # fmt: skip
        server = _Server(config)

        def stop() -> None:
            parts.draining.set()
            server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)

        def unready() -> list[str]:
            return [*parts.unready(), *([] if server.started else ["not listening yet"])]

        async with health.serve(health_port, unready, host=health_host):
            scheme = "https" if certificate else "http"
            log.info("serving on %s://%s:%d", scheme, settings.host, settings.port)
            await server.serve()
    log.info("stopped")
