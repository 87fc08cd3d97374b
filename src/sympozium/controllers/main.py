"""The process: `sympozium serve controller`.

    bootstrap    on a cluster: the keys of the installation, made by whoever comes first
    informers    copies of what the controllers read, also while this process is no leader
    elector      one of all replicas works
    manager      the controllers, the consumer of the bus, the recorder of Events

SIGTERM and SIGINT let what is in work end, release the lease, and exit 0. Losing the lease, or a part that dies,
ends the process with 1: it is started again by whoever keeps it, with nothing lost but a moment.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from sympozium.api import SYSTEM_NAMESPACE
from sympozium.bus.figures import CONNECTED
from sympozium.controllers.approval import ApprovalController
from sympozium.controllers.bootstrap import Bootstrap, Cluster
from sympozium.controllers.catalogue import CatalogueController
from sympozium.controllers.config import ConfigController
from sympozium.controllers.context import Caches, Context
from sympozium.controllers.enforcement.keeper import Enforcement
from sympozium.controllers.instance import InstanceController
from sympozium.controllers.pack.controller import PackController
from sympozium.controllers.policy import PolicyController
from sympozium.controllers.run import figures
from sympozium.controllers.run.children import Children
from sympozium.controllers.run.controller import RunController
from sympozium.controllers.run.events import RunMessages
from sympozium.controllers.run.plan import ApiServer
from sympozium.controllers.run.port import Bus
from sympozium.controllers.run.progress import ProgressStore
from sympozium.controllers.run.requests import Requests
from sympozium.controllers.run.start import Starter
from sympozium.controllers.run.trace.teller import Teller
from sympozium.controllers.schedule.controller import ScheduleController
from sympozium.controllers.skillpack import SkillPackController
from sympozium.controllers.trigger.controller import TriggerController
from sympozium.kube import Client, Manager
from sympozium.kube.events import Recorder
from sympozium.kube.informer import report
from sympozium.kube.kubeconfig import Access
from sympozium.kube.leader import Elector, LostLeadershipError
from sympozium.telemetry import health, logs, traces
from sympozium.telemetry.traces import Traces

log = logging.getLogger(__name__)

COMPONENT: Final = "sympozium-controller"
_PORTS: Final = {"https": 443, "http": 80}

BusConnection = Callable[[Client, str], contextlib.AbstractAsyncContextManager[Bus]]
"""Given a client and the system namespace, a connection to the bus that keeps itself alive."""


def run(
    *,
    namespace: str = SYSTEM_NAMESPACE,
    health_port: int = 0,
    health_host: str = "127.0.0.1",
    cluster: Cluster | None = None,
    leader_election: bool = True,
    log_level: str = "INFO",
) -> int:
    """Run the controllers until SIGTERM or SIGINT; returns the exit code.

    `namespace` is the system namespace: the lease, the bus's Secrets, the catalogue. `health_port` 0 serves no
    health endpoint. `cluster` says where the bus of a cluster is: then its keys, and those of the other parts, are made
    where they are not there. Raises ConfigError without a usable kubeconfig, OSError when the port is in use.
    """
    logs.setup("controller", level=log_level)
    # Imported here, so that everything above can be tested without a bus.
    from sympozium.controllers.run.wire import connect

    code = 0
    try:
        asyncio.run(
            _serve(
                namespace,
                (health_host, health_port or None),
                connect,
                cluster,
                leader_election=leader_election,
            )
        )
    except* LostLeadershipError as lost:
        log.error("%s: ending, to be started again", lost.exceptions[0])  # noqa: TRY400 - no stack helps here
        code = 1
    return code


async def _serve(
    namespace: str,
    health_at: tuple[str, int | None],
    connect: BusConnection,
    cluster: Cluster | None,
    *,
    leader_election: bool,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    control: Control | None = None
    made: Bootstrap | None = None

    def unready() -> list[str]:
        if control is not None:
            return control.unready()
        return [
            "the keys of the installation are not there yet",
            *filter(None, [made.problem if made else ""]),
        ]

    host, port = health_at
    async with (
        traces.running(COMPONENT) as told,
        Client.connect(field_manager=COMPONENT) as client,
        health.serve(port, unready, host=host),
    ):
        if cluster is not None:
            made = Bootstrap(client, namespace, cluster)
            if not await made.run(stop):
                return
        async with connect(client, namespace) as bus:
            control = Control(client, namespace, bus, told)
            await control.run(stop, leader_election=leader_election)


class Control:
    """All controllers over one client and one bus."""

    def __init__(self, client: Client, namespace: str, bus: Bus, traces: Traces | None = None) -> None:
        self._client = client
        self._namespace = namespace
        self._bus = bus
        self._leading = False
        caches = Caches(client)
        recorder = Recorder(client, COMPONENT)
        self.context = Context(client, caches, recorder, namespace)
        teller = Teller(self.context, traces)
        store = ProgressStore(bus, teller)
        enforcement = Enforcement(self.context)
        starter = Starter(self.context, bus, api_server(client.access), enforcement, teller)
        children = Children(self.context, bus)
        runs = RunController(self.context, bus, starter, store, children, teller)
        enforcement.wake = runs.controller.enqueue
        requests = Requests(self.context, bus, children)
        report(caches.all())
        CONNECTED.source = lambda: [((), float(bus.connected))]
        self._messages = RunMessages(self.context, runs.controller, store, bus, requests)
        triggers = TriggerController(self.context)
        parts = (
            runs,
            runs.live,
            ApprovalController(self.context, bus),
            InstanceController(self.context),
            PolicyController(self.context),
            PackController(self.context),
            ScheduleController(self.context),
            triggers,
            SkillPackController(self.context),
            ConfigController(self.context),
            CatalogueController(self.context),
        )
        self.manager = Manager(
            caches.all(),
            [part.controller for part in parts],
            [recorder.run, runs.slots.run, enforcement.run, triggers.run, self._consume],
        )

    def unready(self) -> list[str]:
        """A standby is ready when its copies are complete: it could take over at once."""
        return [*self.manager.unready(), *([] if self._bus.connected else ["the bus is not connected"])]

    async def run(self, stop: asyncio.Event, *, leader_election: bool = True) -> None:
        """Until `stop`. Raises LostLeadershipError."""
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self.manager.follow())
            working = group.create_task(self._work(stop, leader_election=leader_election))
            stopping = group.create_task(stop.wait())
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not self._leading:
                working.cancel()
            # A failure of the work must come out of the group, not wait for a signal.
            await asyncio.wait({working})
            following.cancel()
            stopping.cancel()

    async def _work(self, stop: asyncio.Event, *, leader_election: bool) -> None:
        async def lead() -> None:
            self._leading = True
            figures.report(self.context)
            await self.manager.work(stop)

        await self._elect(lead, leader_election=leader_election)

    async def _elect(self, lead: Callable[[], Awaitable[None]], *, leader_election: bool) -> None:
        if not leader_election:
            await lead()
            return
        await Elector(self._client, self._namespace, COMPONENT).run(lead)

    async def _consume(self) -> None:
        await self._bus.consume(self._messages)


def api_server(access: Access) -> ApiServer:
    """How pods of skills reach the API: as this process does, which is itself a pod on a cluster."""
    parts = urlsplit(access.server)
    assert parts.hostname, f"{access.source}: {access.server!r} is no URL"
    return ApiServer(parts.hostname, parts.port or _PORTS.get(parts.scheme, 443), access.ca or b"")
