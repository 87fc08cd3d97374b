"""The queue, the informer, supervision: no clock but the loop's own."""

import asyncio
import itertools
from collections import Counter

import pytest

from sympozium.localkube.controllers.api import Client
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.queue import Queue
from sympozium.localkube.controllers.run import supervise
from sympozium.localkube.errors import ApiError, conflict


async def settle(condition):
    """Let the loop turn until it holds; a bound instead of a hang."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it does not come true")


# -- queue


async def test_a_key_is_queued_once_and_again_only_after_its_worker():
    queue = Queue()
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


@pytest.mark.looptime
async def test_the_earliest_of_several_times_holds_and_failures_wait_longer():
    loop = asyncio.get_running_loop()
    queue = Queue()
    queue.add_after("a", 50)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    began = loop.time()
    await queue.get()
    assert loop.time() - began == 5
    queue.done("a")
    assert [round(queue.retry("b"), 2) for _ in range(4)] == [0.02, 0.04, 0.08, 0.16]
    assert [queue.retry("b") for _ in range(20)][-1] == 60
    queue.forget("b")
    assert queue.retry("b") == 0.02
    queue.close()


# -- controller


@pytest.mark.looptime
async def test_a_failing_key_comes_again_and_does_not_hold_up_others(caplog):
    seen, counts = [], Counter()
    errors = {"bad": [ApiError(500, "once"), ValueError("twice")], "stale": [conflict("", "pods", "x")]}

    async def sync(key):
        seen.append(key)
        if errors.get(key):
            raise errors[key].pop(0)

    controller = Controller("c", sync, counts)
    for key in ("bad", "stale", "good"):
        controller.queue.add(key)
    task = asyncio.create_task(controller.run())
    await asyncio.sleep(5)
    task.cancel()
    assert seen[:3] == ["bad", "stale", "good"]
    assert (seen.count("bad"), seen.count("stale"), seen.count("good")) == (3, 2, 1)
    assert (counts["c", "errors"], counts["c", "conflicts"]) == (2, 1)
    assert "ValueError: twice" in caplog.text


@pytest.mark.looptime
async def test_a_key_is_never_with_two_workers():
    busy, most = set(), 0

    async def sync(key):
        nonlocal most
        assert key not in busy
        busy.add(key)
        most = max(most, len(busy))
        controller.queue.add(key) if len(done) < 5 else None
        done.append(key)
        await asyncio.sleep(1)
        busy.discard(key)

    done = []
    controller = Controller("c", sync, Counter(), workers=3)
    for key in "ab":
        controller.queue.add(key)
    task = asyncio.create_task(controller.run())
    await asyncio.sleep(60)
    task.cancel()
    assert most == 2
    assert len(done) > 5


@pytest.mark.looptime
async def test_a_part_that_crashes_is_counted_and_started_again(caplog):
    starts, counts, loop = [], Counter(), asyncio.get_running_loop()

    async def part():
        starts.append(loop.time())
        raise RuntimeError("broken")

    task = asyncio.create_task(supervise("part", part, counts))
    await asyncio.sleep(20)
    task.cancel()
    gaps = [round(b - a) for a, b in itertools.pairwise(starts)]
    assert gaps == [1, 2, 4, 8]
    assert counts["part", "crashes"] == len(starts)
    assert "part crashed" in caplog.text


# -- informer


def obj(name, revision, **meta):
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": str(revision)}
        | meta
    }


class FakeServer:
    """Lists and streams that the test fills in."""

    def __init__(self, *lists):
        self.lists, self.events, self.watched = list(lists), asyncio.Queue(), []

    async def request(self, method, path, body=None, *, query=None, content_type="", user=None):
        answer = self.lists.pop(0)
        if isinstance(answer, ApiError):
            return answer.code, answer.status()
        revision, items = answer
        return 200, {
            "apiVersion": "v1",
            "kind": "PodList",
            "metadata": {"resourceVersion": str(revision)},
            "items": items,
        }

    async def watch(self, path, *, query=None, user=None):
        self.watched.append(query["resourceVersion"])
        while (event := await self.events.get()) is not None:
            yield event

    def tell(self, kind, what):
        self.events.put_nowait({"type": kind, "object": what})


@pytest.fixture
async def following():
    tasks = []

    def start(server, **options):
        informer = Informer(Client(server, "x"), "/api/v1/pods", **options)
        told = []
        informer.on_change(lambda new, old: told.append((name(new), name(old))))
        tasks.append(asyncio.create_task(informer.run()))
        return informer, told

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def name(what):
    return what and what["metadata"]["name"]


async def test_it_lists_then_follows_and_goes_on_from_the_last_revision(following):
    server = FakeServer((5, [obj("a", 3)]))
    informer, told = following(server)
    await informer.synced.wait()
    assert informer.get("ns", "a")["kind"] == "Pod"
    server.tell("ADDED", obj("b", 6))
    server.tell("MODIFIED", obj("a", 7))
    server.tell("DELETED", obj("b", 8))
    server.tell("BOOKMARK", {"metadata": {"resourceVersion": "12"}})
    server.events.put_nowait(None)
    await settle(lambda: server.watched == ["5", "12"])
    assert told == [("a", None), ("b", None), ("a", "a"), (None, "b")]
    assert list(informer.items) == [("ns", "a")]


async def test_after_410_it_lists_again_and_tells_what_is_gone(following):
    server = FakeServer((5, [obj("a", 3), obj("b", 4)]), (90, [obj("a", 80), obj("c", 85)]))
    informer, told = following(server)
    await informer.synced.wait()
    server.tell("ERROR", {"code": 410, "message": "too old", "reason": "Expired"})
    await settle(lambda: len(server.watched) == 2)
    assert told == [("a", None), ("b", None), ("a", "a"), ("c", None), (None, "b")]
    assert server.watched == ["5", "90"]


async def test_own_writes_are_seen_at_once_and_never_turned_back(following):
    server = FakeServer((5, [obj("a", 3)]))
    informer, told = following(server)
    await informer.synced.wait()
    informer.observe(obj("a", 9))
    server.tell("MODIFIED", obj("a", 7))
    server.tell("DELETED", obj("a", 10))
    await settle(lambda: not informer.items)
    informer.observe(obj("a", 9))  # the answer of a write that came before the deletion
    assert not informer.items
    assert told == [("a", None), ("a", "a"), (None, "a")]


async def test_another_object_of_the_same_name_is_one_gone_and_one_new(following):
    server = FakeServer((5, [obj("a", 3)]))
    informer, told = following(server)
    await informer.synced.wait()
    informer.observe(obj("a", 9, uid="other"))
    assert told[1:] == [(None, "a"), ("a", None)]
    informer.forget(obj("a", 3))
    assert informer.items


@pytest.mark.looptime
async def test_a_failure_is_logged_and_tried_again(following, caplog):
    server = FakeServer(ApiError(500, "not now"), (5, []))
    informer, _ = following(server)
    await informer.synced.wait()
    assert "not now" in caplog.text
