"""Events: repeated ones are counted, and news never hold up work."""

import asyncio
from typing import Any

import pytest

from sympozium.kube.events import Recorder
from unit.kube.scripted import Asked, serving, status

pytestmark = pytest.mark.asyncio

RUN = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "AgentRun",
    "metadata": {"name": "r", "namespace": "team", "uid": "u1"},
}


async def _written(handler: Any, *said: tuple[str, str], count: int) -> list[Asked]:
    """What a recorder sends until `count` requests were made."""
    done = asyncio.Event()

    def counted(asked: Asked) -> Any:
        if len(api.asked) >= count:
            done.set()
        return handler(asked)

    async with serving(counted) as api, api.client() as client:
        recorder = Recorder(client, "tester")
        task = asyncio.create_task(recorder.run())
        for reason, message in said:
            recorder.event(RUN, "Warning", reason, message)
        async with asyncio.timeout(60):
            await done.wait()
        task.cancel()
        await asyncio.wait([task])
        return list(api.asked)


async def test_an_event_says_what_about_whom() -> None:
    (asked,) = await _written(lambda _: (201, {}), ("Failed", "x" * 2000), count=1)
    assert (asked.method, asked.path) == ("POST", "/api/v1/namespaces/team/events")
    body = asked.body
    assert body["involvedObject"]["uid"] == "u1"
    assert (body["type"], body["reason"], body["count"]) == ("Warning", "Failed", 1)
    assert body["source"] == {"component": "tester"}
    assert len(body["message"]) <= 1024
    assert body["message"].endswith("[shortened]")


async def test_the_same_words_within_a_minute_are_one_event() -> None:
    asked = await _written(lambda _: (201, {}), ("A", "x"), ("A", "x"), ("B", "x"), count=2)
    assert [a.body["reason"] for a in asked] == ["A", "B"]


async def test_an_event_that_is_there_is_counted() -> None:
    def handler(asked: Asked) -> Any:
        return status(409, "AlreadyExists") if asked.method == "POST" else (200, {"count": 4})

    _, _, patch = await _written(handler, ("A", "x"), count=3)
    assert patch.method == "PATCH"
    assert patch.body["count"] == 5


async def test_who_may_not_read_events_says_when_it_was_last() -> None:
    answers = {"POST": status(409, "AlreadyExists"), "GET": status(403, "Forbidden"), "PATCH": (200, {})}
    _, _, patch = await _written(lambda asked: answers[asked.method], ("A", "x"), count=3)
    assert patch.method == "PATCH"
    assert patch.body.keys() == {"lastTimestamp"}


async def test_refused_events_do_not_stop_the_recorder() -> None:
    answers = [status(403, "Forbidden"), (201, {})]
    asked = await _written(lambda _: answers.pop(0), ("A", "x"), ("B", "y"), count=2)
    assert len(asked) == 2
