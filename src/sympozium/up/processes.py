"""One child of the supervisor: started, watched, restarted, stopped, and never orphaned.

A child gets SIGTERM from the kernel when the supervisor dies, even by `kill -9`
(PR_SET_PDEATHSIG). What still survives (a child that hangs) is found by the next `up` through the
pids with start times in `up.json`: a pid alone may by then belong to somebody else.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_STOP_GRACE = 10.0
_BACKOFF_FIRST, _BACKOFF_LAST = 0.5, 30.0
_STEADY = 60.0


def _die_with_parent() -> None:
    """Runs in the child between fork and exec; only async-signal-safe work here."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def start_time(pid: int) -> int | None:
    """The kernel's start time of a process (field 22 of /proc/PID/stat), None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command in parentheses may hold spaces: count from the last one.
    return int(text.rpartition(")")[2].split()[19])


def kill_stale(pid: int, started: int) -> bool:
    """SIGKILL a process of a dead supervisor, if it is still the one that was written down."""
    if start_time(pid) != started:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


@dataclass(slots=True)
class Child:
    """A process that is kept running until `stop`.

    `log` receives its stdout and stderr. `changed` is called after each start, so that the
    supervisor can write the new pid down before anything can happen to it.
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    changed: Callable[[], None] = lambda: None
    restarts: int = 0
    last_exit: int | None = None
    _process: asyncio.subprocess.Process | None = None
    _stopping: bool = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it once; raises OSError when the program is not there."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env={**os.environ, **self.env},
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        finally:
            os.close(descriptor)
        self.changed()

    async def run(self) -> None:
        """Keep it running: restart with back-off until `stop`. Cancellation leaves it to `stop`."""
        delay = _BACKOFF_FIRST
        while True:
            assert self._process is not None
            began = asyncio.get_running_loop().time()
            self.last_exit = await self._process.wait()
            if self._stopping:
                return
            if asyncio.get_running_loop().time() - began > _STEADY:
                delay = _BACKOFF_FIRST
            self.restarts += 1
            self.changed()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _BACKOFF_LAST)
            await self._restart()

    async def _restart(self) -> None:
        if not self._stopping:  # `stop` may have come while we slept
            await self.start()

    async def stop(self, grace: float = _STOP_GRACE) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds. Returns when it is gone."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(grace):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def tail(self, lines: int = 5) -> str:
        """The last lines of its log, for the message that says why it did not start."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""
