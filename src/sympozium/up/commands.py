"""`up` and `down`, as functions of values: the command line is elsewhere."""

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sympozium.up import state
from sympozium.up.paths import DataDir
from sympozium.up.processes import kill_stale, start_time
from sympozium.up.supervisor import StartError, Supervisor, report

DEFAULT_PORT = 7443
DEFAULT_DASHBOARD_PORT = 7480
_START_BOUND = 90.0
_STOP_BOUND = 60.0


@dataclass(frozen=True, slots=True)
class Ports:
    """On 127.0.0.1; 0 picks a free one."""

    api: int
    dashboard: int


class UpError(Exception):
    """`up` or `down` could not do it; the text is one line with the cure."""


def up(
    data_dir: Path,
    *,
    port: int = DEFAULT_PORT,
    dashboard_port: int | None = None,
    detach: bool = False,
    token_auth_file: Path | None = None,
) -> int:
    """Start the control plane on this machine.

    With `detach`, returns 0 when everything is ready (and at once when it already was). Without,
    runs until SIGINT or SIGTERM. `port` 0 picks a free one. `dashboard_port` is 7480
    when it is absent, and a free one when `port` is. Raises UpError.
    """
    ports = Ports(port, (DEFAULT_DASHBOARD_PORT if port else 0) if dashboard_port is None else dashboard_port)
    token_auth_file = _absolute(token_auth_file)
    data = DataDir(data_dir.absolute())
    try:
        data.make()
    except OSError as exc:
        raise UpError(f"the data directory {data.root} cannot be made: {exc}") from exc
    if state.is_running(data):
        if detach:
            _say(f"already running: {_where(data)}")
            return 0
        raise UpError(f"already running in {data.root}: `sympozium down --data-dir {data.root}` stops it")
    return (
        _detached(data, ports, token_auth_file) if detach else _foreground(data, ports, token_auth_file, None)
    )


def down(data_dir: Path) -> int:
    """Stop what `up` started in this data directory; returns 0 also when nothing ran. Raises UpError."""
    data = DataDir(data_dir.absolute())
    try:
        written = state.read(data) if data.root.is_dir() else None
    except state.DamagedError as exc:
        raise UpError(str(exc)) from None
    if written is None or not state.is_running(data):
        ended = [name for name, child in (written.children if written else {}).items()
                 if child.pid and child.started and kill_stale(child.pid, child.started)]  # fmt: skip
        _say(
            f"not running in {data.root}"
            + (f"; ended what a killed one left: {', '.join(ended)}" if ended else "")
        )
        return 0
    if start_time(written.pid) != written.started:
        raise UpError(
            f"{data.lock} is held, but not by the process that {data.state} names: wait a second and try again"
        )
    descriptor = os.pidfd_open(written.pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        readable, _, _ = select.select([descriptor], [], [], _STOP_BOUND)
    finally:
        os.close(descriptor)
    if not readable:
        raise UpError(f"pid {written.pid} did not stop within {_STOP_BOUND:.0f} s: see {data.logs}")
    _say(f"stopped {data.root}")
    return 0


def supervise(data_dir: Path, ports: Ports, token_auth_file: Path | None, notify: int) -> int:
    """The detached supervisor: reports on the descriptor `notify`, one line of JSON."""
    with os.fdopen(notify, "w") as pipe:
        return _foreground(DataDir(data_dir), ports, token_auth_file, pipe)


def _absolute(token_auth_file: Path | None) -> Path | None:
    if token_auth_file and not token_auth_file.is_file():
        raise UpError(f"--token-auth-file {token_auth_file}: no such file")
    return token_auth_file.absolute() if token_auth_file else None


def _foreground(data: DataDir, ports: Ports, token_auth_file: Path | None, notify: IO[str] | None) -> int:
    try:
        with state.hold(data):
            return asyncio.run(_run(data, ports, token_auth_file, notify))
    except state.AlreadyRunningError:
        raise UpError(f"already running in {data.root}") from None
    except StartError as exc:
        if notify is None:
            raise UpError(str(exc)) from None
        with contextlib.suppress(BrokenPipeError):
            notify.write(json.dumps({"error": str(exc)}) + "\n")
        return 1


async def _run(data: DataDir, ports: Ports, token_auth_file: Path | None, notify: IO[str] | None) -> int:
    supervisor = Supervisor(data, ports.api, ports.dashboard, token_auth_file)
    ready: asyncio.Future[state.State] = asyncio.get_running_loop().create_future()

    def announce(future: "asyncio.Future[state.State]") -> None:
        if future.cancelled():
            return
        if notify is None:
            _say(f"ready: {_where(data)}")
            return
        with contextlib.suppress(BrokenPipeError):
            notify.write(report(future.result()) + "\n")
            notify.flush()

    ready.add_done_callback(announce)
    await supervisor.run(ready)
    return 0


def _detached(data: DataDir, ports: Ports, token_auth_file: Path | None) -> int:
    reading, writing = os.pipe()
    argv = [
        sys.executable,
        "-m",
        "sympozium.up",
        str(data.root),
        f"{ports.api},{ports.dashboard}",
        str(writing),
    ]
    if token_auth_file:
        argv.append(str(token_auth_file))
    with (data.logs / "up.log").open("ab") as log:
        process = subprocess.Popen(
            argv, pass_fds=[writing], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        try:
            readable, _, _ = select.select([pipe], [], [], _START_BOUND)
            line = pipe.readline() if readable else ""
        except KeyboardInterrupt:  # it is in a session of its own and has not heard
            process.terminate()
            process.wait(_STOP_BOUND)
            raise
    if not line:
        if not readable:
            process.terminate()
        raise UpError(f"the supervisor did not come up: see {data.logs / 'up.log'}")
    answer = json.loads(line)
    if "error" in answer:
        process.wait(_STOP_BOUND)
        raise UpError(answer["error"])
    _say(f"ready: {_where(data)}")
    return 0


def _where(data: DataDir) -> str:
    written = state.read(data)
    if written is None:
        return f"export KUBECONFIG={data.kubeconfig}"
    lines = [f"export KUBECONFIG={data.kubeconfig}"]
    lines += [f"model: {written.model}"] if written.model else []
    lines += [f"dashboard: {written.dashboard} (sympozium open)"] if written.dashboard else []
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - these functions are the command's body


__all__ = ["DEFAULT_PORT", "Ports", "UpError", "down", "supervise", "up"]
