"""The reconcile contract, on virtual time."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from sympozium.kube import Controller, Manager, Request, Result, RetryLaterError, TerminalError
from sympozium.kube.errors import ConflictError
from sympozium.kube.reconcile import itself, owner
from sympozium.kube.workqueue import WorkQueue

pytestmark = pytest.mark.looptime

ONE = Request("default", "one")


class Recorded:
    """A reconciler that does what its script says, and notes when it ran."""

    def __init__(self, *script: Result | Exception) -> None:
        self.script = list(script)
        self.times: list[float] = []

    async def __call__(self, request: Request) -> Result:
        self.times.append(asyncio.get_running_loop().time())
        step = self.script.pop(0) if self.script else Result()
        if isinstance(step, Exception):
            raise step
        return step


async def _run(reconcile: Any, seconds: float, **options: Any) -> Controller:
    controller = Controller("test", reconcile, **options)
    controller.enqueue(ONE)
    try:
        async with asyncio.timeout(seconds):
            await controller.run()
    except TimeoutError:
        pass
    return controller


def _gaps(times: list[float]) -> list[float]:
    return [round(b - a, 3) for a, b in pairwise(times)]


async def test_errors_back_off_and_success_forgets_them() -> None:
    recorded = Recorded(
        ValueError(), ConflictError(409, "Conflict", "x"), RetryLaterError("later"), Result(100), ValueError()
    )
    queue: WorkQueue[Request] = WorkQueue(base_delay=1)
    await _run(recorded, 500, queue=queue)
    assert _gaps(recorded.times) == [1, 2, 4, 100, 1]


async def test_terminal_errors_are_not_retried() -> None:
    recorded = Recorded(TerminalError("never"))
    controller = await _run(recorded, 10_000)
    assert len(recorded.times) == 1
    assert controller.queue.delayed == 0


async def test_the_same_name_is_never_reconciled_twice_at_once() -> None:
    active = most = runs = 0

    async def reconcile(_: Request) -> Result:
        nonlocal active, most, runs
        active += 1
        most, runs = max(most, active), runs + 1
        controller.enqueue(ONE)
        await asyncio.sleep(1)
        active -= 1
        return Result()

    controller = Controller("test", reconcile, workers=4)
    controller.enqueue(ONE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5.5):
            await controller.run()
    assert (most, runs) == (1, 6)


async def test_workers_take_different_names_at_once() -> None:
    done: list[str] = []

    async def reconcile(request: Request) -> Result:
        await asyncio.sleep(1)
        done.append(request.name)
        return Result()

    controller = Controller("test", reconcile, workers=3)
    for name in "abc":
        controller.enqueue(Request("default", name))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await controller.run()
    assert sorted(done) == ["a", "b", "c"]


def test_mappers() -> None:
    obj = {
        "metadata": {
            "name": "job",
            "namespace": "ns",
            "ownerReferences": [
                {"kind": "AgentRun", "name": "run", "controller": True},
                {"kind": "AgentRun", "name": "other", "controller": False},
                {"kind": "Pack", "name": "pack", "controller": True},
            ],
        }
    }
    assert list(itself(obj)) == [Request("ns", "job")]
    assert list(owner("AgentRun")(obj)) == [Request("ns", "run")]
    assert str(Request("", "cluster-wide")) == "cluster-wide"


async def test_a_manager_lets_work_end_when_it_is_stopped() -> None:
    stop, finished = asyncio.Event(), []

    async def reconcile(request: Request) -> Result:
        stop.set()
        await asyncio.sleep(3)
        finished.append(request)
        return Result()

    async def service() -> None:
        await asyncio.Event().wait()

    controller = Controller("test", reconcile)
    controller.enqueue(ONE)
    await Manager([], [controller], [service]).work(stop)
    assert finished == [ONE]


async def test_a_manager_does_not_wait_for_work_forever() -> None:
    stop = asyncio.Event()

    async def reconcile(_: Request) -> Result:
        stop.set()
        await asyncio.sleep(3600)
        return Result()

    controller = Controller("test", reconcile)
    controller.enqueue(ONE)
    started = asyncio.get_running_loop().time()
    await Manager([], [controller]).work(stop)
    assert asyncio.get_running_loop().time() - started == pytest.approx(10, abs=0.1)


async def test_a_service_that_ends_takes_the_manager_with_it() -> None:
    async def service() -> None:
        return

    with pytest.raises(ExceptionGroup) as caught:
        await Manager([], [], [service]).work(asyncio.Event())
    assert "ended by itself" in str(caught.value.exceptions[0])
