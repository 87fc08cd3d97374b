"""Starts, signals and awaits one sandboxed process; knows nothing of pods.

    node ── bwrap (outer) ── bwrap (PID 1 inside, `child`) ── payload

SIGTERM to the outer bwrap would destroy the sandbox at once, so signals go to the payload, which is the
first child of `child`. SIGKILL to `child` ends everything inside. bwrap reports on its status pipe; an
`exit-code` line comes only when the payload was executed at all, which is how a program that ended with 1
is told from one that does not exist.
"""

import asyncio
import contextlib
import json
import logging
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sympozium.node import mounts, sandbox, terminal
from sympozium.node.cgroups import Group
from sympozium.node.netns import Network
from sympozium.node.sandbox import Sandbox
from sympozium.node.stdin import Stdin
from sympozium.node.taps import Tap, Taps

_BEGIN_POLL = 0.002

_log = logging.getLogger(__name__)

Output = Callable[[str, bytes], None]
"""Gets the name of the stream (`stdout`, `stderr`) and a piece of it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user of the host that a container runs as; only root can give one."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended. `code` is 128+N for signal N, as in a shell."""

    code: int
    executed: bool
    """False when the program could not be started at all: `error` says why."""
    error: str = ""

    @property
    def signal(self) -> int:
        return self.code - 128 if 128 < self.code < 160 else 0


class StartError(Exception):
    """The sandbox could not be made; the text is for the pod's status."""


