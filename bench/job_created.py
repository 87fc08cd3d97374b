"""AgentRun created -> its Job is there: the share of the control plane in the start of a run, at a steady rate.

It ends when the Job is seen by a watch, so the time of admission is not in it (`create` has that by itself), that of the
copies of the controllers, of planning, of a run's keys and objects, and of their writes is. No pod starts: nodes are cordoned.

With KUBECONFIG it goes to that cluster, where the control plane runs already (docs/real-cluster.md); BENCH_PID is the process of
its controllers. BENCH_RUNS (150) runs are made, BENCH_RATE (5) a second, open loop.
"""

import contextlib
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.streams import percentile
from bench.table import head, row
from bench.wire import cpu_seconds, resident
from sympozium.kube.resources import NODES
from sympozium.testing import AGENT_RUN, INSTANCE, Cluster
from sympozium.testing.client import Client
from sympozium.testing.resources import JOB
from sympozium.up.state import read

_RUNS = int(os.environ.get("BENCH_RUNS", "150"))
_RATE = float(os.environ.get("BENCH_RATE", "5"))
_BOUND_SECONDS = 120.0
_MILLISECONDS = 1000.0


@contextlib.contextmanager
def _cluster() -> Iterator[tuple[Path, int | None]]:
    """The administrator's kubeconfig of a cluster with a control plane, and the process of the controllers."""
    if given := os.environ.get("KUBECONFIG"):
        pid = os.environ.get("BENCH_PID")
        yield Path(given), int(pid) if pid else None
        return
    with tempfile.TemporaryDirectory() as directory, Cluster(Path(directory)) as cluster:
        state = read(cluster.data)
        assert state is not None
        yield cluster.data.kubeconfig, state.children["controllers"].pid
        cluster.stop()


def _body(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": AGENT_RUN.api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _watch(client: Client, namespace: str, seen: dict[str, float], done: threading.Event) -> None:
    """Notes when each Job of the namespace is first seen."""

    def all_there(job: dict[str, Any]) -> bool:
        seen.setdefault(job["metadata"]["name"], time.perf_counter())
        return len(seen) == _RUNS

    with contextlib.suppress(AssertionError):
        client.wait_any(JOB, all_there, namespace, timeout=_RUNS / _RATE + _BOUND_SECONDS)
    done.set()


def _create(client: Client, namespace: str) -> tuple[dict[str, float], list[float]]:
    """When each run was there, and how long its create took."""
    made: dict[str, float] = {}
    took = []
    began = time.perf_counter()
    for number in range(_RUNS):
        # An open loop: a slow answer does not slow the rate.
        time.sleep(max(0.0, began + number / _RATE - time.perf_counter()))
        asked = time.perf_counter()
        client.create(_body("AgentRun", f"run-{number}", namespace, {"instanceRef": "bench", "task": "look"}))
        made[f"run-{number}"] = time.perf_counter()
        took.append(made[f"run-{number}"] - asked)
    return made, took


def _measure(kubeconfig: Path, controllers: int | None) -> None:
    client, watcher = Client(kubeconfig), Client(kubeconfig)
    namespace = f"bench-{uuid.uuid4().hex[:6]}"
    nodes = [n["metadata"]["name"] for n in client.items(NODES) if not n["spec"].get("unschedulable")]
    try:
        for node in nodes:
            client.patch(NODES, node, {"spec": {"unschedulable": True}})
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        client.apply(_body(INSTANCE.kind, "bench", namespace, {"agents": {"default": {"model": "bench"}}}))
        seen: dict[str, float] = {}
        done = threading.Event()
        thread = threading.Thread(target=_watch, args=(watcher, namespace, seen, done))
        thread.start()
        used = cpu_seconds(controllers) if controllers else 0.0
        made, took = _create(client, namespace)
        done.wait()
        thread.join()
        used = cpu_seconds(controllers) - used if controllers else 0.0
        print(head(f"{_RUNS} AgentRuns, {_RATE:g} a second", 1))
        late = [max(0.0, seen[name] - made[name]) for name in made if name in seen]
        for what, seconds in (("create answered", took), ("AgentRun created -> its Job seen", late)):
            milliseconds = [each * _MILLISECONDS for each in seconds]
            print(row(what, milliseconds, "ms"))
            print(row("  99 of 100", [percentile(milliseconds, 0.99)], "ms"))
        if controllers:
            print(row("CPU of the controllers for one", [used / len(made) * _MILLISECONDS], "ms"))
            print(row("their memory then", [resident(controllers)], "MB"))
        if missing := len(made) - len(late):
            print(f"{missing} of {_RUNS} had no Job in time")
    finally:
        client.request("DELETE", f"/api/v1/namespaces/{namespace}")
        for node in nodes:
            client.patch(NODES, node, {"spec": {"unschedulable": None}})
        client.close()
        watcher.close()


def main() -> None:
    with _cluster() as (kubeconfig, controllers):
        _measure(kubeconfig, controllers)
