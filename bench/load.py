"""Workers in processes of their own, started together, each with one connection.

`workload(connection, index, number)` does the operation `number` of the worker `index`; it is a function of
a module, because it is sent to the processes.
"""

import multiprocessing
import multiprocessing.synchronize
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Queue

from bench.wire import Address, Connection

Workload = Callable[[Connection, int, int], None]
CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Load:
    """What a load of `seconds` did."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """Seconds within which that part of the operations was done."""
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def _work(
    address: Address,
    workload: Workload,
    index: int,
    seconds: float,
    together: multiprocessing.synchronize.Barrier,
    results: "Queue[list[float]]",
) -> None:
    done: list[float] = []
    with Connection(address) as connection:
        workload(connection, index, 0)
        together.wait()
        now = time.perf_counter()
        until = now + seconds
        number = 1
        while now < until:
            workload(connection, index, number)
            after = time.perf_counter()
            done.append(after - now)
            now = after
            number += 1
    results.put(done)


def run(address: Address, workload: Workload, *, clients: int, seconds: float) -> Load:
    """`clients` workers for `seconds`; an operation that fails ends it with an error."""
    together = CONTEXT.Barrier(clients)
    results: Queue[list[float]] = CONTEXT.Queue()
    workers = [
        CONTEXT.Process(
            target=_work, args=(address, workload, index, seconds, together, results), daemon=True
        )
        for index in range(clients)
    ]
    for worker in workers:
        worker.start()
    latencies: list[float] = []
    for _ in workers:
        latencies += results.get(timeout=seconds + 60)
    for worker in workers:
        worker.join()
    return Load(seconds, latencies)