class Process:
    """A running container. Made by `start`; `wait` must be awaited for its descriptors to be released."""

    def __init__(
        self,
        popen: "subprocess.Popen[bytes]",
        status: int,
        output: Output,
        *,
        console: int | None,
        stdin: Stdin | None,
    ) -> None:
        """`console` is the master of the container's terminal, in place of its pipes."""
        self._popen = popen
        self._loop = asyncio.get_running_loop()
        self._output = output
        self._status = status
        self._status_text = b""
        self._tail = b""
        self.child: int | None = None
        """PID 1 of the sandbox, as a process id of the host."""
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self._console = console
        self.stdin = stdin
        self._streams: dict[int, str] = {}
        self._open: set[int] = set()
        self._taps = Taps(self._resume)
        self._paused = False
        self._drained = asyncio.Event()
        self._exited = asyncio.Event()
        self._pidfd = os.pidfd_open(popen.pid)
        self._child_fd: int | None = None
        self._listen()

    def _listen(self) -> None:
        if self._console is not None:
            self._streams = {self._console: "stdout"}
        else:
            assert self._popen.stdout is not None
            assert self._popen.stderr is not None
            self._streams = {self._popen.stdout.fileno(): "stdout", self._popen.stderr.fileno(): "stderr"}
        for descriptor in self._streams:
            os.set_blocking(descriptor, False)
            self._open.add(descriptor)
            self._loop.add_reader(descriptor, self._read_output, descriptor)
        os.set_blocking(self._status, False)
        self._open.add(self._status)
        self._loop.add_reader(self._status, self._read_status)
        self._loop.add_reader(self._pidfd, self._reap)

    def _read_output(self, descriptor: int) -> None:
        name = self._streams[descriptor]
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last process has left the terminal
            data = b""
        if not data:
            self._finished(descriptor)
            return
        if name == "stderr" or self._console is not None:
            self._tail = (self._tail + data)[-2048:]
        self._output(name, data)
        self._taps.put(name, data)
        if self._taps.full and not self._paused:
            self._paused = True
            for one in self._open & set(self._streams):
                self._loop.remove_reader(one)

    def _resume(self) -> None:
        """Read on: every attached client has room again."""
        if self._paused:
            self._paused = False
            for one in self._open & set(self._streams):
                self._loop.add_reader(one, self._read_output, one)

    def tap(self) -> Tap:
        """All output from now on, for an attached client, who must close it."""
        return self._taps.add()

    def resize(self, width: int, height: int) -> None:
        """Of the terminal, if the container has one. Raises OSError."""
        if self._console is not None and self._console in self._open:
            terminal.set_size(self._console, width, height)

    def _read_status(self) -> None:
        try:
            data = os.read(self._status, 65536)
        except BlockingIOError:
            return
        if not data:
            self._finished(self._status)
            if not self.ready.done():
                self.ready.set_result(None)
            return
        self._status_text += data
        if self.child is None:
            for line in self._status_text.splitlines():
                with contextlib.suppress(ValueError):
                    self.child = json.loads(line).get("child-pid")
            if self.child is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._child_fd = os.pidfd_open(self.child)
        if self.child is not None and not self.ready.done():
            self.ready.set_result(None)

    def _finished(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        self._open.discard(descriptor)
        if not self._open & set(self._streams):
            self._taps.end()
        if not self._open:
            self._drained.set()

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._popen.wait()  # readable means exited: this does not block
        self._exited.set()

    def payload(self) -> int | None:
        """The process id of the payload on the host, or None when it is not (or no longer) there."""
        if self.child is None:
            return None
        try:
            with open(f"/proc/{self.child}/task/{self.child}/children") as file:  # noqa: PTH123  # short-lived
                children = file.read().split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # Orphans inside are adopted by `child`, but behind the payload, which it forked first.
        return int(children[0]) if children else None

    async def begun(self) -> None:
        """When the payload is there, or has been. bwrap does not say so: it takes a few milliseconds, in which a signal
        would be lost and a hook would find no container.
        """
        while self.running and self._status in self._open and self.payload() is None:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(_BEGIN_POLL)

    def signal(self, number: int) -> bool:
        """Send a signal to the payload alone; False when it is not there (yet), or was overlooked.

        The kernel's list of children is not reliable while one of them ends: try again (proc_tid_children(5)).
        """
        pid = self.payload()
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)
        return True

    def kill(self) -> None:
        """End everything inside at once."""
        if self._pidfd < 0 or self._exited.is_set():
            return
        with contextlib.suppress(ProcessLookupError):
            # By descriptor: the number may already be somebody else's.
            signal.pidfd_send_signal(self._child_fd or self._pidfd, signal.SIGKILL)

    @property
    def running(self) -> bool:
        return not self._exited.is_set()

    async def exited(self) -> None:
        """When the sandbox has ended; its output may still be on its way."""
        await self._exited.wait()

    async def wait(self) -> Exit:
        """When everything inside has ended and its output is complete. Cancelling leaves the process running."""
        await self._exited.wait()
        await self._drained.wait()
        if self._pidfd >= 0:
            for descriptor in (self._pidfd, self._status, self._child_fd, self._console):
                if descriptor is not None:
                    os.close(descriptor)
            for file in (self._popen.stdout, self._popen.stderr):
                if file is not None:
                    file.close()
            if self.stdin is not None:
                self.stdin.close()
            self._pidfd = -1
            self._child_fd = self._console = None
        return self._exit()

    def _exit(self) -> Exit:
        reported = [json.loads(line) for line in self._status_text.splitlines()]
        code = next((line["exit-code"] for line in reported if "exit-code" in line), None)
        if code is not None:
            return Exit(code, executed=True)
        rc = self._popen.returncode
        if rc < 0:
            return Exit(128 - rc, executed=True, error=f"the sandbox itself was ended by signal {-rc}")
        text = self._tail.decode(errors="replace").strip()
        return Exit(128, executed=False, error=text.removeprefix("bwrap: ") or f"bwrap ended with {rc}")


