"""Whoever goes first: the answer, its client, or the server."""

import asyncio
from typing import Any

import looptime  # noqa: F401 - the plugin for virtual time
import pytest

from sympozium.bus.subjects import RunRef
from sympozium.server.agents.asked import Asked
from sympozium.server.agents.waiting import Body, Farewell, Waiting

pytestmark = pytest.mark.looptime
FAREWELL = Farewell(b'{"stops": true}', b"data: stops\n\n")


class Asking:
    def __init__(self) -> None:
        self.cancelled: list[str] = []

    async def cancel(self, asked: Asked, why: str) -> None:
        self.cancelled.append(why)


class Client:
    """Sends nothing more; goes away after a while, and reads only what it has time for."""

    def __init__(self, *, goes_after: float = 1e9, takes: float = 0) -> None:
        self.sent: list[dict[str, Any]] = []
        self._goes_after = goes_after
        self._takes = takes

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(self._goes_after)
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await asyncio.sleep(self._takes)
        self.sent.append(message)


async def answered(
    client: Client, body: Body, *, keyed: bool = False, stops_after: float | None = None
) -> list[str]:
    """Why the run was cancelled, if it was."""
    asking, draining = Asking(), asyncio.Event()
    asked = Asked(RunRef("ns", "r", "u"), "2026-11-27T12:00:00Z", 60, keyed=keyed)
    if stops_after is not None:
        asyncio.get_running_loop().call_later(stops_after, draining.set)
    waiting = Waiting(asking, asked, draining, body, FAREWELL)  # type: ignore[arg-type]
    await waiting({"type": "http"}, client.receive, client.send)
    return asking.cancelled


async def whole(send: Any) -> None:
    await asyncio.sleep(10)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def streamed(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.sleep(10)
    await send({"type": "http.response.body", "body": b"done"})


async def test_an_answer_comes_when_it_is_there() -> None:
    client = Client()
    assert await answered(client, whole) == []
    assert client.sent[-1]["body"] == b"done"


@pytest.mark.parametrize("body", [whole, streamed])
async def test_a_client_that_goes_away_ends_its_run_unless_it_may_come_again(body: Body) -> None:
    assert await answered(Client(goes_after=5), body) == ["its client went away"]
    assert await answered(Client(goes_after=5), body, keyed=True) == []


async def test_a_client_that_does_not_read_ends_its_run() -> None:
    assert await answered(Client(takes=60), streamed) == ["its client does not read what it is sent"]


async def test_a_server_that_stops_says_so_before_and_in_an_answer() -> None:
    client = Client()
    assert await answered(client, whole, stops_after=5) == ["the API server stops"]
    assert [m.get("status", m.get("body")) for m in client.sent] == [503, FAREWELL.whole]
    client = Client()
    assert await answered(client, streamed, stops_after=5) == ["the API server stops"]
    assert [m.get("status", m.get("body")) for m in client.sent] == [200, FAREWELL.event]


async def test_what_breaks_is_not_hidden() -> None:
    async def broken(_send: Any) -> None:
        raise ValueError("a mistake of ours")

    with pytest.raises(ValueError, match="a mistake of ours"):
        await answered(Client(), broken)
