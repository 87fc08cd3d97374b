"""Three real nats-servers with the configuration of a cluster's pods: any one of them dies at any time.

What was acknowledged is there, each message is handled once and in order, and who may speak is the same everywhere.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from cluster.bus_cluster import BusCluster
from sympozium.bus import messages
from sympozium.bus.admin import Admin
from sympozium.bus.audit.store import Store
from sympozium.bus.connection import connect
from sympozium.bus.credentials import Credentials
from sympozium.bus.errors import BusError, BusRefusedError
from sympozium.bus.history import Stored
from sympozium.bus.publisher import Publisher
from sympozium.bus.subjects import AUDIT_STREAM, STREAM, RunRef

T = TypeVar("T")


async def patient(work: Callable[[], Awaitable[T]]) -> T:
    """As reconcilers do: what a bus without a leader refuses is asked again."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await work()
            except BusError:
                await asyncio.sleep(0.05)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[BusCluster]:
    made = BusCluster(tmp_path, 3)
    await made.start_all()
    yield made
    made.close()


@pytest.fixture
async def admin(bus: BusCluster) -> AsyncIterator[Admin]:
    made = await patient(lambda: Admin.open(bus.url, bus.keyring, servers=3))
    yield made
    await made.close()


async def leader(admin: Admin) -> int:
    """The number of the server that leads the stream of runs."""

    async def look() -> int:
        with contextlib.suppress(Exception):
            return int((await admin._js.stream_info(STREAM)).cluster.leader.removeprefix("nats-"))
        raise BusError("no leader yet")

    return await patient(look)


async def complete(admin: Admin) -> None:
    """Until every server has all of both streams again."""

    async def look() -> None:
        for name in (STREAM, AUDIT_STREAM):
            with contextlib.suppress(Exception):
                copies = (await admin._js.stream_info(name)).cluster.replicas
                if len(copies) == 2 and all(copy.current for copy in copies):
                    continue
            raise BusError(f"{name} is not everywhere yet")

    await patient(look)


async def may_connect(url: str, credentials: Credentials) -> bool:
    try:
        connection = await connect(
            url, credentials.user, name="asks", inbox=credentials.run.inbox("agent"), patient=False
        )
    except BusRefusedError:
        return False
    await connection.close()
    return True


async def agreed(bus: BusCluster, credentials: Credentials, *, known: bool) -> None:
    """Until each server by itself knows the user, or does not."""
    async with asyncio.timeout(60):
        for number in range(3):
            while await may_connect(bus.url_of(number), credentials) is not known:
                await asyncio.sleep(0.05)


async def test_any_server_dies_while_runs_speak_and_are_heard(bus: BusCluster, admin: Admin) -> None:
    speaker, sent = RunRef("team", "speaker", "uid"), 0
    agent = await Publisher.open((await admin.issue(speaker))["agent"])
    gone = [(await admin.issue(RunRef("team", f"gone-{n}", "uid")))["agent"] for n in range(2)]
    heard: list[str] = []

    async def hear(run: RunRef, stored: Stored) -> None:
        if run == speaker:
            heard.append(str(stored.message.data["text"]))

    async def speak() -> None:
        nonlocal sent
        while sent < bound:
            await agent.publish(messages.STEP_STARTED, {"step": 1, "text": str(sent)})
            sent += 1

    async with asyncio.TaskGroup() as group:
        consuming = group.create_task(admin.consume(hear))
        first = await leader(admin)
        # One that follows while runs speak, then the one that leads, each with an account that changes meanwhile.
        for turn, victim in enumerate([(first + 1) % 3, await leader(admin)]):
            bound = sent + 40
            speaking = asyncio.create_task(speak())
            async with asyncio.timeout(60):
                while sent < bound - 20:
                    await asyncio.sleep(0.001)
            bus.kill(victim)
            late = RunRef("team", f"late-{turn}", "uid")
            issued = (await patient(lambda run=late: admin.issue(run)))["agent"]  # type: ignore[misc]
            await patient(lambda run=gone[turn].run: admin.revoke(run))  # type: ignore[misc]
            await speaking
            bus.start(victim)
            await bus.reachable(victim)
            await agreed(bus, issued, known=True)
            await agreed(bus, gone[turn], known=False)
            await complete(admin)
        async with asyncio.timeout(60):
            while len(heard) < sent:
                await asyncio.sleep(0.02)
        consuming.cancel()
    assert heard == [str(number) for number in range(sent)]
    stored = [item.message.data["text"] for item in await patient(lambda: admin.transcript(speaker))]
    assert stored == heard
    await agent.close()


async def test_what_is_said_while_most_servers_are_away_waits_and_comes_once(
    bus: BusCluster, admin: Admin
) -> None:
    """One server alone acknowledges nothing, neither a message nor a change of who may speak, and what was acknowledged stays."""
    run, late = RunRef("team", "speaker", "uid"), RunRef("team", "late", "uid")
    agent = await Publisher.open((await patient(lambda: admin.issue(run)))["agent"])
    for number in range(20):
        await agent.publish(messages.STEP_STARTED, {"step": 1, "text": str(number)})
    first = await leader(admin)
    victims = [first, (first + 1) % 3]
    for victim in victims:
        bus.kill(victim)
    speaking = asyncio.create_task(agent.publish(messages.STEP_STARTED, {"step": 1, "text": "20"}))
    with pytest.raises(BusError):
        await admin.issue(late)
    assert not speaking.done()
    for victim in victims:
        bus.start(victim)
    await speaking
    issued = (await patient(lambda: admin.issue(late)))["agent"]
    await complete(admin)
    await agreed(bus, issued, known=True)
    stored = [item.message.data["text"] for item in await patient(lambda: admin.transcript(run))]
    assert stored == [str(number) for number in range(21)]
    await agent.close()


async def test_streams_of_fewer_servers_come_to_all_in_place(bus: BusCluster) -> None:
    run = RunRef("team", "early", "uid")
    before = await patient(lambda: Admin.open(bus.url, bus.keyring, servers=1))
    agent = await Publisher.open((await before.issue(run))["agent"])
    await agent.publish(messages.STEP_STARTED, {"step": 1, "text": "kept"})
    await agent.close()
    await before.close()
    after = await patient(lambda: Admin.open(bus.url, bus.keyring, servers=3))
    await complete(after)
    await patient(lambda: Store(after._nats, after._reconnections).ensure(replicas=3))
    bus.kill(await leader(after))
    found = await patient(lambda: after.transcript(run))
    assert [item.message.data["text"] for item in found] == ["kept"]
    await after.close()
