"""Creates of AgentRuns at a fixed rate through the embedded API, which asks the webhook twice for each.

Open loop: a create is due at its time whether or not the ones before it have been answered, and its latency counts
from that time, so that a server that falls behind cannot hide it. The runs are suspended: they are admitted, filled and
queued, and start no pod. A fifth of them name a tool that the policy denies, and must be refused.
"""

import asyncio
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

from sympozium.kube.client import Client
from sympozium.kube.errors import ForbiddenError
from sympozium.resources import RUNS
from sympozium.testing import AGENT_RUN, Cluster
from sympozium.up.state import read

RATE = 100
SECONDS = 20
_WARM = 50
_AT_ONCE = 64
"""Connections. A create that finds none free waits for one, and its latency counts on."""
_RULES = [{"tool": f"tool-{n}", "action": "ask"} for n in range(9)] + [
    {"tool": "write_file", "action": "deny"}
]


def _objects() -> list[dict[str, object]]:
    policy = {"toolGating": {"defaultAction": "allow", "rules": _RULES}, "sandboxPolicy": {"required": True, "maxCPU": "2"}}  # fmt: skip
    instance = {
        "agents": {"default": {"model": "bench"}},
        "policyRef": "bench",
        "skills": [{"skillPackRef": "k8s-ops"}],
    }
    return [
        {"apiVersion": AGENT_RUN.api_version, "kind": kind, "metadata": {"name": "bench"}, "spec": spec}
        for kind, spec in (("SympoziumPolicy", policy), ("SympoziumInstance", instance))
    ]


async def _create(client: Client, number: int) -> bool:
    """One create; returns whether it was admitted."""
    spec = {"instanceRef": "bench", "task": "Say done.", "suspend": True}
    if number % 5 == 4:
        spec["toolPolicy"] = {"allow": ["write_file"]}
    meta = {"name": f"bench-{number}" if number >= 0 else f"warm{number}", "namespace": "default"}
    body = {"apiVersion": AGENT_RUN.api_version, "kind": AGENT_RUN.kind, "metadata": meta, "spec": spec}
    try:
        await client.create(RUNS, body)
    except ForbiddenError:
        return False
    return True


async def _offer(client: Client) -> tuple[list[float], int]:
    """Latencies in seconds, and how many were admitted."""
    await asyncio.gather(*(_create(client, -5 * number - 5) for number in range(_WARM)))
    latencies: list[float] = []
    connections = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int, due: float) -> bool:
        await asyncio.sleep(due - time.perf_counter())
        async with connections:
            admitted = await _create(client, number)
        latencies.append(time.perf_counter() - due)
        return admitted

    begin = time.perf_counter() + 0.5
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(n, begin + n / RATE)) for n in range(RATE * SECONDS)]
    return latencies, sum(task.result() for task in tasks)


def _own(port: int) -> dict[str, dict[float, float]]:
    """How many reviews took no longer than each bound, by endpoint, as the webhook has counted them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, dict[float, float]] = {}
    for line in text.splitlines():
        if line.startswith("sympozium_webhook_seconds_bucket"):
            labels, _, value = line.partition("} ")
            endpoint = labels.split('endpoint="')[1].split('"')[0]
            bound = float(labels.split('le="')[1].split('"')[0])
            found.setdefault(endpoint, {})[bound] = float(value)
    return found


def _within(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """The smallest bound, in seconds, within which a share of the reviews between two looks was answered."""
    counts = {bound: count - before.get(bound, 0) for bound, count in after.items()}
    whole = counts[float("inf")]
    return min(bound for bound, count in counts.items() if count >= share * whole)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, Cluster(Path(directory)) as cluster:
        for obj in _objects():
            cluster.apply(obj)
        state = read(cluster.data)
        assert state is not None, "it has just been started"
        port = state.ports["webhook-health"]

        async def measured() -> tuple[list[float], int]:
            async with Client.connect(cluster.data.kubeconfig) as client:
                return await _offer(client)

        before = _own(port)
        latencies, admitted = asyncio.run(measured())
        after = _own(port)
    whole = len(latencies)
    assert admitted == whole * 4 // 5, f"{admitted} of {whole} were admitted"
    cuts = statistics.quantiles(latencies, n=1000, method="inclusive")
    print(
        f"\nadmission: {RATE} creates/s offered for {SECONDS} s, {admitted} admitted, {whole - admitted} refused"
    )
    print(f"{'':<44} {'p50':>9} {'p90':>9} {'p99':>9} {'max':>9}")
    figures = " ".join(f"{1000 * value:>9.1f}" for value in (cuts[499], cuts[899], cuts[989], max(latencies)))
    print(f"{'create an AgentRun, whole, from when it was due':<44} {figures} ms   bound p99 50 ms")
    for endpoint in ("mutate", "validate"):
        bounds = [
            1000 * _within(before.get(endpoint, {}), after[endpoint], share) for share in (0.5, 0.9, 0.99)
        ]
        print(
            f"{f'one review, /{endpoint} (no more than)':<44} "
            + " ".join(f"{b:>9.1f}" for b in bounds)
            + f" {'':>9} ms"
        )
