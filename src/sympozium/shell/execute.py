"""Run one command of the model: its own process group, a deadline, bounded output, nothing left.

Of each stream the first and the last half of `max_output` bytes are kept and the rest is
counted, so a command that prints for an hour costs this process a constant amount of memory,
and both the beginning and the error at the end are seen. When the shell ends, what it left in
its process group is killed: a background process would otherwise work on behind the record's
back. (One that made a session of its own lives until the pod ends; the pod is its bound.)
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

DEFAULT_TIMEOUT = 120.0
MAX_TIMEOUT = 3600.0
DEFAULT_OUTPUT = 64 * 1024
GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL of a group that ran out of time."""
_DRAIN = 0.2
"""Seconds that output may still come after the shell has ended and its group was killed."""


@dataclass(slots=True)
class Kept:
    """Head and tail of a stream, at most `limit` bytes, and how much there was in all."""

    limit: int
    total: int = 0
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)

    def add(self, data: bytes) -> None:
        self.total += len(data)
        room = self.limit // 2 - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        self.tail += data
        excess = len(self.tail) - (self.limit - self.limit // 2)
        if excess > 0:
            del self.tail[:excess]

    def text(self) -> str:
        """The kept text; a cut is a line of its own that says how much is missing."""
        missing = self.total - len(self.head) - len(self.tail)
        head, tail = self.head.decode(errors="replace"), self.tail.decode(errors="replace")
        if missing <= 0:
            return (self.head + self.tail).decode(errors="replace")
        return f"{head}\n[... {missing} of {self.total} bytes left out ...]\n{tail}"


def run(
    argv: list[str],
    *,
    cwd: str | int,
    env: dict[str, str] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    max_output: int = DEFAULT_OUTPUT,
    peer: socket.socket | None = None,
) -> dict[str, Any]:
    """Run `argv` until it ends, `timeout` seconds passed, or `peer` hung up.

    Returns exitCode (None when killed by the deadline), signal?, stdout, stderr, stdoutBytes,
    stderrBytes, truncated, timedOut, durationMs. Raises OSError when it cannot be started.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        argv,
        cwd=cwd if isinstance(cwd, str) else f"/proc/self/fd/{cwd}",
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    streams = {process.stdout: Kept(max_output), process.stderr: Kept(max_output)}
    timed_out = False
    try:
        with selectors.DefaultSelector() as selector:
            for stream in streams:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ)
            pidfd = os.pidfd_open(process.pid)
            try:
                timed_out = _pump(selector, streams, pidfd, started + timeout, peer)
            finally:
                os.close(pidfd)
            _end(process, gently=timed_out)
            _drain(selector, streams)
    finally:
        _end(process, gently=False)
        process.stdout.close()
        process.stderr.close()
    code = process.returncode
    out, err = streams[process.stdout], streams[process.stderr]
    return {
        "exitCode": None if timed_out else code if code >= 0 else 128 - code,
        "signal": signal.Signals(-code).name if code < 0 and not timed_out else None,
        "stdout": out.text(),
        "stderr": err.text(),
        "stdoutBytes": out.total,
        "stderrBytes": err.total,
        "truncated": out.total > max_output or err.total > max_output,
        "timedOut": timed_out,
        "durationMs": int((time.monotonic() - started) * 1000),
    }


def _pump(
    selector: selectors.BaseSelector,
    streams: dict[Any, Kept],
    pidfd: int,
    deadline: float,
    peer: socket.socket | None,
) -> bool:
    """Move output until the process has ended; True when the deadline ended it."""
    selector.register(pidfd, selectors.EVENT_READ)
    if peer is not None:
        selector.register(peer, selectors.EVENT_READ)
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            selector.unregister(pidfd)
            return True
        ended = False
        for key, _ in selector.select(remaining):
            if key.fileobj is peer:
                # One request per connection: readable means that the caller hung up or misbehaves.
                raise ConnectionAbortedError("the caller went away")
            if key.fileobj == pidfd:
                ended = True
            else:
                _read(selector, key.fileobj, streams)
        if ended:
            selector.unregister(pidfd)
            if peer is not None:
                selector.unregister(peer)
            return False


def _read(selector: selectors.BaseSelector, stream: Any, streams: dict[Any, Kept]) -> None:
    try:
        data = os.read(stream.fileno(), 1 << 16)
    except BlockingIOError:
        return
    if data:
        streams[stream].add(data)
    else:
        selector.unregister(stream)


def _drain(selector: selectors.BaseSelector, streams: dict[Any, Kept]) -> None:
    """Take what is still in the pipes; a writer outside the group cannot hold us up."""
    deadline = time.monotonic() + _DRAIN
    while time.monotonic() < deadline:
        ready = [key for key, _ in selector.select(0) if key.fileobj in streams]
        if not ready:
            return
        for key in ready:
            _read(selector, key.fileobj, streams)


def _end(process: subprocess.Popen[bytes], *, gently: bool) -> None:
    """Kill the process group; with `gently`, after a SIGTERM and a grace. Does nothing a second time."""
    if process.returncode is not None:
        return  # the leader is reaped: its number may belong to another group by now
    with contextlib.suppress(ProcessLookupError):
        if gently:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
