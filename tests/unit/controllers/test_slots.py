"""The queue over the copies: never more than the limit, and nobody forgotten."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from sympozium.api.config import ConfigSpec, QueueLimits
from sympozium.controllers.run.slots import Slots
from sympozium.kube import Request
from sympozium.kube.resources import key_of
from sympozium.policy.limits import Limit


class Copy:
    """The part of an informer that the queue uses."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.handlers: list[Any] = []

    def add_handler(self, handler: Any) -> None:
        self.handlers.append(handler)

    def list(self) -> list[dict[str, Any]]:
        return list(self.objects.values())

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((namespace, name))

    def put(self, obj: dict[str, Any]) -> None:
        old = self.objects.get(key_of(obj))
        self.objects[key_of(obj)] = obj
        for handler in self.handlers:
            handler(old, obj)

    def drop(self, name: str) -> None:
        old = self.objects.pop(("team", name))
        for handler in self.handlers:
            handler(old, None)


class World:
    def __init__(self, **limits: int) -> None:
        self.runs, self.jobs, self.instances, self.policies = Copy(), Copy(), Copy(), Copy()
        self.limits = QueueLimits(**limits) if limits else None
        self.woken: list[str] = []
        context = SimpleNamespace(
            caches=SimpleNamespace(
                runs=self.runs,
                jobs=self.jobs,
                configs=Copy(),
                instances=self.instances,
                policies=self.policies,
            ),
            config=lambda: ConfigSpec(queue=self.limits),
        )
        self.slots = Slots(context, self._wake)  # type: ignore[arg-type]

    def _wake(self, request: Request) -> None:
        self.woken.append(request.name)

    def run(
        self, name: str, *, instance: str = "sre", phase: str = "", second: int = 0, suspend: bool = False
    ) -> dict[str, Any]:
        obj = {
            "metadata": {
                "namespace": "team",
                "name": name,
                "creationTimestamp": f"2026-11-26T12:00:{second:02d}Z",
            },
            "spec": {"instanceRef": instance, "suspend": suspend},
            "status": {"phase": phase},
        }
        self.runs.put(obj)
        return obj

    def start(self, name: str) -> None:
        self.jobs.put({"metadata": {"namespace": "team", "name": name}})

    async def woke(self) -> list[str]:
        """Who is woken by what has happened so far."""
        self.woken.clear()
        task = asyncio.create_task(self.slots.run())
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return sorted(self.woken)


async def test_without_limits_everybody_goes_but_the_suspended() -> None:
    world = World()
    assert world.slots.place(world.run("a")).go
    held = world.slots.place(world.run("b", suspend=True))
    assert not held.go
    assert "spec.suspend" in held.reason


async def test_a_slot_is_taken_from_the_first_step_of_starting() -> None:
    world = World(max_concurrent_runs=1)
    first, second = world.run("a"), world.run("b")
    assert world.slots.place(first).go
    async with world.slots.take(first):
        assert not world.slots.place(second).go
        world.start("a")
    assert not world.slots.place(second).go


async def test_a_start_that_failed_gives_its_slot_back() -> None:
    world = World(max_concurrent_runs=1)
    first, second = world.run("a"), world.run("b", second=1)
    async with world.slots.take(first):
        assert world.slots.place(second).position == 0
    world.run("a", phase="Failed")
    assert world.slots.place(second).go
    assert await world.woke() == ["b"]


async def test_a_run_whose_start_broke_is_left_to_its_back_off() -> None:
    world = World(max_concurrent_runs_per_instance=1)
    first, other = world.run("a"), world.run("b", instance="qa", second=1)
    assert world.slots.place(other).go
    with pytest.raises(ConnectionError):
        async with world.slots.take(first):
            raise ConnectionError
    assert await world.woke() == ["b"]
    async with world.slots.take(first):
        pass
    assert await world.woke() == ["a", "b"]


async def test_the_end_of_a_run_wakes_the_next_and_no_other() -> None:
    world = World(max_concurrent_runs_per_instance=1)
    for second, name in enumerate("abcd"):
        world.run(name, second=second)
    world.start("a")
    assert [world.slots.place(world.runs.objects["team", n]).position for n in "bcd"] == [0, 1, 2]
    await world.woke()
    world.run("a", phase="Succeeded")
    assert await world.woke() == ["b"]


async def test_newcomers_queue_behind_without_computing_all_places_anew() -> None:
    world = World(max_concurrent_runs_per_instance=1)
    world.run("a")
    world.start("a")
    assert world.slots.place(world.run("b", second=1)).position == 0
    listed = 0
    original = world.runs.list

    def counting() -> list[dict[str, Any]]:
        nonlocal listed
        listed += 1
        return original()

    world.runs.list = counting  # type: ignore[method-assign]
    positions = [world.slots.place(world.run(f"n{i}", second=2)).position for i in range(50)]
    assert positions == list(range(1, 51))
    assert listed == 0


