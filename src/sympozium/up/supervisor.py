"""Starts the parts in the order in which they need each other, and keeps them running.

    API ──► install: bus keys ──► nats-server
              │ ServiceAccounts, RBAC, CRDs, tokens
              ├──► webhook, controllers, node, API server
              └──► catalogue, configuration (through the webhook) ──► ready

`python -m sympozium.up.install` does the steps that need an HTTP client, and says on its standard
output how far it is; the supervisor starts what has become possible.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from sympozium import __version__
from sympozium.up import ports as loopback
from sympozium.up.components import Components
from sympozium.up.identities import TOKEN_SECONDS
from sympozium.up.model import ModelEndpoint, ModelEndpointError, discover, rehearsal
from sympozium.up.paths import DataDir
from sympozium.up.processes import Child, kill_stale, start_time
from sympozium.up.state import ChildState, DamagedError, State, read

_READY_TIMEOUT = 60.0
_LOG_LIMIT = 20 * 1024 * 1024
_LOG_INTERVAL = 600.0
# The order of stopping: first what acts, then what it acts through.
_STOP_ORDER = ("apiserver", "controllers", "webhook", "node", "rehearsal", "bus", "api")


class StartError(Exception):
    """The machine did not become ready; the text says which part, and shows its last words."""


@dataclass(slots=True)
class Supervisor:
    """Runs one data directory until SIGTERM or SIGINT."""

    data: DataDir
    port: int
    dashboard_port: int
    token_auth_file: Path | None
    children: dict[str, Child] = field(default_factory=dict)
    _state: State = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._state = State(pid=os.getpid(), started=start_time(os.getpid()), version=__version__)

    async def run(self, ready: asyncio.Future[State]) -> None:
        """Start, set `ready`, and keep running until a signal. Everything is stopped on the way out."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._clean_up_after_the_dead()
        try:
            async with asyncio.TaskGroup() as group:
                await self._run_in(group, ready)
        except BaseExceptionGroup as errors:
            await self._stop_all()
            failed, _ = errors.split(StartError)
            if failed is None:
                raise
            raise _first(failed) from None

    async def _run_in(self, group: asyncio.TaskGroup, ready: asyncio.Future[State]) -> None:
        starting = group.create_task(self._start(group))
        stopping = group.create_task(self._stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            ready.set_result(self._state)
            housekeeping = group.create_task(self._housekeeping())
            await stopping
            housekeeping.cancel()
        else:
            starting.cancel()
        await self._stop_all()

    # -- starting

    def _endpoint(self, ports: dict[str, int]) -> ModelEndpoint:
        try:
            return discover() or rehearsal(ports["rehearsal"])
        except ModelEndpointError as exc:
            raise StartError(str(exc)) from None

    async def _start(self, group: asyncio.TaskGroup) -> None:
        names = [
            "bus",
            "webhook",
            "rehearsal",
            "node",
            *(f"{name}-health" for name in ("controllers", "webhook", "node", "apiserver")),
        ]
        asked = {"api": (self.port, "--port"), "apiserver": (self.dashboard_port, "--dashboard-port")}
        ports = loopback.assign(self.data.ports, [*names, *(n for n, (port, _) in asked.items() if not port)])
        for name, (port, option) in asked.items():
            if port:
                ports[name] = _claim(port, option)
        endpoint = self._endpoint(ports)
        self._state.ports, self._state.model, self._state.base_url = ports, endpoint.source, endpoint.base_url
        self._state.dashboard = f"http://127.0.0.1:{ports['apiserver']}"
        components = Components(self.data, ports, self.token_auth_file)
        components.write_images()

        try:
            async with asyncio.timeout(_READY_TIMEOUT):
                await self._launch(components.api(), group)
                async for step in self._install(components, endpoint):
                    if step.startswith("model "):
                        self._state.model = step.removeprefix("model ")
                    for child in components.enabled_by(step, endpoint):
                        await self._launch(child, group)
        except TimeoutError:
            raise StartError(self._last_words("not ready after 60 s")) from None
        self._state.ready = True
        self._write()

    async def _launch(self, child: Child, group: asyncio.TaskGroup) -> None:
        child.changed = self._write
        self.children[child.name] = child
        try:
            await child.start()
        except OSError as exc:
            raise StartError(f"{child.name} cannot be started: {exc}") from exc
        group.create_task(child.run())

    async def _install(self, components: Components, endpoint: ModelEndpoint) -> AsyncIterator[str]:
        """Run the installer; yields the steps that it reports."""
        process = await asyncio.create_subprocess_exec(
            *components.installer(endpoint),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **components.installer_env(endpoint)},
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async for line in process.stdout:
                yield line.decode().strip()
            errors = (await process.stderr.read()).decode(errors="replace").strip()
            if await process.wait():
                raise StartError(self._last_words(errors or "the installer failed without a word"))
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def _last_words(self, reason: str) -> str:
        down = [child for child in self.children.values() if child.pid is None or child.restarts]
        words = [f"{child.name} (exit {child.last_exit}): {child.tail()}" for child in down]
        return "\n".join([reason, *words, f"logs: {self.data.logs}"])

    # -- living and ending

    async def _housekeeping(self) -> None:
        """Renew the components' tokens and keep their logs small."""
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + TOKEN_SECONDS * 0.8
        while True:
            await asyncio.sleep(_LOG_INTERVAL)
            for child in self.children.values():
                _shorten_log(child.log)
            if loop.time() >= renew_at:
                renew_at = loop.time() + await self._renew_tokens()

    async def _renew_tokens(self) -> float:
        """Seconds until the next renewal."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sympozium.up.install", "tokens", str(self.data.root),
            stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if await process.wait():
            print("sympozium up: tokens were not renewed; trying again in 10 min", file=sys.stderr)  # noqa: T201
            return _LOG_INTERVAL
        return TOKEN_SECONDS * 0.8

    async def _stop_all(self) -> None:
        self._state.ready = False
        for name in _STOP_ORDER:
            if child := self.children.get(name):
                await child.stop()
        self._write()

    def _clean_up_after_the_dead(self) -> None:
        """End children of a supervisor that was killed, which did not end by themselves."""
        try:
            old = read(self.data)
        except DamagedError as exc:
            raise StartError(str(exc)) from None
        for child in old.children.values() if old else ():
            if child.pid is not None and child.started is not None:
                kill_stale(child.pid, child.started)

    def _write(self) -> None:
        self._state.children = {
            name: ChildState(child.pid, start_time(child.pid) if child.pid else None, child.restarts)
            for name, child in self.children.items()
        }
        self._state.write(self.data)


def _claim(port: int, option: str) -> int:
    """The port that was asked for. Raises StartError."""
    try:
        problem = "" if loopback.claim(port) else "is in use"
    except OSError as exc:
        problem = f"cannot be used: {exc.strerror}"
    if problem:
        raise StartError(f"port {port} of 127.0.0.1 {problem}; choose another with {option}, or {option} 0")
    return port


def _first(errors: BaseExceptionGroup[StartError]) -> StartError:
    """What went wrong first; the rest followed from it."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _shorten_log(path: Path) -> None:
    """Keep at most two times the limit: the children append, so truncation under them is safe."""
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)


def report(state: State) -> str:
    """The line that a waiting parent reads."""
    return json.dumps({"ready": True, "server": state.server, "model": state.model})
