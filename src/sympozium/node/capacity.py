"""What the machine has, what of it pods may use, and when it runs short.

Pods never get all of the memory: what is reserved keeps the node, the API and the machine's other programs
alive when a pod without limits takes what it can get. It is a tenth of the memory, at least 256 MiB (or half
of a tiny machine) and at most 2 GiB; a kubelet's `--kube-reserved` and `--eviction-hard` in one figure.
Pressure is found by looking, with the kubelet's reasons and words.
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sympozium import quantities

_MIB = 1 << 20
MEMORY_AVAILABLE = 100 * _MIB
DISK_AVAILABLE, DISK_SHARE, INODE_SHARE, PID_SHARE = 1024 * _MIB, 0.1, 0.05, 0.1


def machine_memory() -> int:
    """Bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def reserved_memory(total: int) -> int:
    """Bytes that pods do not get."""
    return min(max(total // 10, min(256 * _MIB, total // 2)), 2048 * _MIB)


def capacity(data_dir: Path, max_pods: int) -> dict[str, str]:
    """What the machine has, as quantities."""
    return _quantities(machine_memory(), shutil.disk_usage(data_dir).total, max_pods)


def allocatable(data_dir: Path, max_pods: int) -> dict[str, str]:
    """What pods may request: without the reserved memory, and without the disk below the threshold."""
    memory, disk = machine_memory(), shutil.disk_usage(data_dir).total
    return _quantities(memory - reserved_memory(memory), disk - disk_threshold(disk), max_pods)


def _quantities(memory: int, disk: int, max_pods: int) -> dict[str, str]:
    return {
        "cpu": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory // 1024}Ki",
        "ephemeral-storage": f"{disk // 1024}Ki",
        "hugepages-2Mi": "0",
        "pods": str(max_pods),
    }


def pid_limit() -> int:
    """Processes and threads that all pods may have together: nine tenths of the machine's."""
    return int(_number("/proc/sys/kernel/pid_max") * (1 - PID_SHARE))


def disk_threshold(total: int) -> int:
    """Bytes that must stay free: a tenth of the file system, at most 1 GiB."""
    return min(int(total * DISK_SHARE), DISK_AVAILABLE)


def _number(path: str) -> int:
    return int(Path(path).read_text())


@dataclass(frozen=True, slots=True)
class Shortage:
    """What is short. `signal` and the amounts are for the message of an eviction."""

    condition: str
    resource: str
    threshold: str
    available: str


def look(data_dir: Path) -> list[Shortage]:
    """What the machine is short of now. Raises OSError when the data directory is gone."""
    found = []
    memory = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in
              Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable")}  # fmt: skip
    if memory["MemAvailable"] < MEMORY_AVAILABLE:
        found.append(_shortage("MemoryPressure", "memory", MEMORY_AVAILABLE, memory["MemAvailable"]))
    disk = os.statvfs(data_dir)
    threshold, free = disk_threshold(disk.f_blocks * disk.f_frsize), disk.f_bavail * disk.f_frsize
    if free < threshold:
        found.append(_shortage("DiskPressure", "ephemeral-storage", threshold, free))
    elif disk.f_files and disk.f_favail < disk.f_files * INODE_SHARE:
        wanted = str(int(disk.f_files * INODE_SHARE))
        found.append(Shortage("DiskPressure", "inodes", wanted, str(disk.f_favail)))
    limit = _number("/proc/sys/kernel/pid_max")
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    if limit - running < limit * PID_SHARE:
        found.append(Shortage("PIDPressure", "pids", str(int(limit * PID_SHARE)), str(limit - running)))
    return found


def _shortage(condition: str, resource: str, threshold: int, available: int) -> Shortage:
    return Shortage(condition, resource, render(threshold), render(available))


def render(amount: int) -> str:
    """Bytes as the kubelet writes them in its messages: whole KiB."""
    return f"{amount // 1024}Ki" if amount >= 1024 else str(amount)


_CONDITIONS = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available",
                       "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure",
                     "KubeletHasDiskPressure", "kubelet has disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available",
                    "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}  # fmt: skip


def conditions(short: list[Shortage]) -> list[tuple[str, str, str, str]]:
    """(type, status, reason, message) of the pressure conditions of a Node."""
    names = {shortage.condition for shortage in short}
    return [
        (kind, "True", words[2], words[3]) if kind in names else (kind, "False", words[0], words[1])
        for kind, words in _CONDITIONS.items()
    ]


def memory_of(amounts: Mapping[str, str]) -> int:
    """Bytes of memory in a list of resources."""
    return int(quantities.parse(amounts["memory"]))
