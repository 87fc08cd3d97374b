"""The process: `sympozium serve egress`. SIGTERM stops listening and ends the connections that are carried."""

import asyncio
import logging
import signal

from sympozium.egress.authority import Authority
from sympozium.egress.proxy import Proxy
from sympozium.kube import Client
from sympozium.telemetry import health, logs, traces

log = logging.getLogger(__name__)


def run(
    *,
    port: int,
    host: str = "0.0.0.0",  # noqa: S104 - behind a Service, in a pod
    health_port: int = 0,
    health_host: str = "127.0.0.1",
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Raises ConfigError without a usable kubeconfig, OSError when a port is in use.
    """
    logs.setup("egress")
    asyncio.run(_serve(host, port, health_port or None, health_host))
    return 0


async def _serve(host: str, port: int, health_port: int | None, health_host: str) -> None:
    stop, changed = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with traces.running("sympozium-egress"), Client.connect(field_manager="sympozium-egress") as client:
        authority = Authority(client, changed.set)
        proxy = Proxy(authority)
        async with (
            health.serve(health_port, authority.unready, host=health_host),
            asyncio.TaskGroup() as group,
        ):
            tasks = [group.create_task(authority.run()), group.create_task(_recheck(proxy, changed))]
            server = await asyncio.start_server(proxy.serve, host, port)
            log.info("egress on %s:%d", host, port)
            await stop.wait()
            server.close()
            for task in tasks:
                task.cancel()


async def _recheck(proxy: Proxy, changed: asyncio.Event) -> None:
    while True:
        await changed.wait()
        changed.clear()
        proxy.recheck()
