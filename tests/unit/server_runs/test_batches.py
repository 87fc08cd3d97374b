"""Changes come to the thread: each, the newest, and again when it failed."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from sympozium.server.runs import batches
from sympozium.server.runs.batches import Batches, StartOverError
from unit.server_runs.making import run


class Source:
    """As an informer, as far as Batches asks."""

    def __init__(self, *runs: Any) -> None:
        self.runs = runs
        self.synced = asyncio.Event()

    async def wait_synced(self) -> None:
        await self.synced.wait()

    def list(self) -> Sequence[Any]:
        return self.runs


class Sink:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.taken: list[str] = []
        self.gone: list[Any] = []
        self.sizes: list[int] = []

    def take(self, runs: Any, gone: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sizes.append(len(runs) + len(gone))
        self.taken += [run["metadata"]["name"] for run in runs]
        self.gone += gone


async def until_ready(made: Batches) -> None:
    async with asyncio.timeout(60):
        while made.unready():
            await asyncio.sleep(0.001)


async def follow(made: Batches, source: Source) -> "asyncio.Task[None]":
    task = asyncio.create_task(made.run(source))  # type: ignore[arg-type]
    source.synced.set()
    await until_ready(made)
    return task


async def test_it_is_ready_when_all_that_there_was_is_taken() -> None:
    sink, source = Sink(), Source()
    made = Batches("test", sink.take)
    for number in range(250):
        made.changed(None, run(f"r{number}"))
    task = asyncio.create_task(made.run(source))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert made.unready() == ["test not complete yet"]
    source.synced.set()
    await until_ready(made)
    assert sink.taken == [f"r{number}" for number in range(250)]
    assert max(sink.sizes) <= 100
    task.cancel()


async def test_the_newest_of_a_run_is_taken_and_what_is_gone_is_told() -> None:
    sink, source = Sink(), Source()
    made = Batches("test", sink.take)
    made.changed(None, run("a", task="old"))
    made.changed(None, run("b"))
    made.changed(run("b"), None)
    made.changed(run("a"), run("a", task="new"))
    task = await follow(made, source)
    assert sink.taken == ["a"]
    assert sink.gone == [("team", "b")]
    task.cancel()


async def test_only_what_is_chosen_is_taken() -> None:
    sink = Sink()
    made = Batches("test", sink.take, only=lambda found: found["status"]["phase"] == "Failed")
    made.changed(None, run("a"))
    made.changed(None, run("b", phase="Failed"))
    task = await follow(made, Source())
    assert sink.taken == ["b"]
    task.cancel()


async def test_what_failed_is_tried_again_with_what_is_newer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batches, "_RETRY_SECONDS", 0)
    sink = Sink(OSError("disk full"))
    made = Batches("test", sink.take)
    made.changed(None, run("a"))
    task = await follow(made, Source())
    assert sink.taken == ["a"]
    assert "1 changes were not taken" in caplog.text
    task.cancel()


async def test_what_must_start_over_is_given_everything_again() -> None:
    sink = Sink(StartOverError("damaged"))
    made = Batches("test", sink.take)
    made.changed(None, run("deleted-since"))
    task = await follow(made, Source(run("a"), run("b")))
    assert sorted(sink.taken) == ["a", "b", "deleted-since"]
    task.cancel()


async def test_what_is_not_needed_keeps_nobody_waiting_when_it_fails() -> None:
    sink, source = Sink(OSError("the disk is full")), Source()
    made = Batches("test", sink.take, needed=False)
    made.changed(None, run("a"))
    task = await follow(made, source)
    assert sink.taken == []
    task.cancel()


async def test_what_it_works_on_is_closed_when_it_ends_by_the_thread_and_last() -> None:
    did: list[str] = []
    began, go_on = threading.Event(), threading.Event()

    def take(_runs: Any, _gone: Any) -> None:
        began.set()
        assert go_on.wait(10)
        did.append("taken")

    made = Batches("test", take, close=lambda: did.append(threading.current_thread().name))
    source = Source()
    source.synced.set()
    made.changed(None, run("r"))
    task = asyncio.create_task(made.run(source))  # type: ignore[arg-type]
    assert await asyncio.to_thread(began.wait, 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert did == []
    go_on.set()
    await asyncio.to_thread(made._thread.shutdown)
    assert did == ["taken", "test_0"]
