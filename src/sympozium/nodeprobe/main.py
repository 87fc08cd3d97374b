"""The process: `sympozium serve node-probe`. It ends on SIGTERM."""

import asyncio
import logging
import signal
from collections.abc import Sequence

from sympozium.nodeprobe.probe import Probe
from sympozium.telemetry import health, logs

log = logging.getLogger(__name__)


def run(
    *, node: str, address: str, ports: Sequence[int], interval: float, health_port: int, health_host: str
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code. Raises OSError when the port is in use."""
    logs.setup("node-probe")
    asyncio.run(_serve(Probe(node, address, ports), interval, health_port, health_host))
    return 0


async def _serve(probe: Probe, interval: float, port: int, host: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    documents = {"/models": probe.document}
    async with (
        health.serve(port, probe.unready, host=host, documents=documents) as bound,
        asyncio.TaskGroup() as group,
    ):
        looking = group.create_task(probe.run(interval))
        log.info("what node %s has is at http://%s:%d/models", probe.listing.node, host, bound)
        await stop.wait()
        looking.cancel()
