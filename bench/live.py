"""Runs under one policy on one machine: the policy is edited, all runs are stopped; until each is known to obey.

Each run is a real agent that waits for a long command. What is measured ends when the run's status says so, by the word
of its tool server: the time of that write and of the watch is in the figures.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.table import head, row
from sympozium.kube.conditions import find
from sympozium.testing import AGENT_RUN, Cluster, ScriptedModel
from sympozium.testing.resources import SYMPOZIUM_CONFIG

_RUNS = int(os.environ.get("BENCH_RUNS", "50"))
_EDITS = 5
_STARTING = 4
_API = "sympozium.ai/v1alpha1"
_SCRIPT: dict[str, Any] = {
    "banner": False, "models": ["scripted"],
    "rules": [{"name": "all", "match": {}, "steps": [
        *({"id": f"wait-{n}", "call": [{"tool": "execute_command", "arguments": {"command": "sleep 280"}}]} for n in range(12)),
        {"id": "end", "say": "done"},
    ]}],
}  # fmt: skip


def _body(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def _policy(edit: int) -> dict[str, Any]:
    rules = [{"tool": f"tool_{edit}", "action": "deny"}]
    return _body("SympoziumPolicy", "live", {"toolGating": {"defaultAction": "allow", "rules": rules}})


def _is(run: dict[str, Any], kind: str, status: str) -> bool:
    found = find((run.get("status") or {}).get("conditions"), kind)
    return found is not None and found["status"] == status


def _generation(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda run: ((run.get("status") or {}).get("policy") or {}).get("generation") == number


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        ScriptedModel(_SCRIPT) as model,
        Cluster(Path(directory)) as cluster,
    ):
        _start(cluster, model.base_url)
        edits: list[float] = []
        for edit in range(1, _EDITS + 1):
            # The policy was generation 1 when the runs began.
            with _times(cluster, _generation(edit + 1)) as found:
                cluster.apply(_policy(edit))
            edits += found
        stops: list[float] = []
        for _ in range(_EDITS):
            with _times(cluster, lambda r: _is(r, "Frozen", "True")) as found:
                _suspend(cluster, suspend=True)
            stops += found
            with _times(cluster, lambda r: _is(r, "Frozen", "False")):
                _suspend(cluster, suspend=False)
        cluster.stop()
    print(head(f"{_RUNS} runs under one policy", _EDITS))
    print(row("policy edited -> applied, in the status", edits, "ms", 1000))
    print(row("installation stopped -> frozen, in the status", stops, "ms", 1000))


def _suspend(cluster: Cluster, *, suspend: bool) -> None:
    cluster.patch(SYMPOZIUM_CONFIG, "default", {"spec": {"suspend": suspend}}, "sympozium-system")


def _start(cluster: Cluster, base_url: str) -> None:
    """All runs, each in its long command."""
    cluster.apply(_policy(0))
    # A run asks for 90m of a processor; 50 of them must fit onto two.
    small = {"requests": {"cpu": "1m", "memory": "32Mi"}}
    default = {
        "model": "scripted", "runTimeout": "1h", "baseURL": base_url, "resources": small,
        "sandbox": {"enabled": True, "resources": small},
    }  # fmt: skip
    cluster.apply(_body("SympoziumInstance", "live", {"agents": {"default": default}, "policyRef": "live"}))
    for number in range(_RUNS):
        cluster.create(_body("AgentRun", f"live-{number}", {"instanceRef": "live", "task": "wait"}))
        # Not all at once: it is not starting that is measured.
        if number >= _STARTING:
            _started(cluster, number - _STARTING)
    for number in range(max(_RUNS - _STARTING, 0), _RUNS):
        _started(cluster, number)


def _started(cluster: Cluster, number: int) -> None:
    cluster.wait(
        AGENT_RUN,
        f"live-{number}",
        lambda r: ((r.get("status") or {}).get("steps") or 0) >= 1,
        "default",
        timeout=300,
    )


@contextmanager
def _times(cluster: Cluster, done: Callable[[dict[str, Any]], bool]) -> Iterator[list[float]]:
    """Milliseconds from the start of the block until each run is seen to be done; the block ends when all are."""
    began = time.monotonic()
    found: dict[str, float] = {}

    def follow() -> None:
        def take(run: dict[str, Any]) -> bool:
            if done(run):
                found.setdefault(run["metadata"]["name"], (time.monotonic() - began) * 1000)
            return len(found) == _RUNS

        cluster.wait_any(AGENT_RUN, take, "default", timeout=120, what="all runs obey")

    watcher = threading.Thread(target=follow)
    times: list[float] = []
    watcher.start()
    yield times
    watcher.join()
    times += found.values()
