"""The embedded API under load: creates, reads, pages, watches, memory, readiness.

With KUBECONFIG the same load goes to that server, so that a real kube-apiserver can stand beside it; BENCH_PID
then names its process (for CPU and memory), and what only makes sense for ours is left out. BENCH_SECONDS is
the length of each load.
"""

import contextlib
import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from bench import load, watches
from bench.table import head, row
from bench.wire import Address, Connection, cpu_seconds, resident
from sympozium.testing.kube import KubeProcess

_RUNS = 3
_CLIENTS = 16
_STARTS = 7
_STORED = 10_000
_PAGES = 40
_SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
_RUN_PATH = "/apis/sympozium.ai/v1alpha1/namespaces/bench/agentruns"
_SCRATCH_PATH = "/apis/sympozium.ai/v1alpha1/namespaces/bench-scratch/agentruns"
_SECOND = 1000.0


def agent_run(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "AgentRun",
        "metadata": {"name": name, "labels": {"team": "bench", "instance": "desk"}},
        "spec": {"instanceRef": "desk", "task": "Find why the checkout Deployment does not become ready."},
    }


def create(connection: Connection, index: int, number: int) -> None:
    """One validated create of a custom resource."""
    body = json.dumps(agent_run(f"w{index}-{number}-{uuid.uuid4().hex[:8]}")).encode()
    status, raw = connection.request("POST", _SCRATCH_PATH, body)
    if status != 201:
        raise RuntimeError(raw.decode())


def get(connection: Connection, index: int, number: int) -> None:
    """One read of one of many objects."""
    status, raw = connection.request("GET", f"{_RUN_PATH}/run-{(index * 997 + number) % _STORED:05}")
    if status != 200:
        raise RuntimeError(raw.decode())


def fill(connection: Connection, index: int, number: int) -> None:
    """Its part of the stored AgentRuns; only the first call does anything."""
    if number:
        return
    for which in range(index, _STORED, _CLIENTS):
        connection.json("POST", _RUN_PATH, agent_run(f"run-{which:05}"))


@dataclass(frozen=True)
class Server:
    address: Address
    pid: int | None

    @contextlib.contextmanager
    def cpu(self, found: list[float]) -> Iterator[None]:
        """Appends the seconds of CPU that the server used meanwhile."""
        before = cpu_seconds(self.pid) if self.pid else 0.0
        yield
        if self.pid:
            found.append(cpu_seconds(self.pid) - before)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """The server of KUBECONFIG, else a fresh one of ours."""
    if given := os.environ.get("KUBECONFIG"):
        pid = os.environ.get("BENCH_PID")
        yield Server(Address.of(Path(given)), int(pid) if pid else None)
        return
    with tempfile.TemporaryDirectory() as directory:
        process = KubeProcess(Path(directory))
        process.start()
        try:
            yield Server(Address.of(process.kubeconfig), process.pid)
        finally:
            process.stop()


def prepare(connection: Connection) -> None:
    """The CRD of an AgentRun and two namespaces; waits until it is served."""
    text = (resources.files("sympozium.api") / "crds/agentruns.sympozium.ai.yaml").read_text()
    connection.json("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load(text))
    for name in ("bench", "bench-scratch"):
        connection.json("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    while connection.request("GET", _RUN_PATH)[0] != 200:
        time.sleep(0.05)


def clean(connection: Connection) -> None:
    """What `prepare` made, and with it everything stored."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/agentruns.sympozium.ai"
    connection.json("DELETE", path)
    for name in ("bench", "bench-scratch"):
        connection.json("DELETE", f"/api/v1/namespaces/{name}")


def loads(server: Server) -> None:
    """Rates of creates and reads, and the server's CPU for each operation."""
    for name, workload, bound in (
        ("validated creates", create, 500),
        ("GETs of one of 10,000", get, 3000),
    ):
        cpu: list[float] = []
        done = []
        for _ in range(_RUNS):
            with server.cpu(cpu):
                done.append(load.run(server.address, workload, clients=_CLIENTS, seconds=_SECONDS))
        print(row(f"{name} ({_CLIENTS} clients)", [each.rate for each in done], "/s", bound))
        print(row("  latency, 99 of 100", [each.percentile(99) * _SECOND for each in done], "ms"))
        if cpu:
            each_cpu = [used / len(d.latencies) * _SECOND for used, d in zip(cpu, done, strict=True)]
            print(row("  CPU of the server for each", each_cpu, "ms"))


def pages(connection: Connection) -> None:
    """The time of a page of 500 of 10,000 objects, first and later ones, body read whole."""
    times, token = [], ""
    for _ in range(_PAGES):
        began = time.perf_counter()
        status, raw = connection.request("GET", f"{_RUN_PATH}?limit=500&continue={token}")
        times.append((time.perf_counter() - began) * _SECOND)
        if status != 200:
            raise RuntimeError(raw.decode())
        token = json.loads(raw)["metadata"].get("continue", "")
    print(row("page of 500 objects", times, "ms", 5))


def starts() -> None:
    """Process started -> ready line, on an empty directory and on its own data."""
    fresh, again = [], []
    for _ in range(_STARTS):
        with tempfile.TemporaryDirectory() as directory:
            process = KubeProcess(Path(directory))
            for times in (fresh, again):
                began = time.perf_counter()
                process.start()
                times.append((time.perf_counter() - began) * _SECOND)
                process.stop()
    print(row("ready, empty directory", fresh, "ms", 300))
    print(row("ready, on its data", again, "ms", 300))


def main() -> None:
    print(head("API server", _RUNS))
    if not os.environ.get("KUBECONFIG"):
        starts()
    with serving() as server, Connection(server.address) as connection:
        prepare(connection)
        try:
            load.run(server.address, fill, clients=_CLIENTS, seconds=0)
            if server.pid:
                print(row(f"memory with {_STORED} AgentRuns", [resident(server.pid)], "MB", 150))
            pages(connection)
            loads(server)
            watches.measure(server.address)
            if server.pid:
                print(row("memory after all that", [resident(server.pid)], "MB"))
        finally:
            with Connection(server.address) as again:  # the first one was idle for minutes
                clean(again)
