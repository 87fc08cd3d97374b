"""`up` on one machine: seconds until ready (fresh, and again on the same data), idle CPU, memory.

Memory is summed over all processes of `up`, once as resident size (shared pages counted for each
process) and once as proportional size (PSS, shared pages counted once).
"""

import os
import tempfile
import time
from pathlib import Path

from bench.table import head, row
from sympozium.testing import Cluster
from sympozium.up.state import read

_RUNS = 5
_SETTLE = 10.0
_IDLE = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


def pids(cluster: Cluster) -> dict[str, int]:
    """The processes of `up` by name."""
    state = read(cluster.data)
    assert state is not None
    children = {name: child.pid for name, child in state.children.items() if child.pid}
    return {"supervisor": state.pid, **children}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MB."""
    values = dict(line.split()[:2] for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(values["Rss:"]) / 1024, int(values["Pss:"]) / 1024


def main() -> None:
    fresh, again = [], []
    for number in range(_RUNS):
        with tempfile.TemporaryDirectory() as directory:
            began = time.perf_counter()
            cluster = Cluster(Path(directory))
            fresh.append(time.perf_counter() - began)
            cluster.stop()
            began = time.perf_counter()
            cluster.start()
            again.append(time.perf_counter() - began)
            if number == _RUNS - 1:
                idle(cluster)
            cluster.close()
            cluster.stop()
    print(head("sympozium up --detach, until ready", _RUNS))
    print(row("first start (empty directory)", fresh, "s", 3))
    print(row("start on the same data", again, "s", 3))


def idle(cluster: Cluster) -> None:
    time.sleep(_SETTLE)
    processes = pids(cluster)
    before = {name: cpu_seconds(pid) for name, pid in processes.items()}
    time.sleep(_IDLE)
    total_cpu = total_rss = total_pss = 0.0
    print(f"\nidle for {_IDLE:.0f} s\n{'':<20} {'CPU %':>8} {'RSS MB':>8} {'PSS MB':>8}")
    for name, pid in processes.items():
        cpu = (cpu_seconds(pid) - before[name]) / _IDLE * 100
        rss, pss = memory(pid)
        total_cpu, total_rss, total_pss = total_cpu + cpu, total_rss + rss, total_pss + pss
        print(f"{name:<20} {cpu:>8.2f} {rss:>8.0f} {pss:>8.0f}")
    print(
        f"{'all':<20} {total_cpu:>8.2f} {total_rss:>8.0f} {total_pss:>8.0f}   bounds: 3 % of a core, 400 MB"
    )