async def start(
    box: Sandbox,
    *,
    bwrap: str,
    layout: list[str],
    output: Output,
    credentials: Credentials | None = None,
    group: Group | None = None,
    network: Network | None = None,
    seccomp: bytes | None = None,
    processes: int | None = None,
    stdin: bool = False,
) -> Process:
    """Start `box`. `network` is the network to start in, the node's own when None.

    `processes` limits the number of processes by rlimit, which counts in the user namespace of the
    sandbox: for machines without a pids controller. With `stdin` the process has an input that clients can write,
    else an empty one.

    Returns when the program is about to be executed, in its control group; that may still fail, which
    `Process.wait` tells. Raises StartError when the sandbox could not be made.
    """
    block_read, block_write = os.pipe()
    status_read, status_write = os.pipe()
    seccomp_fd = _memory_file("seccomp", seccomp) if seccomp else None
    arguments = sandbox.arguments(
        box, layout=layout, block_fd=block_read, status_fd=status_write, seccomp_fd=seccomp_fd
    )
    if any("\0" in text for text in (*arguments, *box.argv)):
        raise StartError("a NUL byte in the command, the environment or a path: no process can be given one")
    args_fd = _memory_file("bwrap-args", b"".join(text.encode() + b"\0" for text in arguments))
    inherited = [fd for fd in (block_read, status_write, args_fd, seccomp_fd) if fd is not None]
    shared = [mount.descriptor for mount in box.mounts if mount.descriptor is not None]
    owner = (credentials.uid, credentials.gid) if credentials else None
    console, slave = terminal.open_pair(owner) if box.terminal else (None, None)
    session = ["setsid", "--ctty"] if box.terminal else []
    try:
        popen = _spawn(
            [*session, bwrap, "--args", str(args_fd), "--", *box.argv], [*inherited, *shared], credentials, network,
            stdin=stdin, console=slave, path=os.defpath if session else "",
        )  # fmt: skip
    except OSError as exc:
        if console is not None:
            os.close(console)
        os.close(block_write)
        os.close(status_read)
        raise StartError(f"{bwrap} cannot be started: {exc}") from exc
    finally:
        for descriptor in (*inherited, *([slave] if slave is not None else [])):
            os.close(descriptor)
    process = Process(popen, status_read, output, console=console, stdin=_input(popen, console, wanted=stdin))
    try:
        await process.ready
        if process.child is not None and group is not None:
            group.add(process.child)
        if process.child is not None and processes is not None:
            resource.prlimit(process.child, resource.RLIMIT_NPROC, (processes, processes))
    except OSError as exc:
        process.kill()
        os.write(block_write, b"x")  # the outer bwrap waits for it, even when what it waits with is dead
        await process.wait()
        raise StartError(f"the process cannot be put into its control group: {exc}") from exc
    except BaseException:
        process.kill()
        raise
    finally:
        with contextlib.suppress(BrokenPipeError):
            os.write(block_write, b"x")
        os.close(block_write)
    try:
        await process.begun()
    except BaseException:
        process.kill()
        raise
    return process


def _spawn(
    argv: list[str],
    inherited: Sequence[int],
    credentials: Credentials | None,
    network: Network | None,
    *,
    stdin: bool,
    console: int | None,
    path: str,
) -> "subprocess.Popen[bytes]":
    """Fork and exec; in another network namespace when one is given.

    The thread steps into that namespace for the length of the call, which never yields to the event loop.
    It must be the main thread: `--die-with-parent` means the thread that forked.
    """
    own = None
    if network is not None and network.user is None:
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    elif network is not None:
        argv, inherited = [*network.prefix(), *argv], [*inherited, *network.descriptors()]
        path = path or os.defpath
    try:
        if network is not None and own is not None:
            mounts.enter_network(network.net)
        return subprocess.Popen(
            argv,
            stdin=console if console is not None else subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if console is None else console,
            stderr=subprocess.PIPE if console is None else console,
            bufsize=0,
            pass_fds=inherited,
            cwd="/",
            env={"PATH": path} if path else {},
            user=credentials.uid if credentials else None,
            group=credentials.gid if credentials else None,
            extra_groups=[] if credentials else None,
        )
    finally:
        if own is not None:
            mounts.enter_network(own)
            os.close(own)


def _input(popen: "subprocess.Popen[bytes]", console: int | None, *, wanted: bool) -> Stdin | None:
    if not wanted:
        return None
    if console is not None:
        return Stdin(os.dup(console), terminal=True)
    assert popen.stdin is not None
    descriptor = os.dup(popen.stdin.fileno())
    popen.stdin.close()
    return Stdin(descriptor, terminal=False)


def _memory_file(name: str, content: bytes) -> int:
    descriptor = os.memfd_create(name, 0)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
