"""One pod on this node, from its acceptance to its final status.

    volumes, network ──► init containers one by one, sidecars among them ──► main containers together
    ──► (all have ended for good, or the pod is to end) ──► sidecars in reverse ──► final status

One task runs this flow, one publishes the status whenever a record has changed (`publisher`), one keeps volumes
fresh. A request to end (deletion, deadline, eviction) stops the containers; the flow then finds them
finished and ends by itself, so there is one way out.
"""

import asyncio
import contextlib
import json
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

from sympozium.node import launch, network as networks, refusal, sandbox, services, state, status, storage
from sympozium.node.attachment import Attachment
from sympozium.node.container import Launch, Runner
from sympozium.node.images import Image
from sympozium.node.logs import LogWriter
from sympozium.node.machine import Machine
from sympozium.node.netns import Network
from sympozium.node.objects import Object, all_containers, is_sidecar, key, parse_time, timestamp
from sympozium.node.publisher import Publisher
from sympozium.node.status import Verdict
from sympozium.node.switchboard import Switchboard, pod_address
from sympozium.node.volumes import VolumeError, Volumes

_log = logging.getLogger(__name__)

MOUNT_RETRY = (1.0, 60.0)
SIZE_CHECK = 10.0
RUNTIMES = ("bwrap",)
"""Handlers of RuntimeClasses that this node has."""
SIDECAR_MINIMUM_GRACE = 2.0
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


