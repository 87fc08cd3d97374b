"""How long after a write begins its event is at the watchers.

Writers put the time (CLOCK_MONOTONIC, one for all processes) into the object; each watcher is a process that
compares it with its own when the line is there. So the figure holds the whole write and the delivery.
"""

import json
import multiprocessing.synchronize
import statistics
import time
from queue import Queue

from bench.load import CONTEXT
from bench.table import row
from bench.wire import Address, Connection

_WATCHERS = 20
_RATE = 100
_WRITES = 1000
_PATH = "/api/v1/namespaces/bench-scratch/configmaps"
_LAST = "last"


def _watch(
    address: Address, ready: multiprocessing.synchronize.Semaphore, results: "Queue[list[float]]"
) -> None:
    found: list[float] = []
    with Connection(address) as connection:
        connection.send("GET", f"{_PATH}?watch=1&labelSelector=bench%3Dwatch")
        connection.head()
        ready.release()
        for line in connection.lines():
            now = time.monotonic()
            obj = json.loads(line)["object"]
            if obj["metadata"]["name"] == _LAST:
                break
            found.append(now - float(obj["data"]["at"]))
    results.put(found)


def measure(address: Address) -> None:
    """100 writes/s seen by 20 watchers; one run of 1,000 writes, and thus 20,000 events."""
    ready, results = CONTEXT.Semaphore(0), CONTEXT.Queue()
    watchers = [
        CONTEXT.Process(target=_watch, args=(address, ready, results), daemon=True) for _ in range(_WATCHERS)
    ]
    for watcher in watchers:
        watcher.start()
    for _ in watchers:
        if not ready.acquire(timeout=30):
            raise RuntimeError("a watcher did not start within 30 s")
    with Connection(address) as connection:
        _write(connection)
    delays: list[float] = []
    for _ in watchers:
        got = results.get(timeout=60)
        if len(got) != _WRITES:
            raise RuntimeError(f"a watcher saw {len(got)} of {_WRITES} writes")
        delays += got
    for watcher in watchers:
        watcher.join()
    percentiles = statistics.quantiles(delays, n=100, method="inclusive")
    milliseconds = [delay * 1000 for delay in delays]
    print(row(f"write -> event ({_WATCHERS} watchers, {_RATE} writes/s)", milliseconds, "ms"))
    print(row("  99 of 100", [percentiles[98] * 1000], "ms", 20))


def _write(connection: Connection) -> None:
    began = time.monotonic()
    for number in range(_WRITES):
        wait = began + number / _RATE - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        _put(connection, f"w{number}", {"at": repr(time.monotonic())})
    _put(connection, _LAST, {})
    connection.json("DELETE", _PATH)


def _put(connection: Connection, name: str, data: dict[str, str]) -> None:
    connection.json("POST", _PATH, {"metadata": {"name": name, "labels": {"bench": "watch"}}, "data": data})
