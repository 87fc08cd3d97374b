"""One container of a pod: started, probed, restarted with back-off, stopped.

A `Runner` owns the container's record. `run` returns when the container has ended for good (its restart
policy says so, or it was stopped); everything in between is a state in the record, which the pod publishes.
"""

import asyncio
import contextlib
import logging
import signal
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sympozium.node import probes, status
from sympozium.node.cgroups import Group
from sympozium.node.env import ConfigError
from sympozium.node.guard import MemoryGuard
from sympozium.node.images import CatalogueError, Image, ImageError
from sympozium.node.logs import LogWriter, tail_text
from sympozium.node.netns import Network
from sympozium.node.objects import Object, timestamp
from sympozium.node.runtime import Credentials, Exit, Process, StartError
from sympozium.node.sandbox import Sandbox
from sympozium.node.status import Record

if TYPE_CHECKING:
    from sympozium.node.execution import Inside

_log = logging.getLogger(__name__)

BACKOFF_START, BACKOFF_LIMIT, BACKOFF_RESET = 10.0, 300.0, 600.0
HOLD_START = 0.5
RETRY = {"ErrImageNeverPull": 20.0, "CreateContainerConfigError": 10.0, "CreateContainerError": 30.0}
PRE_STOP_EXTENSION = 2.0
SIGNAL_RETRY = 0.05


class HoldError(Exception):
    """The container cannot be started now: a waiting reason of Kubernetes, and words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class Launch:
    """A started attempt, as the pod made it."""

    process: Process
    group: Group
    sandbox: Sandbox
    credentials: Credentials | None
    termination_log: Path
    guard: MemoryGuard | None = None
    """Where no control group holds the memory limit."""
    seccomp: bytes | None = None
    """The system call filter, for programs that are run inside later."""


class Pod(Protocol):
    """What a runner needs of its pod."""

    @property
    def object(self) -> Object: ...
    @property
    def ip(self) -> str: ...
    @property
    def network(self) -> Network | None: ...
    def changed(self) -> None:
        """The record of a container is new: keep it and publish it."""

    def event(self, kind: str, reason: str, message: str) -> None: ...
    def log_path(self, container: str, attempt: int) -> Path: ...
    def image(self, container: Object) -> Image: ...
    async def launch(self, container: Object, image: Image, log: LogWriter, attempt: int) -> Launch:
        """Start an attempt, having noted on disk that it starts. Raises ConfigError, StartError, OSError."""
        ...


class Backoff:
    """The kubelet's: none after the first failure, then 10 s doubling to 300 s, forgotten after ten good minutes."""

    def __init__(self) -> None:
        self._next = 0.0

    def delay(self, ran: float) -> float:
        """Seconds until the next attempt, after one that ran for `ran` seconds."""
        if ran >= BACKOFF_RESET:
            self._next = 0.0
        current = self._next
        self._next = min(max(BACKOFF_START, current * 2), BACKOFF_LIMIT)
        return current