class PodWorker:
    """Runs one pod. Implements `container.Pod`."""

    def __init__(self, machine: Machine, pod: Object, slot: int, switchboard: Switchboard | None) -> None:
        self.object = pod
        self.switchboard = switchboard
        self.machine = machine
        self.directory = machine.pods / str(pod["metadata"]["uid"])
        self.directory.mkdir(parents=True, exist_ok=True)
        self.state = state.load(self.directory / "state.json", pod, slot)
        self.runners = {
            c["name"]: Runner(self, c, self.state.records[c["name"]]) for c in all_containers(pod)
        }
        self.volumes = Volumes(
            pod, self.directory / "volumes", machine.volume_access(pod), machine.facts, self._owner(),
            lambda reason, message: self.event("Warning", reason, message),
        )  # fmt: skip
        self.verdict: Verdict | None = None
        self.sandboxed = False
        self._publisher = Publisher(self)
        self.attachment = Attachment(
            self, machine, switchboard, pod_address(self.state.slot), self.refresh_hosts
        )
        self._ending = asyncio.Event()
        self._stopping = asyncio.Event()  # ending, or suspended with the node
        self._end_at = float("inf")
        self._stops: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    # -- what containers need (container.Pod)

    @property
    def host_ip(self) -> str:
        return self.machine.facts.host_ip

    @property
    def network(self) -> Network | None:
        return self.attachment.net.network if self.attachment.net else None

    @property
    def steered(self) -> bool:
        return self.attachment.net is not None and self.attachment.net.steered

    @property
    def ip(self) -> str:
        """Of the pod; the node's own where it has no network in which another one would answer."""
        if self.steered:
            return pod_address(self.state.slot)
        published = (self.object.get("status") or {}).get(
            "podIP"
        )  # before its network is made again, and after
        return (
            str(published)
            if published and self.attachment.net is None and self.machine.host.steers
            else self.host_ip
        )

    @property
    def hostname(self) -> str:
        return str(self.object["spec"].get("hostname") or self.object["metadata"]["name"][:63].rstrip("-."))

    def hosts(self) -> str:
        """The text of /etc/hosts."""
        aliases: dict[str, list[str]] = {}
        for alias in self.object["spec"].get("hostAliases") or ():
            aliases.setdefault(alias["ip"], []).extend(alias.get("hostnames") or ())
        for address, found in (self.egress.aliases() if self.egress else {}).items():
            aliases.setdefault(address, []).extend(found)
        if self.steered and self.switchboard:
            known = services.names(self.switchboard.table, self.object["metadata"]["namespace"])
            for address, found in known.items():
                aliases.setdefault(address, []).extend(found)
        return sandbox.hosts(self.hostname, aliases, self.ip)

    def refresh_hosts(self) -> None:
        """Names have changed. The file is written in place: containers have it bound."""
        if self.attachment.net is not None:
            text = self.hosts()
            for file in self.directory.glob("containers/*/hosts"):
                if file.read_text() != text:
                    file.write_text(text)

    async def service_links(self) -> dict[str, str]:
        """The environment that the Services of the namespace give."""
        if self.switchboard is None:
            return {}
        await self.switchboard.wait_synced()
        return self.switchboard.environment(self.object["metadata"]["namespace"])

    @property
    def egress(self) -> networks.Egress | None:
        return self.attachment.net.egress if self.attachment.net else None

    def changed(self) -> None:
        try:
            self.save()
        except (
            OSError
        ) as exc:  # a full disk: what is published counts then; the next start of a container must be noted
            _log.error("the state of pod %s cannot be written: %s", key(self.object), exc)
        self._publisher.changed()

    def save(self, *, starting: tuple[str, int] | None = None) -> None:
        self.state.save(self.directory / "state.json", starting=starting)

    def event(self, kind: str, reason: str, message: str) -> None:
        self.machine.event(self.object, kind, reason, message)

    def log_path(self, container: str, attempt: int) -> Path:
        return self.directory / "logs" / container / f"{attempt}.log"

    def image(self, container: Object) -> Image:
        return self.machine.images.find(container["image"])

    async def launch(self, container: Object, image: Image, log: LogWriter, attempt: int) -> Launch:
        return await launch.launch(self, container, image, log, attempt)

    def _owner(self) -> tuple[int, int] | None:
        credentials = self.machine.host.credentials(self.state.slot, 0)
        return (credentials.uid, credentials.gid) if credentials else None

    @property
    def owner(self) -> tuple[int, int] | None:
        """User and group of the host that own the pod's files; None when the node is not root."""
        return self._owner()

    # -- status

    @property
    def ending(self) -> bool:
        return self._ending.is_set()

    @property
    def phase(self) -> str:
        return status.phase(self.object, self.state.records, ending=self.ending, verdict=self.verdict)

    def build_status(self) -> Object:
        return status.build(
            self.object, self.state.records, now=timestamp(), host_ip=self.host_ip, pod_ip=self.ip,
            start_time=self.state.start_time, sandboxed=self.sandboxed, ending=self.ending, verdict=self.verdict,
        )  # fmt: skip

    # -- from outside

    def update(self, pod: Object) -> None:
        """A newer version of the object: labels, deletion, a shorter grace."""
        self.object = self.volumes.pod = pod
        self.attachment.pod_changed(pod)
        if pod["metadata"].get("deletionTimestamp"):
            self.end(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))

    def accept(self, pod: Object) -> None:
        """The answer to a status patch, unless the watch has brought something newer."""
        if int(pod["metadata"]["resourceVersion"]) > int(self.object["metadata"]["resourceVersion"]):
            pod["metadata"].pop("managedFields", None)
            self.update(pod)

    def suspend(self, grace: float) -> None:
        """Stop the containers because the node stops. What the pod becomes follows from its restart policy: the
        next node starts again what may be started again.
        """
        grace = min(grace, float(self.object["spec"].get("terminationGracePeriodSeconds") or 30))
        self._stop(grace)

    def end(self, grace: float, verdict: Verdict | None = None) -> None:
        """Stop the pod for good; a later call can only shorten the grace time (seconds)."""
        at = asyncio.get_running_loop().time() + grace
        if self._ending.is_set() and at >= self._end_at:
            return
        self._end_at = min(self._end_at, at)
        if not self._ending.is_set():
            self.verdict = verdict
            self._ending.set()
            self._publisher.changed()
        self._stop(grace)

    def _stop(self, grace: float) -> None:
        self._stopping.set()
        self._end_at = min(self._end_at, asyncio.get_running_loop().time() + grace)
        if self._group is not None:
            for name, runner in self.runners.items():
                if not is_sidecar(self.object, runner.container):
                    self._stops.add(self._group.create_task(runner.stop(grace), name=f"stop {name}"))

    # -- the flow

    async def run(self) -> None:
        """Until the final status is published, or the object is gone. Cancelling kills the containers and leaves the
        status as it is: the next node finds them lost.
        """
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(self._publisher.run())
            try:
                await self._live()
            finally:
                self._publisher.finish()
            await publishing
        if self.phase in status.TERMINAL or self.ending:
            self._release()

    async def _live(self) -> None:
        phase = status.phase(self.object, self.state.records, ending=False)
        if phase in status.TERMINAL:  # all had ended when a node before this one died
            self.changed()
            return
        if self._ending.is_set() and self.verdict is not None:
            self.changed()
            return
        if refused := refusal.unsupported(self.object, allow_host_path=self.machine.allow_host_path):
            self._fail("UnsupportedPod", "This node cannot run the pod: " + "; ".join(refused))
            return
        self._arm_deadline()
        self.changed()
        async with asyncio.TaskGroup() as group:
            self._group = group
            helpers = []
            if await self._prepare():
                helpers = [group.create_task(self._housekeeping())]
                self.sandboxed = True
                self._publisher.changed()
                async with self.attachment.kept():
                    await self._flow(group)
            self._group = None
            for task in helpers:
                task.cancel()

    def refuse(self, reason: str, message: str) -> None:
        """Before `run`: the pod ends Failed without having started."""
        self._fail(reason, message)

    def _fail(self, reason: str, message: str) -> None:
        self.event("Warning", reason, message)
        self.verdict = Verdict(reason, message)
        self._ending.set()
        self._stopping.set()
        self.changed()

    def _arm_deadline(self) -> None:
        seconds = self.object["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return
        used = (datetime.now(UTC) - parse_time(self.state.start_time)).total_seconds()
        asyncio.get_running_loop().call_later(max(0.0, seconds - used), self._deadline)

    def _deadline(self) -> None:
        if not self._ending.is_set():
            self.event("Normal", "DeadlineExceeded", DEADLINE_MESSAGE)
            grace = float(self.object["spec"].get("terminationGracePeriodSeconds") or 30)
            self.end(grace, Verdict("DeadlineExceeded", DEADLINE_MESSAGE))

    async def _prepare(self) -> bool:
        """Volumes and network, tried until they are there; False when the pod is to end instead."""
        delay = MOUNT_RETRY[0]
        while not self._stopping.is_set():
            try:
                await self._check_runtime()
                await self.volumes.mount()
                await self.attachment.make()
            except VolumeError as exc:
                self.event("Warning", "FailedMount", str(exc))
            except (OSError, networks.NotPossibleError) as exc:
                self.event("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {exc}")
            else:
                return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            delay = min(delay * 2, MOUNT_RETRY[1])
        return False

    async def _check_runtime(self) -> None:
        """Raises OSError for a RuntimeClass that this node does not have."""
        if name := self.object["spec"].get("runtimeClassName"):
            handler = await self.machine.handler(name)
            if handler is None:
                raise OSError(f'failed to get sandbox runtime: RuntimeClass "{name}" not found')
            if handler not in RUNTIMES:
                raise OSError(
                    f"failed to get sandbox runtime: no runtime for {json.dumps(handler)} is configured; "
                    f"this node has {', '.join(RUNTIMES)}"
                )

    async def _flow(self, group: asyncio.TaskGroup) -> None:
        sidecars: list[Runner] = []
        try:
            if await self._initialise(group, sidecars) and not self._stopping.is_set():
                async with asyncio.TaskGroup() as mains:
                    for container in self.object["spec"]["containers"]:
                        mains.create_task(self.runners[container["name"]].run())
        finally:
            for stop in list(self._stops):
                await stop
            for runner in reversed(sidecars):
                await runner.stop(max(SIDECAR_MINIMUM_GRACE, self._sidecar_grace()))

    def _sidecar_grace(self) -> float:
        if self._stopping.is_set():
            return self._end_at - asyncio.get_running_loop().time()
        return float(self.object["spec"].get("terminationGracePeriodSeconds") or 30)

    async def _initialise(self, group: asyncio.TaskGroup, sidecars: list[Runner]) -> bool:
        """Run the init containers; True when the main containers may start."""
        for container in self.object["spec"].get("initContainers") or ():
            if self._stopping.is_set():
                return False
            runner = self.runners[container["name"]]
            if is_sidecar(self.object, container):
                sidecars.append(runner)
                group.create_task(runner.run())
                await runner.wait_started()
                continue
            if not runner.finished.is_set():
                await runner.run()
            ended = runner.record.terminated
            if ended is None or ended["exitCode"] != 0:
                return False
        return True

    # -- keeping fresh

    async def _housekeeping(self) -> None:
        """Refresh volumes each sync period (tokens when they are due), watch their sizes."""
        loop = asyncio.get_running_loop()
        next_sync = loop.time() + self.machine.sync_period
        while True:
            wait = next_sync - loop.time()
            if storage.limited(self.object):
                wait = min(wait, SIZE_CHECK)
            await asyncio.sleep(max(0.0, wait))
            if message := await self._outgrown():
                self.event("Warning", "Evicted", message)
                self.end(0, Verdict("Evicted", message))
                return
            if loop.time() < next_sync:
                continue
            next_sync = loop.time() + self.machine.sync_period
            try:
                await self.volumes.refresh()
            except (VolumeError, OSError) as exc:
                self.event("Warning", "FailedSync", str(exc))

    async def measure(self) -> storage.Usage:
        """What the pod has on disk."""
        logs = {name: self.directory / "logs" / name for name in self.runners}
        return await asyncio.to_thread(storage.measure, self.volumes.on_disk(), logs)

    async def _outgrown(self) -> str | None:
        if not storage.limited(self.object):
            return None
        return storage.excess(self.object, await self.measure())

    # -- the end

    def _release(self) -> None:
        """Give back what only a running pod needs; logs stay until the object is gone."""
        self.attachment.close()
        self.machine.host.groups.remove_pod(self.object["metadata"]["uid"])
        volumes = self.directory / "volumes"
        self.machine.unmount_below(volumes)
        if volumes.exists():
            shutil.rmtree(volumes)
