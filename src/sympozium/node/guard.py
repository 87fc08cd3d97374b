"""Memory limits where there are no control groups: the node looks, and ends what has grown too big.

Approximate, and said to be so on the Node: between two looks a process can pass its limit. It is what a user
without root and without a delegated control group gets; the alternative would be no limit at all.
"""

import asyncio
import logging
import os
from pathlib import Path

from sympozium.node.runtime import Process

_log = logging.getLogger(__name__)

INTERVAL = 1.0
_COUNTED = ("RssAnon:", "RssShmem:")  # what a memory cgroup would charge; files can be dropped


def usage(root: int, proc: Path = Path("/proc")) -> int:
    """Bytes of the process `root` and all its descendants; those that end meanwhile do not count."""
    total, waiting = 0, [root]
    while waiting:
        directory = proc / str(waiting.pop())
        try:
            status = (directory / "status").read_text()
            for task in (directory / "task").iterdir():
                waiting += [int(pid) for pid in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(_COUNTED))
    return total


def in_files(root: int, proc: Path = Path("/proc")) -> int:
    """Bytes in the memory file systems of the sandbox whose process is `root`; 0 when it has ended.

    Files there (/tmp, /run, /dev/shm) are memory that no process has mapped. What the node sees itself is the
    machine's.
    """
    total = 0
    try:
        mounted = _memory_mounts(proc / str(root))
        for device in set(mounted) - set(_memory_mounts(proc / "self")):
            found = os.statvfs(proc / str(root) / "root" / mounted[device].lstrip("/"))
            total += (found.f_blocks - found.f_bfree) * found.f_frsize
    except OSError:
        return 0
    return total


def _memory_mounts(process: Path) -> dict[str, str]:
    """Device -> mount point of each tmpfs that a process sees."""
    lines = [line.partition(" - ") for line in (process / "mountinfo").read_text().splitlines()]
    return {
        fields.split(" ")[2]: fields.split(" ")[4] for fields, _, kind in lines if kind.startswith("tmpfs ")
    }


class MemoryGuard:
    """Holds one container to a limit in bytes. `fired` says whether it had to end it."""

    def __init__(self, process: Process, limit: int) -> None:
        self._process = process
        self._limit = limit
        self.fired = False

    async def run(self) -> None:
        """Until the container has ended, or is ended by this."""
        while self._process.running and self._process.child is not None:
            used = usage(self._process.child) + in_files(self._process.child)
            if used > self._limit:
                _log.info("a container uses %d bytes, its limit is %d: ending it", used, self._limit)
                self.fired = True
                self._process.kill()
                return
            await asyncio.sleep(INTERVAL)
