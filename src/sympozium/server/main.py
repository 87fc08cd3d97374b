"""The process: `sympozium serve apiserver`.

SIGTERM and SIGINT begin the drain: `/readyz` says so, streams say goodbye and end, requests are finished, then the process
ends with 0.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn

from sympozium.server.app import build
from sympozium.server.connection import Connection
from sympozium.server.parts import Parts, Settings
from sympozium.server.streams.registry import MOST, MOST_PER_CALLER
from sympozium.telemetry import health, logs

log = logging.getLogger(__name__)
_DRAIN_SECONDS: Final = 10


def run(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    state_dir: Path | None = None,
    health_port: int = 0,
    max_streams: int = MOST,
    max_streams_per_caller: int = MOST_PER_CALLER,
    log_level: str = "INFO",
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    `health_port` 0 serves no health endpoint. Raises ConfigError without a usable kubeconfig, OSError when a port
    is in use.
    """
    logs.setup("apiserver", level=log_level)
    settings = Settings(
        host, port, state_dir, max_streams=max_streams, max_streams_per_caller=max_streams_per_caller
    )
    asyncio.run(_serve(settings, health_port or None))
    return 0


class _Server(uvicorn.Server):
    """uvicorn whose signals are ours, since streams must hear of them first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(settings: Settings, health_port: int | None) -> None:
    async with Parts.connect(settings) as parts:
        config = uvicorn.Config(
            build(parts), host=settings.host, port=settings.port, http=Connection, ws="none", lifespan="off",
            log_config=None, access_log=False, server_header=False, timeout_keep_alive=75,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
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

        async with health.serve(health_port, unready):
            log.info("serving on http://%s:%d", settings.host, settings.port)
            await server.serve()
    log.info("stopped")