async def test_a_newcomer_of_another_instance_is_not_held_by_a_full_one() -> None:
    world = World(max_concurrent_runs_per_instance=1)
    world.run("a")
    world.start("a")
    assert not world.slots.place(world.run("b")).go
    assert world.slots.place(world.run("other", instance="dev")).go


async def test_a_newcomer_finds_out_that_the_installation_is_full() -> None:
    world = World(max_concurrent_runs=1)
    world.run("a")
    world.start("a")
    assert not world.slots.place(world.run("b")).go
    assert not world.slots.place(world.run("c", instance="dev")).go


async def test_letting_go_of_a_suspended_run_wakes_it() -> None:
    world = World(max_concurrent_runs=5)
    assert not world.slots.place(world.run("a", suspend=True)).go
    world.run("a")
    assert await world.woke() == ["a"]


async def test_a_deleted_run_frees_its_place() -> None:
    world = World(max_concurrent_runs=1)
    world.run("a")
    world.start("a")
    assert not world.slots.place(world.run("b")).go
    world.runs.drop("a")
    world.jobs.drop("a")
    assert world.slots.place(world.runs.objects["team", "b"]).go


def spawned(world: World, name: str, parent: str, *, awaited: bool) -> dict[str, Any]:
    obj = world.run(name, second=30)
    obj["metadata"]["annotations"] = {"sympozium.ai/awaited": "true"} if awaited else {}
    obj["metadata"]["ownerReferences"] = [{"kind": "AgentRun", "name": parent, "uid": f"uid-{parent}"}]
    obj["spec"] |= {"parent": {"runName": parent}, "trigger": {"kind": "Agent", "name": parent}}
    world.runs.objects["team", parent]["metadata"]["uid"] = f"uid-{parent}"
    return obj


async def test_a_run_that_waits_for_its_child_makes_room_for_it_and_for_no_newcomer() -> None:
    world = World(max_concurrent_runs=1)
    world.slots._beneath = lambda key: Limit(1, "p")  # type: ignore[method-assign]
    world.run("a")
    world.start("a")
    earlier = world.run("b", second=1)
    assert not world.slots.place(earlier).go
    child = spawned(world, "c", "a", awaited=True)
    assert world.slots.place(child).go
    assert not world.slots.place(earlier).go


async def test_a_child_that_is_held_by_its_siblings_holds_up_no_newcomer() -> None:
    world = World(max_concurrent_runs=9)
    world.slots._beneath = lambda key: Limit(1, "p")  # type: ignore[method-assign]
    world.run("a")
    world.start("a")
    spawned(world, "c1", "a", awaited=False)
    world.start("c1")
    place = world.slots.place(spawned(world, "c2", "a", awaited=False))
    assert (place.position, place.reason) == (0, "waits for a sibling: 1 of 1 runs work beneath a (p)")
    assert world.slots.place(world.run("new")).go


async def test_the_limit_beneath_a_run_holds_also_without_limits_of_the_installation() -> None:
    world = World()
    world.slots._beneath = lambda key: Limit(0, "p")  # type: ignore[method-assign]
    world.run("a")
    assert not world.slots.place(spawned(world, "c", "a", awaited=False)).go


async def test_a_policy_that_changes_lets_children_go() -> None:
    world = World()
    most = 0
    world.slots._beneath = lambda key: Limit(most, "p")  # type: ignore[method-assign]
    world.run("a")
    world.start("a")
    assert not world.slots.place(spawned(world, "c", "a", awaited=False)).go
    await world.woke()
    most = 1
    world.policies.put({"metadata": {"namespace": "team", "name": "p"}, "spec": {"x": 1}})
    assert await world.woke() == ["c"]
    await world.woke()
    # A status is no news: instances have one that changes with every run.
    world.policies.put({"metadata": {"namespace": "team", "name": "p"}, "spec": {"x": 1}, "status": {"y": 1}})
    assert await world.woke() == []


async def test_a_run_that_waits_for_a_child_of_another_instance_lets_those_of_its_own_go() -> None:
    world = World(max_concurrent_runs_per_instance=1)
    world.run("a")
    world.start("a")
    assert not world.slots.place(world.run("b", second=1)).go
    await world.woke()
    child = world.run("x", instance="dev", second=2)
    world.runs.drop("x")
    await world.woke()
    child["metadata"] |= {
        "annotations": {"sympozium.ai/awaited": "true"},
        "ownerReferences": [{"kind": "AgentRun", "name": "a", "uid": "uid-a"}],
    }
    child["spec"] |= {"parent": {"runName": "a"}, "trigger": {"kind": "Agent", "name": "a"}}
    world.runs.objects["team", "a"]["metadata"]["uid"] = "uid-a"
    world.slots._beneath = lambda key: None  # type: ignore[method-assign]
    world.runs.put(child)
    assert await world.woke() == ["b", "x"]