class Runner:
    """Runs one container. One task awaits `run`; others may call `stop`."""

    def __init__(self, pod: Pod, container: Object, record: Record) -> None:
        self.container = container
        self.record = record
        self.writer: LogWriter | None = None
        self._pod = pod
        self._launch: Launch | None = None
        self._backoff = Backoff()
        self._stopping = asyncio.Event()
        self._kill_at: float | None = None
        self._deadline_moved = asyncio.Event()
        self._started = asyncio.Event()
        self.finished = asyncio.Event()
        self._active = False
        self._holds = 0
        if record.terminated and not self._may_restart():
            self.finished.set()

    def _may_restart(self) -> bool:
        ended = self.record.terminated
        return ended is None or status.may_restart(self._pod.object, self.container, ended["exitCode"])

    async def wait_started(self) -> None:
        """Until the container counts as started (its startup probe passed), or will never be."""
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(e.wait()) for e in (self._started, self.finished, self._stopping)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    # -- running

    async def run(self) -> None:
        """Until the container has ended for good. Cancelling ends the process at once."""
        self._active = True
        try:
            while not self._stopping.is_set() and not self.finished.is_set():
                if self.record.terminated:  # of the attempt before, or of a node before this one
                    self._archive()
                if not await self._attempt():
                    break
        finally:
            self.finished.set()

    async def _attempt(self) -> bool:
        """One attempt; whether there should be another one."""
        loop = asyncio.get_running_loop()
        try:
            launch = await self._create()
        except HoldError as hold:
            self._hold(hold)
            await self._pause(min(HOLD_START * 2**self._holds, RETRY[hold.reason]))
            self._holds += 1
            return True
        self._holds = 0
        began = loop.time()
        try:
            await self._attend(launch)
        except BaseException:
            launch.process.kill()
            raise
        if self._stopping.is_set() or not self._may_restart():
            return False
        delay = self._backoff.delay(loop.time() - began)
        if delay:
            self._back_off(delay)
            await self._pause(delay)
        return True

    def _archive(self) -> None:
        self.record.last, self.record.state = self.record.state, {}

    def _hold(self, hold: HoldError) -> None:
        waiting = {"reason": hold.reason, "message": str(hold)}
        if self.record.state != {"waiting": waiting}:
            self.record.state = {"waiting": waiting}
            self._pod.changed()
            if hold.reason == "ErrImageNeverPull":
                self._pod.event("Warning", "ErrImageNeverPull", str(hold))
                self._pod.event("Warning", "Failed", "Error: ErrImageNeverPull")
            else:
                self._pod.event("Warning", "Failed", f"Error: {hold}")

    def _back_off(self, delay: float) -> None:
        meta = self._pod.object["metadata"]
        where = f"container={self.record.name} pod={meta['name']}_{meta['namespace']}({meta['uid']})"
        self._archive()
        message = f"back-off {_go(delay)} restarting failed {where}"
        self.record.state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        self._pod.changed()
        self._pod.event("Warning", "BackOff", f"Back-off restarting failed container {self.record.name} in pod "
                        f"{meta['name']}_{meta['namespace']}({meta['uid']})")  # fmt: skip

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _create(self) -> Launch:
        """Make and start the next attempt. Raises HoldError."""
        try:
            image = self._pod.image(self.container)
        except (ImageError, CatalogueError) as exc:
            raise HoldError("ErrImageNeverPull", str(exc)) from exc
        record = self.record
        number = record.attempt + 1
        writer = LogWriter(self._pod.log_path(record.name, number))
        try:
            launch = await self._pod.launch(self.container, image, writer, number)
        except ConfigError as exc:
            writer.discard()
            raise HoldError("CreateContainerConfigError", str(exc)) from exc
        except (StartError, OSError) as exc:
            writer.discard()
            raise HoldError("CreateContainerError", str(exc)) from exc
        self._log_writer(writer)
        record.attempt, record.image_id = number, image.id
        record.container_id = f"bwrap://{uuid.uuid4()}"
        record.state = {"running": {"startedAt": timestamp()}}
        record.started = record.ready = False
        self._pod.changed()
        self._pod.event("Normal", "Pulled", f'Container image "{image.name}" already present on machine')
        self._pod.event("Normal", "Created", f"Created container: {record.name}")
        self._pod.event("Normal", "Started", f"Started container {record.name}")
        return launch

    def _log_writer(self, writer: LogWriter) -> None:
        self.writer = writer
        old = self._pod.log_path(self.record.name, self.record.attempt - 1)  # `previous` needs one, not more
        for file in old.parent.glob(f"{old.name}*"):
            file.unlink()

    async def _attend(self, launch: Launch) -> None:
        """From start to the recorded end of one attempt."""
        self._launch = launch
        writer = self.writer
        assert writer is not None
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(self._watch(launch))]
            if launch.guard:
                helpers.append(group.create_task(launch.guard.run()))
            exited = await launch.process.wait()
            for task in helpers:
                task.cancel()
        writer.close()
        self._launch = None
        oom = launch.group.oom_kills() > 0 or bool(launch.guard and launch.guard.fired)
        self._record_end(launch, exited, oom=oom)
        await launch.group.destroy()

    def _record_end(self, launch: Launch, exited: Exit, *, oom: bool) -> None:
        record, policy = self.record, self.container.get("terminationMessagePolicy", "File")
        try:
            with launch.termination_log.open("rb") as file:
                content = file.read(status.MESSAGE_LIMIT)
        except OSError as exc:
            content = f"termination message could not be read: {exc}".encode()
        path = self._pod.log_path(record.name, record.attempt)
        tail = tail_text(path) if policy == "FallbackToLogsOnError" and exited.code else ""
        message = status.termination_message(content, policy, exited.code, tail) or exited.error
        if not exited.executed:
            reason = "StartError"
            self._pod.event("Warning", "Failed", f"Error: {exited.error}")
        elif oom and exited.code == 137:
            reason = "OOMKilled"
        else:
            reason = "Completed" if exited.code == 0 else "Error"
        began = record.state.get("running", {}).get("startedAt", timestamp())
        record.state = status.terminated(
            code=exited.code, reason=reason, message=message, started=began, finished=timestamp(),
            container_id=record.container_id,
        )  # fmt: skip
        record.started = record.ready = False
        self._pod.changed()

    # -- probes and hooks

    async def _watch(self, launch: Launch) -> None:
        """Hooks and probes of a running attempt, until cancelled at its end."""
        if hook := (self.container.get("lifecycle") or {}).get("postStart"):
            ok, why = await probes.attempt(hook, self._target(launch), 120.0)
            if not ok:
                self._pod.event("Warning", "FailedPostStartHook", f"PostStartHook failed: {why}")
                await self._end_process(launch, self._grace())
                return
        if probe := self.container.get("startupProbe"):
            await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
            if not await self._until(launch, probe, "Startup"):
                await self._restart(launch, probe, "startup")
                return
        self.record.started = True
        self.record.ready = "readinessProbe" not in self.container
        self._started.set()
        self._pod.changed()
        async with asyncio.TaskGroup() as group:
            if probe := self.container.get("readinessProbe"):
                group.create_task(self._readiness(launch, probe))
            if probe := self.container.get("livenessProbe"):
                group.create_task(self._liveness(launch, probe))

    async def _until(self, launch: Launch, probe: Object, name: str) -> bool:
        """Try until a threshold is reached."""
        counter = probes.Counter(probe)
        while True:
            result = counter.add(await self._probe(launch, probe, name))
            if result is not None:
                return result
            await asyncio.sleep(probe.get("periodSeconds") or 10)

    async def _probe(self, launch: Launch, probe: Object, name: str) -> bool:
        ok, why = await probes.attempt(probe, self._target(launch), float(probe.get("timeoutSeconds") or 1))
        if not ok:
            self._pod.event("Warning", "Unhealthy", f"{name} probe failed: {why}")
        return ok

    async def _readiness(self, launch: Launch, probe: Object) -> None:
        counter = probes.Counter(probe)
        await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
        while True:
            result = counter.add(await self._probe(launch, probe, "Readiness"))
            if result is not None and result != self.record.ready:
                self.record.ready = result
                self._pod.changed()
            await asyncio.sleep(probe.get("periodSeconds") or 10)

    async def _liveness(self, launch: Launch, probe: Object) -> None:
        counter = probes.Counter(probe)
        await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
        while True:
            if counter.add(await self._probe(launch, probe, "Liveness")) is False:
                await self._restart(launch, probe, "liveness")
                return
            await asyncio.sleep(probe.get("periodSeconds") or 10)

    async def _restart(self, launch: Launch, probe: Object, name: str) -> None:
        self._pod.event(
            "Normal", "Killing", f"Container {self.record.name} failed {name} probe, will be restarted"
        )
        await self._end_process(launch, float(probe.get("terminationGracePeriodSeconds") or self._grace()))

    def _grace(self) -> float:
        return float(self._pod.object["spec"].get("terminationGracePeriodSeconds") or 30)

    def _target(self, launch: Launch) -> probes.Target:
        async def execute(argv: Sequence[str], timeout: float) -> tuple[int, str]:  # noqa: ASYNC109
            from sympozium.node import execution

            return await execution.execute(self._inside(launch), argv, timeout)

        return probes.Target(self.container, self._pod.ip, self._pod.network, execute)

    def _inside(self, launch: Launch) -> "Inside":
        from sympozium.node.execution import Inside

        box = launch.sandbox
        return Inside(
            launch.process,
            box.env,
            box.cwd,
            launch.credentials,
            launch.group,
            self._pod.network,
            launch.seccomp,
        )

    # -- for clients

    @property
    def inside(self) -> "Inside | None":
        """What a program needs to be run in the container; None when it does not run."""
        return self._inside(self._launch) if self._launch and self._launch.process.running else None

    @property
    def process(self) -> Process | None:
        """None when the container does not run."""
        return self._launch.process if self._launch and self._launch.process.running else None

    # -- stopping

    async def stop(self, grace: float, why: str = "") -> None:
        """End the container for good: preStop, SIGTERM, at most `grace` seconds, SIGKILL. May be called again
        with a shorter grace. Returns when `run` is done with it.
        """
        first = not self._stopping.is_set()
        self._stopping.set()
        self._move_deadline(grace)
        launch = self._launch
        if launch is not None and first:
            self._pod.event("Normal", "Killing", f"Stopping container {self.record.name}{why}")
            await self._end_process(launch, grace)
        if self._active:
            await self.finished.wait()

    def _move_deadline(self, grace: float) -> None:
        at = asyncio.get_running_loop().time() + grace
        if self._kill_at is None or at < self._kill_at:
            self._kill_at = at
            self._deadline_moved.set()

    async def _end_process(self, launch: Launch, grace: float) -> None:
        """Hook preStop and SIGTERM within the grace time, then SIGKILL."""
        loop = asyncio.get_running_loop()
        kill_at = self._kill_at if self._stopping.is_set() and self._kill_at else loop.time() + grace
        lifecycle = self.container.get("lifecycle") or {}
        if (hook := lifecycle.get("preStop")) and grace > 0:
            ok, why = await self._bounded(probes.attempt(hook, self._target(launch), grace), kill_at)
            if not ok:
                self._pod.event("Warning", "FailedPreStopHook", f"PreStopHook failed: {why}")
            kill_at = max(kill_at, loop.time() + PRE_STOP_EXTENSION)
        number = _stop_signal(lifecycle)
        while not launch.process.signal(number) and launch.process.running and loop.time() < kill_at:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(SIGNAL_RETRY)
        while launch.process.running:
            self._deadline_moved.clear()
            if self._stopping.is_set() and self._kill_at is not None:
                kill_at = min(kill_at, max(self._kill_at, loop.time()))
            try:
                async with asyncio.timeout_at(kill_at):
                    await _first(launch.process.exited, self._deadline_moved.wait)
            except TimeoutError:
                launch.process.kill()
                await launch.process.exited()

    async def _bounded(self, attempt: Awaitable[tuple[bool, str]], until: float) -> tuple[bool, str]:
        try:
            async with asyncio.timeout_at(until):
                return await attempt
        except TimeoutError:
            return False, "it did not end within the grace period"


async def _first(*waits: Callable[[], Awaitable[object]]) -> None:
    """Until one of them is done; the others are cancelled."""

    async def run(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(wait)) for wait in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


def _stop_signal(lifecycle: Object) -> int:
    name = lifecycle.get("stopSignal") or "SIGTERM"
    return int(getattr(signal, name, signal.SIGTERM))


def _go(seconds: float) -> str:
    """`10s`, `2m40s`: as Go prints durations in these messages."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
