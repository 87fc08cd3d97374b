"""The copy follows the collection, whatever happens to the watch."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sympozium.kube import Informer
from sympozium.kube.informer import Cache, drop_managed_fields
from sympozium.kube.resources import CONFIG_MAPS
from unit.kube.scripted import Api, Asked, Stream, bookmark, config_map, serving, status


def _by_label(obj: dict[str, Any]) -> list[str]:
    return list(obj["metadata"].get("labels", {}).values())


def test_indexes_follow_their_objects() -> None:
    cache = Cache({"label": _by_label})
    cache.put(config_map("a", 1, team="x"))
    cache.put(config_map("b", 2, team="x"))
    old = cache.put(config_map("a", 3, team="y"))
    assert old is not None
    assert old["metadata"]["resourceVersion"] == "1"
    assert [o["metadata"]["name"] for o in cache.by_index("label", "x")] == ["b"]
    assert [o["metadata"]["name"] for o in cache.by_index("label", "y")] == ["a"]
    cache.drop(("default", "a"))
    assert cache.by_index("label", "y") == []
    assert cache.drop(("default", "a")) is None
    assert len(cache) == 1


class Heard:
    """What a handler heard, to be waited for."""

    def __init__(self, informer: Informer) -> None:
        self.all: list[tuple[str, str]] = []
        self._more = asyncio.Event()
        informer.add_handler(self._take)

    def _take(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        kind = "added" if old is None else "deleted" if new is None else "changed"
        self.all.append((kind, (new or old or {})["metadata"]["name"]))
        self._more.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def following(api: Api, **options: Any) -> AsyncIterator[tuple[Informer, Heard]]:
    async with api.client() as client:
        informer = Informer(client, CONFIG_MAPS, namespace="default", **options)
        heard = Heard(informer)
        task = asyncio.create_task(informer.run())
        try:
            yield informer, heard
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()


async def test_streaming_list_then_changes_in_one_request() -> None:
    hold = asyncio.Event()

    async def stream(out: Stream) -> None:
        await out.event("ADDED", config_map("a", 1))
        await out.event("ADDED", config_map("b", 2))
        await out.event("BOOKMARK", bookmark(5, end=True))
        await out.event("MODIFIED", config_map("a", 6))
        await out.event("DELETED", config_map("b", 7))
        await hold.wait()

    async with serving(lambda _: stream) as api, following(api) as (informer, heard):
        await heard.until(lambda: ("deleted", "b") in heard.all)
        assert informer.has_synced
        assert heard.all == [("added", "a"), ("added", "b"), ("changed", "a"), ("deleted", "b")]
        assert [o["metadata"]["resourceVersion"] for o in informer.list()] == ["6"]
        hold.set()
    assert len(api.asked) == 1
    assert api.asked[0].query["sendInitialEvents"] == "true"


async def test_not_synced_before_the_initial_list_is_complete() -> None:
    go, sent, hold = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stream(out: Stream) -> None:
        await out.event("ADDED", config_map("a", 1))
        sent.set()
        await go.wait()
        await out.event("BOOKMARK", bookmark(5, end=True))
        await hold.wait()

    async with serving(lambda _: stream) as api, following(api) as (informer, heard):
        await sent.wait()
        assert not informer.has_synced
        assert heard.all == []
        go.set()
        async with asyncio.timeout(60):
            await informer.wait_synced()
        assert heard.all == [("added", "a")]
        hold.set()


async def test_a_server_without_streaming_lists_is_listed_and_watched() -> None:
    hold = asyncio.Event()

    async def stream(out: Stream) -> None:
        await out.event("ADDED", config_map("b", 11))
        await hold.wait()

    def handler(asked: Asked) -> Any:
        if "sendInitialEvents" in asked.query:
            return status(422, "Invalid", "sendInitialEvents is forbidden")
        if "watch" in asked.query:
            return stream
        return 200, {"metadata": {"resourceVersion": "10"}, "items": [config_map("a", 3)]}

    async with serving(handler) as api, following(api) as (_, heard):
        await heard.until(lambda: len(heard.all) == 2)
        assert heard.all == [("added", "a"), ("added", "b")]
        hold.set()
    assert api.asked[2].query["resourceVersion"] == "10"


async def test_an_ended_watch_goes_on_from_its_bookmark() -> None:
    hold = asyncio.Event()

    async def first(out: Stream) -> None:
        await out.event("ADDED", config_map("a", 1))
        await out.event("BOOKMARK", bookmark(5, end=True))
        await out.event("BOOKMARK", bookmark(42))

    async def second(out: Stream) -> None:
        await out.event("MODIFIED", config_map("a", 43))
        await hold.wait()

    streams = [first, second]
    async with serving(lambda _: streams.pop(0)) as api, following(api) as (_, heard):
        await heard.until(lambda: len(heard.all) == 2)
        hold.set()
    assert api.asked[1].query["resourceVersion"] == "42"


async def test_after_410_the_difference_is_heard() -> None:
    hold = asyncio.Event()

    async def first(out: Stream) -> None:
        for name in ("stays", "goes", "changes"):
            await out.event("ADDED", config_map(name, 1))
        await out.event("BOOKMARK", bookmark(5, end=True))
        await out.event("ERROR", status(410, "Expired")[1])

    async def again(out: Stream) -> None:
        await out.event("ADDED", config_map("stays", 1))
        await out.event("ADDED", config_map("changes", 8))
        await out.event("ADDED", config_map("comes", 9))
        await out.event("BOOKMARK", bookmark(10, end=True))
        await hold.wait()

    streams = [first, again]
    async with serving(lambda _: streams.pop(0)) as api, following(api) as (informer, heard):
        await heard.until(lambda: ("deleted", "goes") in heard.all)
        assert heard.all[3:] == [("changed", "changes"), ("added", "comes"), ("deleted", "goes")]
        assert {o["metadata"]["name"] for o in informer.list()} == {"stays", "changes", "comes"}
        hold.set()
    assert "resourceVersion" not in api.asked[1].query


async def test_failures_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = asyncio.Event()

    async def stream(out: Stream) -> None:
        await out.event("BOOKMARK", bookmark(5, end=True))
        await hold.wait()

    answers: list[Any] = [status(500, "InternalError"), status(403, "Forbidden"), stream]
    monkeypatch.setattr("sympozium.kube.informer._BACK_OFF", (0.001, 0.001))
    async with serving(lambda _: answers.pop(0)) as api, following(api) as (informer, _):
        async with asyncio.timeout(60):
            await informer.wait_synced()
        hold.set()
    assert len(api.asked) == 3


async def test_own_writes_are_taken_once_and_old_news_is_ignored() -> None:
    go, hold = asyncio.Event(), asyncio.Event()

    async def stream(out: Stream) -> None:
        await out.event("ADDED", config_map("a", 1))
        await out.event("BOOKMARK", bookmark(5, end=True))
        await go.wait()
        await out.event("MODIFIED", config_map("a", 6))
        await out.event("MODIFIED", config_map("a", 7))
        await out.event("MODIFIED", config_map("a", 8))
        await hold.wait()

    async with serving(lambda _: stream) as api, following(api) as (informer, heard):
        async with asyncio.timeout(60):
            await informer.wait_synced()
        informer.mutation(config_map("a", 7))
        informer.mutation(config_map("gone", 4))
        assert heard.all == [("added", "a"), ("changed", "a")]
        assert informer.get("default", "gone") is None
        go.set()
        await heard.until(lambda: len(heard.all) == 3)
        assert (informer.get("default", "a") or {})["metadata"]["resourceVersion"] == "8"
        hold.set()


async def test_a_transform_drops_what_nobody_reads() -> None:
    hold = asyncio.Event()
    fat = config_map("a", 1)
    fat["metadata"]["managedFields"] = [{"manager": "x"}]

    async def stream(out: Stream) -> None:
        await out.event("ADDED", fat)
        await out.event("BOOKMARK", bookmark(5, end=True))
        await hold.wait()

    async with (
        serving(lambda _: stream) as api,
        following(api, transform=drop_managed_fields) as (informer, _),
    ):
        async with asyncio.timeout(60):
            await informer.wait_synced()
        assert "managedFields" not in informer.list("default")[0]["metadata"]
        late = Heard(informer)
        assert late.all == [("added", "a")]
        hold.set()
