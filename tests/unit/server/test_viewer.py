"""One stream: what it sends when nothing comes, and when it ends. Time is virtual."""

import asyncio
import random

import looptime  # noqa: F401 - the plugin for virtual time
import pytest

from sympozium.kube import ApiError, KubeError, UnauthorizedError, UnreachableError
from sympozium.server.problems import Problem
from sympozium.server.settings import STREAM_RECHECK
from sympozium.server.streams.registry import Registry
from sympozium.server.streams.viewer import UNCHECKED_SECONDS, Viewer
from sympozium.testing.sse import Event, Parser

pytestmark = pytest.mark.looptime


class Queue:
    """A source to which a test puts."""

    patience: float | None = None

    def __init__(self) -> None:
        self.ended = False
        self.chunks: list[bytes] = []
        self.taken = 0

    async def take(self) -> bytes:
        self.taken += 1
        assert self.taken < 10_000, "the stream goes round without a pause"
        return self.chunks.pop(0) if self.chunks else b""


class Reading:
    """A viewer that is read in the background."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.parser = Parser()
        self.events: list[Event] = []
        self.task = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for chunk in self.viewer.chunks():
            self.events += self.parser.feed(chunk)

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.events]


def viewer(source: Queue, draining: asyncio.Event | None = None) -> Viewer:
    made = Viewer(draining or asyncio.Event())
    made.sources = [source]
    return made


async def test_a_stream_without_events_pings() -> None:
    reading = Reading(viewer(Queue()))
    await asyncio.sleep(46)
    assert reading.parser.comments == ["ping", "ping", "ping"]
    reading.task.cancel()


async def test_events_come_when_the_viewer_is_woken_and_put_pings_off() -> None:
    source = Queue()
    made = viewer(source)
    reading = Reading(made)
    for _ in range(4):
        await asyncio.sleep(10)
        source.chunks.append(b"event: x\ndata: {}\n\n")
        made.wake()
    await asyncio.sleep(1)
    assert (reading.names, reading.parser.comments) == (["x"] * 4, [])
    source.ended = True
    made.wake()
    await reading.task


async def test_a_source_without_patience_is_asked_again() -> None:
    source = Queue()
    reading = Reading(viewer(source))
    await asyncio.sleep(0)
    source.patience = 0.5
    await asyncio.sleep(15.1)
    source.ended = True
    await asyncio.sleep(1)
    assert reading.task.done()


async def test_a_server_that_stops_says_goodbye() -> None:
    draining = asyncio.Event()
    registry = Registry(draining)
    running = asyncio.ensure_future(registry.run())
    async with registry.viewer() as made:
        made.sources = [Queue()]
        reading = Reading(made)
        await asyncio.sleep(1)
        draining.set()
        await reading.task
        assert reading.names == ["bye"]
    with pytest.raises(Problem, match="stopping"):
        registry.require_room("somebody")
    running.cancel()


async def test_a_stream_that_cannot_say_goodbye_is_cut() -> None:
    draining = asyncio.Event()
    registry = Registry(draining)
    running = asyncio.ensure_future(registry.run())
    async with registry.viewer() as made:
        made.pump = asyncio.get_running_loop().create_future()
        draining.set()
        await asyncio.sleep(1.1)
        assert made.pump.cancelled()
    running.cancel()


REFUSED = [
    (Problem(403, "no"), 403),
    (UnauthorizedError(401, "Unauthorized", "expired"), 401),
]


@pytest.mark.parametrize(("error", "status"), REFUSED)
async def test_a_right_that_is_withdrawn_ends_the_stream(error: Exception, status: int) -> None:
    made = viewer(Queue())
    rights: list[Exception] = []

    async def check() -> None:
        for refused in rights:
            raise refused

    made.check = check
    reading = Reading(made)
    await asyncio.sleep(95)
    assert reading.names == []
    rights.append(error)
    await asyncio.sleep(31)
    assert reading.task.done()
    assert [(e.event, e.data["status"]) for e in reading.events] == [("problem", status)]


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("away"),
        ApiError(500, "InternalError", "broken"),
        ApiError(429, "TooManyRequests", "later"),
    ],
)
async def test_a_right_that_nobody_can_confirm_holds_for_a_while(error: KubeError) -> None:
    made = viewer(Queue())
    broken = True

    async def check() -> None:
        if broken:
            raise error

    made.check = check
    reading = Reading(made)
    await asyncio.sleep(UNCHECKED_SECONDS - 31)
    broken = False
    await asyncio.sleep(60)
    broken = True
    await asyncio.sleep(UNCHECKED_SECONDS - 31)
    assert not reading.task.done()
    await asyncio.sleep(65)
    assert reading.task.done()
    assert reading.names == ["problem"]


async def test_a_review_that_is_due_within_a_grain_of_the_clock_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 1 + 5e-10 / STREAM_RECHECK)
    made = viewer(Queue())
    reviews: list[None] = []

    async def check() -> None:
        reviews.append(None)

    made.check = check
    reading = Reading(made)
    await asyncio.sleep(STREAM_RECHECK + 1)
    assert len(reviews) == 1
    reading.task.cancel()


def test_there_is_room_for_so_many_and_for_so_many_of_one() -> None:
    registry = Registry(asyncio.Event(), most=3, most_per_caller=2)
    with registry.room("a"), registry.room("a"):
        with pytest.raises(Problem) as refused, registry.room("a"):
            pass
        assert (refused.value.status, "Retry-After" in refused.value.headers) == (429, True)
        with registry.room("b"):
            with pytest.raises(Problem) as refused, registry.room("c"):
                pass
            assert refused.value.status == 503
        with registry.room("c"):
            assert len(registry) == 3
    assert len(registry) == 0
    with registry.room("a"), registry.room("a"):
        pass
