"""A program inside a running container: for exec of a user, and for probes and hooks.

`inside` does the entering, in a process of its own; this is the node's end of it. The program's standard
streams are pipes, or a terminal of the container's own. What ends it: the end of the container (all
processes of its process namespace die, 137), `kill`, the end of the node. A user that goes away closes the
pipes or hangs up the terminal, as a runtime does; the program itself is not signalled.
"""

import asyncio
import contextlib
import fcntl
import marshal
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sympozium.node import terminal
from sympozium.node.cgroups import Group
from sympozium.node.netns import Network
from sympozium.node.runtime import Credentials, Process, StartError

_NS_GET_PARENT = 0xB702  # ioctl_ns(2)
_NAMESPACES = ("user", "ipc", "uts", "net", "cgroup", "pid", "mnt")
_SCRIPT = str(Path(__file__).with_name("inside.py"))
_START_SECONDS = 20.0
_OUTPUT_LIMIT = 10240


@dataclass(frozen=True, slots=True)
class Inside:
    """The container, as `execution` enters it. `uid` and `cwd` are the container's own."""

    process: Process
    env: Mapping[str, str]
    cwd: str
    credentials: Credentials | None
    group: Group | None
    network: Network | None
    seccomp: bytes | None


class Execution:
    """A running program. `stdin`, `stdout`, `stderr` are descriptors of the node's, None where there is none; with a
    terminal, `stdin` and `stdout` are its master. Whoever takes a descriptor (sets it to None) closes it.
    """

    def __init__(self, popen: "subprocess.Popen[bytes]", *, tty: bool) -> None:
        self._popen = popen
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(popen.pid)
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(self._pidfd, self._reap)
        self.terminal = tty
        self.stdin = _detached(popen.stdin)
        self.stdout = _detached(popen.stdout)
        self.stderr = _detached(popen.stderr)

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._popen.wait()  # readable means ended: this does not block
        if not self._ended.done():
            self._ended.set_result(code if code >= 0 else 128 - code)

    async def wait(self) -> int:
        """The exit code, 128+N for signal N. Cancelling leaves the program running."""
        return await asyncio.shield(self._ended)

    @property
    def running(self) -> bool:
        return not self._ended.done()

    def kill(self) -> None:
        """SIGKILL: the program dies with the process that waits for it."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def resize(self, width: int, height: int) -> None:
        if self.terminal and self.stdout is not None:
            terminal.set_size(self.stdout, width, height)

    def close(self) -> None:
        """Close what nobody has taken: pipes end, a terminal hangs up."""
        for descriptor in {self.stdin, self.stdout, self.stderr} - {None}:
            assert descriptor is not None
            os.close(descriptor)
        self.stdin = self.stdout = self.stderr = None


def _detached(file: "IO[bytes] | None") -> int | None:
    """The descriptor of a file object, which will not close it any more."""
    if file is None:
        return None
    descriptor = os.dup(file.fileno())
    file.close()
    os.set_blocking(descriptor, False)
    return descriptor


async def start(
    inside: Inside,
    argv: Sequence[str],
    *,
    stdin: bool = False,
    tty: bool = False,
    stdout: bool = True,
    stderr: bool = True,
) -> Execution:
    """Returns when the program has been executed. Raises StartError with a runtime's text, TimeoutError."""
    target = inside.process.payload()
    if target is None:
        raise StartError("the container is not running")
    if any("\0" in word for word in (*argv, *inside.env.values(), inside.cwd)):
        raise StartError(
            "a NUL byte in the command, the environment or the directory: no process can be given one"
        )
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.ExitStack() as opened:
        config, descriptors = _config(inside, argv, target, opened, tty=tty)
        memory = os.memfd_create("exec", 0)
        opened.callback(os.close, memory)
        os.write(memory, marshal.dumps(config))
        popen = _launch(memory, theirs.fileno(), descriptors, stdin=stdin and not tty, stdout=stdout and not tty,
                        stderr=stderr and not tty)  # fmt: skip
        execution = Execution(popen, tty=tty)
        try:
            theirs.close()
            _confine(inside, popen.pid)
            ours.setblocking(False)
            ours.send(b"x")
            async with asyncio.timeout(_START_SECONDS):
                await _started(ours, execution)
        except BaseException:
            execution.kill()
            execution.close()
            raise
    return execution


