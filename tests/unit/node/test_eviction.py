"""What the machine is short of, and who goes first."""

from pathlib import Path
from typing import Any

import pytest

from sympozium.node import capacity, eviction
from sympozium.node.capacity import Shortage
from sympozium.node.machine import Settings
from sympozium.node.storage import Usage

DISK = Shortage("DiskPressure", "ephemeral-storage", "1048576Ki", "1024Ki")


class Pod:
    def __init__(self, used: int, request: str = "0", priority: int = 0) -> None:
        resources = {"requests": {"ephemeral-storage": request}}
        self.object: dict[str, Any] = {
            "metadata": {"namespace": "n", "name": str(used)},
            "spec": {"priority": priority, "containers": [{"name": "c", "resources": resources}]},
        }
        self.used = used
        self.ending = False
        self.words = ""

    async def measure(self) -> Usage:
        return Usage({"v": self.used}, {"c": 2048})

    def event(self, kind: str, reason: str, message: str) -> None:
        self.words = f"{kind} {reason} {message}"

    def end(self, grace: float, verdict: Any = None) -> None:
        self.ending = True


@pytest.mark.parametrize(("pods", "victim"), [
    ([Pod(10_000), Pod(90_000), Pod(50_000)], 90_000),
    ([Pod(10_000), Pod(90_000, request="1Mi")], 10_000),
    ([Pod(10_000), Pod(90_000, priority=5)], 10_000),
    ([Pod(10_000), Pod(90_000, priority=eviction.CRITICAL)], 10_000),
])  # fmt: skip
async def test_order(pods: list[Pod], victim: int) -> None:
    evictor = eviction.Evictor(Settings("n", Path("/")), lambda: pods, lambda _: None)
    await evictor._relieve(DISK)
    assert [pod.used for pod in pods if pod.ending] == [victim]
    await evictor._relieve(DISK)  # the one that is ending will free something: no second one
    assert len([pod for pod in pods if pod.ending]) == 1


async def test_words() -> None:
    pod = Pod(10_000)
    await eviction.Evictor(Settings("n", Path("/")), lambda: [pod], lambda _: None)._relieve(DISK)
    assert pod.words == (
        "Warning Evicted The node was low on resource: ephemeral-storage. Threshold quantity: 1048576Ki, available: 1024Ki. "
        "Container c was using 2Ki, request is 0, has larger consumption of ephemeral-storage. "
    )  # fmt: skip


def test_new_pods_wait() -> None:
    assert eviction.refusal(Pod(1).object, [DISK]) == "The node had condition: [DiskPressure]. "
    assert eviction.refusal(Pod(1, priority=eviction.CRITICAL).object, [DISK]) is None
    assert eviction.refusal(Pod(1).object, []) is None


def test_reserve_leaves_something_on_every_machine() -> None:
    for mib in (64, 256, 512, 2048, 65536):
        assert 0 < capacity.reserved_memory(mib << 20) <= (mib << 20) // 2
    assert capacity.disk_threshold(64 << 20) < 64 << 20


def test_conditions() -> None:
    found = {kind: (status, reason) for kind, status, reason, _ in capacity.conditions([DISK])}
    assert found == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"),
        "DiskPressure": ("True", "KubeletHasDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"),
    }
