"""Leader election against a Lease with compare-and-swap, on virtual time."""

import asyncio
import os
from typing import Any

import pytest

from sympozium.kube import AlreadyExistsError, ConflictError, UnreachableError
from sympozium.kube.leader import Elector, LostLeadershipError, _is_dead, identity

pytestmark = pytest.mark.looptime


class Leases:
    """The part of a client that an elector uses: one lease, and a switch that cuts the connection."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.reachable = True

    async def find(self, *_: object) -> dict[str, Any] | None:
        self._check()
        return None if self.lease is None else {**self.lease, "spec": dict(self.lease["spec"])}

    async def create(self, _: object, body: dict[str, Any]) -> dict[str, Any]:
        self._check()
        if self.lease is not None:
            raise AlreadyExistsError(409, "AlreadyExists", "there")
        return self._put(body)

    async def update(self, _: object, body: dict[str, Any]) -> dict[str, Any]:
        self._check()
        if body["metadata"]["resourceVersion"] != str(self.version):
            raise ConflictError(409, "Conflict", "changed")
        return self._put(body)

    def holder(self) -> str:
        assert self.lease
        return str(self.lease["spec"]["holderIdentity"])

    def _put(self, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return self.lease

    def _check(self) -> None:
        if not self.reachable:
            raise UnreachableError("cut off")


def elector(leases: Leases, holder: str) -> Elector:
    return Elector(leases, "system", "lease", holder=holder)  # type: ignore[arg-type]


async def test_one_leads_and_a_clean_end_lets_the_next_in_at_once() -> None:
    leases, order, stop = Leases(), [], asyncio.Event()

    async def work(name: str) -> None:
        order.append(name)
        if name == "a":
            await stop.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(elector(leases, "a").run(lambda: work("a")))
        await asyncio.sleep(1)
        group.create_task(elector(leases, "b").run(lambda: work("b")))
        await asyncio.sleep(100)
        assert order == ["a"]
        assert leases.holder() == "a"
        before = asyncio.get_running_loop().time()
        stop.set()
    assert order == ["a", "b"]
    assert asyncio.get_running_loop().time() - before < 5
    assert leases.lease
    assert leases.lease["spec"]["leaseTransitions"] == 2


async def test_a_leader_that_cannot_renew_stops_before_its_lease_can_be_taken() -> None:
    leases, stopped_at, taken_at = Leases(), [], []
    loop = asyncio.get_running_loop()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped_at.append(loop.time())

    async def successor() -> None:
        taken_at.append(loop.time())

    first = elector(leases, "a")
    task = asyncio.ensure_future(first.run(work))
    await asyncio.sleep(30)
    cut = Leases()
    cut.lease, cut.version, cut.reachable = leases.lease, leases.version, False
    first._client = cut  # type: ignore[assignment]  # the network between them is cut, the server goes on
    await elector(leases, "b").run(successor)
    with pytest.raises(LostLeadershipError, match="not renewed"):
        await task
    assert stopped_at[0] < taken_at[0]
    assert leases.holder() == ""


async def test_a_lease_that_somebody_took_ends_the_work() -> None:
    leases = Leases()

    async def work() -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(elector(leases, "a").run(work))
    await asyncio.sleep(1)
    assert leases.lease
    leases._put({**leases.lease, "spec": {**leases.lease["spec"], "holderIdentity": "thief"}})
    with pytest.raises(LostLeadershipError, match="held by another"):
        await task
    assert leases.holder() == "thief"


async def test_a_dead_process_of_this_machine_is_not_waited_for() -> None:
    leases = Leases()
    host, machine, _, start = identity().rsplit("_", 3)
    leases._put(
        {
            "metadata": {"name": "lease", "namespace": "system"},
            "spec": {
                "holderIdentity": f"{host}_{machine}_{os.getpid()}_1{start}",
                "leaseDurationSeconds": 15,
            },
        }
    )
    started = asyncio.get_running_loop().time()

    async def work() -> None:
        return

    await elector(leases, "b").run(work)
    assert asyncio.get_running_loop().time() - started < 1


def test_only_processes_of_this_machine_can_be_seen_to_be_dead() -> None:
    host, machine, pid, _ = identity().rsplit("_", 3)
    assert not _is_dead(identity())
    assert _is_dead(f"{host}_{machine}_{pid}_0")
    assert not _is_dead(f"{host}_other-1_{pid}_0")
    assert not _is_dead("pod-abc_8f2e")