def _config(
    inside: Inside, argv: Sequence[str], target: int, opened: contextlib.ExitStack, *, tty: bool
) -> tuple[dict[str, Any], list[int]]:
    """What `inside.py` is told, and the descriptors in it. By one directory, so that all are of one process."""
    try:
        process = os.open(f"/proc/{target}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, process)
        spaces = {}
        for name in _NAMESPACES:
            spaces[name] = os.open(f"ns/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)
            opened.callback(os.close, spaces[name])
        outer = fcntl.ioctl(spaces["user"], _NS_GET_PARENT)
        opened.callback(os.close, outer)
        limit = _process_limit(process)
    except OSError as exc:
        raise StartError(f"the container is ending: {exc}") from exc
    network = inside.network
    entered = (
        [] if network is None else [network.net] if network.user is None else [network.user, network.net]
    )
    descriptors = [outer, *spaces.values(), *entered]
    credentials = inside.credentials
    env = dict(inside.env)
    if tty:
        env.setdefault("TERM", "xterm")
    config = {
        "parent": os.getpid(), "outer": outer, "namespaces": spaces, "network": entered, "argv": list(argv),
        "env": env, "cwd": inside.cwd, "tty": tty, "size": None, "seccomp": inside.seccomp,
        "credentials": (credentials.uid, credentials.gid) if credentials else None, "processes": limit,
    }  # fmt: skip
    return config, descriptors


def _launch(
    memory: int, channel: int, descriptors: list[int], *, stdin: bool, stdout: bool, stderr: bool
) -> "subprocess.Popen[bytes]":
    def pipe(wanted: bool) -> int:
        return subprocess.PIPE if wanted else subprocess.DEVNULL

    passed = [memory, channel, *descriptors]
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", _SCRIPT, str(memory), str(channel)], stdin=pipe(stdin),
            stdout=pipe(stdout), stderr=pipe(stderr), pass_fds=passed, cwd="/", env={}, bufsize=0,
        )  # fmt: skip
    except OSError as exc:
        raise StartError(f"{sys.executable} cannot be started: {exc}") from exc


def _confine(inside: Inside, pid: int) -> None:
    """Into the container's control group, before anything of it runs."""
    try:
        if inside.group is not None:
            inside.group.add(pid)
    except OSError as exc:
        raise StartError(f"the program cannot be put into the container's control group: {exc}") from exc


def _process_limit(directory: int) -> int | None:
    """The RLIMIT_NPROC that the container was started with, if it has one."""
    with open(os.open("limits", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)) as file:  # noqa: PTH123  # by descriptor
        line = next(line for line in file if line.startswith("Max processes"))
    soft = line.removeprefix("Max processes").split()[0]
    return int(soft) if soft.isdigit() else None


async def _started(channel: socket.socket, execution: Execution) -> None:
    """Until the program is executed. Raises StartError."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(channel.fileno(), readable.set)
    try:
        while True:
            await readable.wait()
            readable.clear()
            try:
                message, received, _, _ = socket.recv_fds(channel, 8192, 1)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                message, received = b"", []
            if received:
                os.set_inheritable(received[0], False)
                os.set_blocking(received[0], False)
                execution.stdin = execution.stdout = received[0]
            message = message.removeprefix(b"\0") if received else message
            if message:
                raise StartError(message.decode(errors="replace"))
            if not received:
                return
    finally:
        loop.remove_reader(channel.fileno())


async def execute(inside: Inside, argv: Sequence[str], seconds: float) -> tuple[int, str]:
    """Run a program to its end: exit code, and 10 KiB of its output. Raises StartError, and TimeoutError after `seconds`,
    having ended it.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        execution = await start(inside, argv)
        output = bytearray()
        files = [fd for fd in (execution.stdout, execution.stderr) if fd is not None]
        for descriptor in files:
            loop.add_reader(descriptor, _collect, loop, descriptor, output)
        try:
            code = await execution.wait()
            for descriptor in files:  # what was written just before the end
                while _collect(loop, descriptor, output):
                    pass
            return code, output[:_OUTPUT_LIMIT].decode(errors="replace")
        finally:
            for descriptor in files:
                loop.remove_reader(descriptor)
            execution.kill()
            execution.close()


def _collect(loop: asyncio.AbstractEventLoop, descriptor: int, output: bytearray) -> bool:
    """Read once and keep the first part; whether there may be more now."""
    try:
        data = os.read(descriptor, 65536)
    except BlockingIOError:
        return False
    if not data:
        loop.remove_reader(descriptor)
    elif len(output) < _OUTPUT_LIMIT:
        output += data
    return bool(data)
