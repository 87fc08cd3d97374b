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


class DamagedError(Exception):
    """The file is there and is not what a supervisor wrote; the text is one line with the cure."""


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
    dashboard: str = ""
    model: str = ""
    base_url: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    children: dict[str, ChildState] = field(default_factory=dict)

    def write(self, data: DataDir) -> None:
        write_private(data.state, json.dumps(asdict(self), indent=1) + "\n")


def read(data: DataDir) -> State | None:
    """The state that was written last, by a living or a dead supervisor; None when there is none.

    Raises DamagedError.
    """
    try:
        raw = json.loads(data.state.read_text())
        children = {name: ChildState(**child) for name, child in raw.pop("children", {}).items()}
        return State(**raw, children=children)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as exc:  # not JSON, not an object, or of other fields
        raise DamagedError(f"{data.state} is damaged ({exc}): remove it and start again") from exc


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
