"""What a supervisor writes down about itself, and how others find out whether one is running.

The lock (flock on `lock`) is the truth about "is it running": the kernel drops it when the process
dies, however it dies. `up.json` is what the living one says about itself, and what the next one
needs to clean up after a dead one.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import IO

from sympozium.privatefile import write_private
from sympozium.up.paths import DataDir


class AlreadyRunningError(Exception):
    """Another supervisor holds the data directory."""


@dataclass(slots=True)
class ChildState:
    """A child process: `started` is the kernel's start time, which tells it from a later owner of the pid."""

    pid: int | None
    started: int | None
    restarts: int = 0


@dataclass(slots=True)
class State:
    """The content of `up.json`."""

    pid: int
    started: int | None
    version: str
    ready: bool = False
    server: str = ""
    model: str = ""
    base_url: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    children: dict[str, ChildState] = field(default_factory=dict)

    def write(self, data: DataDir) -> None:
        write_private(data.state, json.dumps(asdict(self), indent=1) + "\n")


def read(data: DataDir) -> State | None:
    """The state that was written last, by a living or a dead supervisor; None when there is none."""
    try:
        raw = json.loads(data.state.read_text())
    except FileNotFoundError:
        return None
    children = {name: ChildState(**child) for name, child in raw.pop("children", {}).items()}
    return State(**raw, children=children)


@contextlib.contextmanager
def hold(data: DataDir) -> Iterator[IO[str]]:
    """Hold the data directory for the life of this process. Raises AlreadyRunningError."""
    # The descriptor is not inherited: a child that outlives us must not keep the lock.
    with data.lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(str(data.root)) from None
        yield file


def is_running(data: DataDir) -> bool:
    """Whether a supervisor holds the data directory now."""
    if not data.lock.exists():
        return False
    descriptor = os.open(data.lock, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
