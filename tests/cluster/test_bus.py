"""The bus on a real nats-server: what is said is stored, heard once and in order, and kept apart."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import nats.errors
import nats.js.errors
import pytest
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from cluster.bus_data import whole
from cluster.bus_server import BusServer
from sympozium.bus import messages
from sympozium.bus.admin import Admin
from sympozium.bus.connection import connect
from sympozium.bus.credentials import Credentials
from sympozium.bus.deliveries import Deliveries, DeliveryLostError
from sympozium.bus.errors import BusError
from sympozium.bus.history import Stored
from sympozium.bus.publisher import Publisher
from sympozium.bus.reader import Reader
from sympozium.bus.subjects import STREAM, RunRef

ANSWER = {
    "step": 1, "text": "after", "toolCalls": [], "usage": {"inputTokens": 1, "outputTokens": 1}, "finishReason": "stop",
}  # fmt: skip
DECISION = whole("approval.decided")
ONE, TWO = RunRef("team.a", "run.one", "uid-1"), RunRef("team.a", "two", "uid-2")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[BusServer]:
    server = BusServer(tmp_path)
    await server.start()
    yield server
    server.stop()


@pytest.fixture
async def admin(server: BusServer) -> AsyncIterator[Admin]:
    admin = await Admin.open(server.url, server.keyring)
    yield admin
    await admin.close()


@pytest.fixture
async def reader(server: BusServer, admin: Admin) -> AsyncIterator[Reader]:
    reader = await Reader.open(server.url, server.keyring.reader_user(), server.keyring.controller_public)
    yield reader
    await reader.close()


def _texts(found: list[Stored]) -> list[str]:
    return [str(s.message.data.get("text")) for s in found]


async def test_credentials_survive_their_files(admin: Admin, tmp_path: Path) -> None:
    issued = (await admin.issue(ONE))["tools"]
    for name, content in issued.files().items():
        (tmp_path / name).write_bytes(content)
    loaded = Credentials.load(tmp_path)
    assert loaded.files() == issued.files()
    assert loaded.run == ONE


async def test_what_is_published_is_read_by_all_in_order(admin: Admin, reader: Reader) -> None:
    issued = await admin.issue(ONE)
    agent = await Publisher.open(issued["agent"])
    for number in range(5):
        await agent.publish(messages.STEP_STARTED, {"step": 1, "text": f"{number}"})
    await agent.close()
    assert _texts(await admin.transcript(ONE)) == list("01234")
    assert _texts(await reader.transcript(ONE)) == list("01234")
    assert await reader.transcript(TWO) == []


async def test_follow_gives_history_then_live_each_once(admin: Admin, reader: Reader) -> None:
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    await agent.publish(messages.STEP_STARTED, {"step": 1, "text": "before"})
    seen: list[str] = []

    async def talk() -> None:
        """Deltas are for those who look: say it until it is seen, then end the message."""
        while "piece" not in seen:
            await agent.publish_delta({"step": 1, "text": "piece"})
            await asyncio.sleep(0.02)
        await agent.publish(messages.MODEL_MESSAGE, ANSWER)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        talking = group.create_task(talk())
        async for stored in reader.follow(ONE):
            seen.append(str(stored.message.data.get("text")))
            if seen[-1] == "after":
                break
        await talking
    await agent.close()
    assert [seen[0], seen[-1]] == ["before", "after"]
    assert set(seen[1:-1]) == {"piece"}


async def test_a_killed_server_loses_nothing(server: BusServer, admin: Admin, reader: Reader) -> None:
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    heard: list[str] = []

    async def hear(run: RunRef, stored: Stored) -> None:
        heard.append(str(stored.message.data["text"]))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        consuming = group.create_task(admin.consume(hear))
        for number in range(20):
            if number in (5, 12):
                server.kill()
                restarting = group.create_task(server.start())
                await agent.publish(messages.STEP_STARTED, {"step": 1, "text": str(number)})
                await restarting
            else:
                await agent.publish(messages.STEP_STARTED, {"step": 1, "text": str(number)})
        while len(heard) < 20:
            await asyncio.sleep(0.02)
        consuming.cancel()
    await agent.close()
    expected = [str(n) for n in range(20)]
    assert heard == expected
    assert _texts(await reader.transcript(ONE)) == expected


async def test_a_message_is_not_held_back_for_what_an_earlier_request_left(admin: Admin) -> None:
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    deliveries = Deliveries(lambda: admin._js, admin._reconnections)
    async with asyncio.timeout(60), deliveries.opened():
        await deliveries.next()  # the keys of the run
        # As the server has it when the end of a request and the client's own timeout cross.
        left = json.dumps({"batch": 64, "expires": 60_000_000_000}).encode()
        subscription = deliveries._subscription
        await admin._nats.publish(subscription._nms, left, subscription._deliver)
        waiting = asyncio.create_task(deliveries.next())
        await admin._nats.flush()
        await agent.publish(messages.STEP_STARTED, {"step": 1, "text": "now"})
        found = await waiting
        assert found is not None
        assert b"now" in found.data
    await agent.close()


def lose_one(admin: Admin) -> list[bytes]:
    """What the admin's connection loses of what the server sent: the first message with `unheard` in it."""
    lost: list[bytes] = []
    process = admin._nats._process_msg

    async def losing(sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if b"unheard" in data and not lost:
            lost.append(data)
        else:
            await process(sid, subject, reply, data, headers)

    admin._nats._process_msg = losing  # type: ignore[method-assign, assignment]
    return lost


async def test_a_hole_is_noticed_before_what_follows_it_is_taken(admin: Admin) -> None:
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    lost = lose_one(admin)
    deliveries = Deliveries(lambda: admin._js, admin._reconnections)
    async with asyncio.timeout(60), deliveries.opened():
        await deliveries.next()  # the keys of the run
        subscription = deliveries._subscription
        several = json.dumps({"batch": 2, "expires": 60_000_000_000}).encode()
        await admin._nats.publish(subscription._nms, several, subscription._deliver)
        for text in ("unheard", "after"):
            await agent.publish(messages.STEP_STARTED, {"step": 1, "text": text})
        with pytest.raises(DeliveryLostError, match="deliveries 2 to 2 never came"):
            await deliveries.next()
    await agent.close()
    assert len(lost) == 1


@pytest.mark.parametrize("followed", [True, False], ids=["more-follows", "nothing-follows"])
async def test_a_delivery_that_is_lost_on_its_way_is_made_good_in_order(admin: Admin, followed: bool) -> None:
    """As when one of several servers dies between noting that it sends a message and sending it."""
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    heard: list[str] = []

    async def hear(run: RunRef, stored: Stored) -> None:
        heard.append(str(stored.message.data["text"]))

    lost = lose_one(admin)
    said = ["before", "unheard", *(["after"] if followed else [])]
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        consuming = group.create_task(admin.consume(hear))
        for text in said:
            await agent.publish(messages.STEP_STARTED, {"step": 1, "text": text})
        while len(heard) < len(said):
            await asyncio.sleep(0.02)
        consuming.cancel()
    await agent.close()
    assert len(lost) == 1
    assert heard == said


async def test_a_message_whose_handler_failed_comes_again_in_order(admin: Admin) -> None:
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    for number in range(3):
        await agent.publish(messages.STEP_STARTED, {"step": 1, "text": str(number)})
    await agent.close()
    heard: list[str] = []

    async def hear(run: RunRef, stored: Stored) -> None:
        text = str(stored.message.data["text"])
        heard.append(text)
        if heard.count("1") == 1 and text == "1":
            raise RuntimeError("not now")

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        consuming = group.create_task(admin.consume(hear))
        while heard[-1:] != ["2"]:
            await asyncio.sleep(0.02)
        consuming.cancel()
    assert heard == ["0", "1", "1", "2"]


async def test_a_run_that_cannot_be_handled_holds_up_no_other_and_is_not_overtaken(admin: Admin) -> None:
    publishers = {run: await Publisher.open((await admin.issue(run))["agent"]) for run in (ONE, TWO)}
    heard: list[str] = []
    ready = asyncio.Event()

    async def hear(run: RunRef, stored: Stored) -> None:
        if run == ONE and not ready.is_set():
            raise RuntimeError("not now")
        heard.append(str(stored.message.data["text"]))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        consuming = group.create_task(admin.consume(hear))
        for number in range(3):
            for run, publisher in publishers.items():
                await publisher.publish(messages.STEP_STARTED, {"step": 1, "text": f"{run.uid} {number}"})
        while len(heard) < 3:
            await asyncio.sleep(0.02)
        assert heard == [f"{TWO.uid} {number}" for number in range(3)]
        ready.set()
        while len(heard) < 6:
            await asyncio.sleep(0.02)
        consuming.cancel()
    assert heard[3:] == [f"{ONE.uid} {number}" for number in range(3)]
    for publisher in publishers.values():
        await publisher.close()


async def test_a_successor_gets_what_was_not_acknowledged_first(server: BusServer, admin: Admin) -> None:
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    taken = asyncio.Event()

    async def never(run: RunRef, stored: Stored) -> None:
        taken.set()
        await asyncio.Event().wait()

    for number in range(3):
        await agent.publish(messages.STEP_STARTED, {"step": 1, "text": str(number)})
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        consuming = group.create_task(admin.consume(never))
        await taken.wait()
        consuming.cancel()
    await agent.publish(messages.STEP_STARTED, {"step": 1, "text": "3"})
    await agent.close()
    heard: list[str] = []

    async def hear(run: RunRef, stored: Stored) -> None:
        heard.append(str(stored.message.data["text"]))

    successor = await Admin.open(server.url, server.keyring)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        consuming = group.create_task(successor.consume(hear))
        while len(heard) < 4:
            await asyncio.sleep(0.02)
        consuming.cancel()
    await successor.close()
    assert heard == list("0123")


async def test_what_a_run_signs_and_makes_no_sense_stops_nobody(server: BusServer, admin: Admin) -> None:
    mine = (await admin.issue(ONE))["agent"]
    connection = await connect(server.url, mine.user, name="liar", inbox=ONE.inbox("agent"))
    js = connection.jetstream(timeout=2)
    nonsense = [
        b"[" * 200_000,
        b"{}",
        _sealed(mine, "step.started", {"step": "many"}),
        _sealed(mine, "run.result", {"phase": "Succeeded"}),
        _sealed(mine, "tool.outcome", {"callId": "c", "ok": True}),
        _sealed(mine, "unheard.of", {}),
    ]
    for payload in nonsense:
        await js.publish(ONE.events("agent"), payload)
    await js.publish(ONE.events("agent"), _sealed(mine, "step.started", {"step": 1, "text": "sense"}))
    await connection.close()
    heard: list[str] = []

    async def hear(run: RunRef, stored: Stored) -> None:
        heard.append(str(stored.message.data.get("text")))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        consuming = group.create_task(admin.consume(hear))
        while not heard:
            await asyncio.sleep(0.02)
        consuming.cancel()
    assert heard == ["sense"]
    assert admin.dropped == len(nonsense)
    assert _texts(await admin.transcript(ONE)) == ["sense"]


def _sealed(credentials: Credentials, kind: str, data: dict[str, object]) -> bytes:
    """What a hostile container can sign: nothing is checked."""
    body = messages._body(messages.Message(kind, credentials.run, credentials.source, "e", 1, data))
    signature = credentials.signing.sign(messages._canonical(body))
    return messages._canonical({**body, "sig": base64.b64encode(signature).decode()})


async def test_control_reaches_tools_and_comes_again_until_it_is_acknowledged(admin: Admin) -> None:
    issued = await admin.issue(ONE)
    await admin.tell(ONE, messages.APPROVAL_DECIDED, DECISION, once="decision-1")
    await admin.tell(ONE, messages.APPROVAL_DECIDED, DECISION, once="decision-1")
    await admin.tell(ONE, messages.RUN_CANCEL, {"reason": "enough"}, once="cancel")
    tools = await Publisher.open(issued["tools"])
    got: list[str] = []
    async with asyncio.timeout(60):
        async for message in tools.control():
            got.append(message.type)
            if len(got) == 2:
                break
    await tools.close()
    assert got == [messages.APPROVAL_DECIDED, messages.RUN_CANCEL]


async def test_what_a_tool_server_took_and_died_over_comes_to_the_next_one(admin: Admin) -> None:
    issued = await admin.issue(ONE)
    await admin.tell(ONE, messages.APPROVAL_DECIDED, DECISION, once="decision-1")
    dead = await Publisher.open(issued["tools"])
    async with asyncio.timeout(60):
        async for _ in dead.control():
            break  # a message is acknowledged when the next one is asked for
    await dead.close()
    tools = await Publisher.open(issued["tools"])
    async with asyncio.timeout(60):
        async for message in tools.control():
            assert message.type == messages.APPROVAL_DECIDED
            break
    await tools.close()


@pytest.mark.parametrize("source", ["agent", "tools"])
async def test_a_run_can_neither_read_nor_write_another(server: BusServer, admin: Admin, source: str) -> None:
    mine = (await admin.issue(ONE))[source]
    await admin.issue(TWO)
    other = await Publisher.open((await admin.issue(TWO))["agent"])
    await other.publish(messages.STEP_STARTED, {"step": 1, "text": "secret"})
    await other.close()
    connection = await connect(server.url, mine.user, name="thief", inbox=ONE.inbox(source))
    js = connection.jetstream(timeout=0.5)
    for subject in (TWO.events("agent"), TWO.control, TWO.keys, ONE.keys, ONE.control, "sympozium.runs.x"):
        with pytest.raises((nats.errors.Error, nats.js.errors.Error, TimeoutError)):
            await js.publish(subject, b"{}")
    for subject in (f"$JS.API.STREAM.INFO.{STREAM}", f"$JS.API.STREAM.MSG.GET.{STREAM}", f"$JS.API.DIRECT.GET.{STREAM}",
                    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{TWO.consumer('tools')}", f"$JS.API.STREAM.PURGE.{STREAM}",
                    f"$JS.API.CONSUMER.CREATE.{STREAM}"):  # fmt: skip
        with pytest.raises((nats.errors.Error, TimeoutError)):
            await connection.request(subject, b'{"seq":1}', timeout=0.3)
    heard: list[bytes] = []

    async def hear(message: object) -> None:
        heard.append(b"x")

    for subject in (">", "sympozium.>", TWO.everything, "_INBOX.>", f"{TWO.inbox('agent')}.>"):
        await connection.subscribe(subject, cb=hear)
    await connection.flush()
    again = await Publisher.open((await admin.issue(TWO))["agent"])
    await again.publish(messages.STEP_STARTED, {"step": 1, "text": "secret 2"})
    await again.close()
    await connection.flush()
    await connection.close()
    assert heard == []
    assert _texts(await admin.transcript(TWO)) == ["secret", "secret 2"]


async def test_the_reply_subject_writes_nothing_that_is_believed(
    server: BusServer, admin: Admin, reader: Reader
) -> None:
    """A publish with a reply subject makes the server itself write its acknowledgement there."""
    mine = (await admin.issue(ONE))["agent"]
    await admin.issue(TWO)
    connection = await connect(server.url, mine.user, name="thief", inbox=ONE.inbox("agent"))
    before = await admin._js.stream_info(STREAM)
    for subject in (TWO.control, TWO.keys, TWO.events("agent")):
        await connection.publish(ONE.events("agent"), b"x", reply=subject)
    await connection.flush()
    async with asyncio.timeout(60):
        while (await admin._js.stream_info(STREAM)).state.last_seq < before.state.last_seq + 6:
            await asyncio.sleep(0.02)
    await connection.close()
    assert await reader.transcript(TWO) == []
    assert reader.dropped == 3
    await admin.tell(TWO, messages.RUN_CANCEL, {"reason": "r"}, once="1")
    tools = await Publisher.open((await admin.issue(TWO))["tools"])
    async with asyncio.timeout(60):
        async for message in tools.control():
            assert message.type == messages.RUN_CANCEL
            break
    assert tools.dropped == 1
    await tools.close()


async def test_a_control_message_among_the_keys_is_no_key(admin: Admin) -> None:
    """Signed by the controller, for this run, and still not what this subject is for."""
    await admin.issue(ONE)
    await admin.tell(ONE, messages.RUN_CANCEL, {"reason": "r"}, once="1")
    copied = await admin._js.get_last_msg(STREAM, ONE.control)
    await admin._js.publish(ONE.keys, copied.data)
    assert [s.message.type for s in await admin.transcript(ONE)] == [messages.RUN_CANCEL]
    assert admin.dropped == 1
    await admin.issue(ONE)


async def test_a_signed_message_of_one_run_is_not_believed_for_another(
    server: BusServer, admin: Admin
) -> None:
    mine = (await admin.issue(ONE))["agent"]
    await admin.issue(TWO)
    forged = messages.seal(
        messages.Message(messages.STEP_STARTED, TWO, "agent", "e", 1, {"step": 1, "text": "forged"}),
        mine.signing,
    )
    await admin._js.publish(TWO.events("agent"), forged)
    honest = messages.seal(
        messages.Message(messages.STEP_STARTED, ONE, "agent", "e", 1, {"step": 1, "text": "mine"}),
        mine.signing,
    )
    await admin._js.publish(TWO.events("agent"), honest)
    assert await admin.transcript(TWO) == []


async def test_guessed_message_ids_make_nothing_vanish(server: BusServer, admin: Admin) -> None:
    """Ids are compared across the whole stream: without a secret in them, a run could use up another's."""
    issued, theirs = await admin.issue(ONE), await admin.issue(TWO)
    victim = await Publisher.open(theirs["agent"])
    connection = await connect(server.url, issued["agent"].user, name="thief", inbox=ONE.inbox("agent"))
    js = connection.jetstream(timeout=2)
    for number in range(1, 4):
        for guess in (f"{number}", f"{victim._epoch}-{number}", f"{TWO.uid}-{victim._epoch}-{number}"):
            await js.publish(ONE.events("agent"), b"x", headers={"Nats-Msg-Id": guess})
    for number in range(3):
        await victim.publish(messages.STEP_STARTED, {"step": 1, "text": str(number)})
    await victim.close()
    await connection.close()
    assert _texts(await admin.transcript(TWO)) == ["0", "1", "2"]


async def test_a_revoked_user_is_cut_off_and_stays_out(server: BusServer, admin: Admin) -> None:
    issued = await admin.issue(ONE)
    keep = await Publisher.open((await admin.issue(TWO))["agent"])
    gone = asyncio.Event()

    async def disconnected() -> None:
        gone.set()

    connection = await connect(server.url, issued["agent"].user, name="a", inbox=ONE.inbox("agent"))
    connection._disconnected_cb = disconnected
    await admin.revoke(ONE)
    async with asyncio.timeout(60):
        await gone.wait()
    await connection.close()
    server.kill()
    await server.start()
    with pytest.raises(BusError):
        await connect(server.url, issued["tools"].user, name="b", inbox=ONE.inbox("tools"), patient=False)
    await keep.publish(messages.STEP_STARTED, {"step": 1, "text": "still here"})
    await keep.close()
    await admin.revoke(ONE)


async def test_new_credentials_make_the_old_ones_useless_and_keep_the_history(
    server: BusServer, admin: Admin
) -> None:
    first = await Publisher.open((await admin.issue(ONE))["agent"])
    await first.publish(messages.STEP_STARTED, {"step": 1, "text": "first"})
    await first.close()
    old = (await admin.issue(ONE))["agent"]
    second = await Publisher.open((await admin.issue(ONE))["agent"])
    await second.publish(messages.STEP_STARTED, {"step": 1, "text": "second"})
    await second.close()
    with pytest.raises(BusError):
        await connect(server.url, old.user, name="old", inbox=ONE.inbox("agent"), patient=False)
    assert _texts(await admin.transcript(ONE)) == ["first", "second"]


async def test_a_message_that_is_too_large_is_refused_before_it_is_sent(admin: Admin) -> None:
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    with pytest.raises(messages.TooLargeError, match="shorten"):
        await agent.publish(messages.STEP_STARTED, {"step": 1, "text": "x" * messages.MAX_BYTES})
    await agent.publish(messages.STEP_STARTED, {"step": 1, "text": "small"})
    await agent.close()
    assert _texts(await admin.transcript(ONE)) == ["small"]


async def test_a_successor_of_the_same_name_has_a_history_of_its_own(admin: Admin) -> None:
    heir = RunRef(ONE.namespace, ONE.name, "uid-9")
    for run in (ONE, heir):
        agent = await Publisher.open((await admin.issue(run))["agent"])
        await agent.publish(messages.STEP_STARTED, {"step": 1, "text": run.uid})
        await agent.close()
    assert _texts(await admin.transcript(heir)) == ["uid-9"]
    assert admin.dropped == 0
    await admin.purge(ONE)
    assert await admin.transcript(ONE) == []


async def test_a_server_that_is_away_is_said_at_once_to_who_has_no_patience(
    server: BusServer, admin: Admin
) -> None:
    user = server.keyring.reader_user()
    server.kill()
    async with asyncio.timeout(60):
        with pytest.raises(BusError, match="cannot be reached"):
            await Reader.open(server.url, user, server.keyring.controller_public)
    waiting = asyncio.create_task(connect(server.url, user, name="patient", inbox="_INBOX.reader"))
    await server.start()
    async with asyncio.timeout(60):
        connection = await waiting
    await connection.close()


async def followed(reader: Reader, then: Callable[[], Coroutine[Any, Any, None]], *, last: str) -> list[str]:
    """The texts of run one up to `last`; once there is `before`, it goes on with `then`."""
    seen: list[str] = []
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        async for stored in reader.follow(ONE):
            seen.append(str(stored.message.data["text"]))
            if seen == ["before"]:
                group.create_task(then())
            if seen[-1] == last:
                break
    return seen


async def test_follow_goes_on_through_a_restart_of_the_server(
    server: BusServer, admin: Admin, reader: Reader
) -> None:
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    await agent.publish(messages.STEP_STARTED, {"step": 1, "text": "before"})

    async def restart() -> None:
        server.kill()
        await server.start()
        await agent.publish(messages.STEP_STARTED, {"step": 2, "text": "after"})

    seen = await followed(reader, restart, last="after")
    await agent.close()
    assert seen == ["before", "after"]


@pytest.mark.parametrize("more", [True, False], ids=["more-follows", "nothing-follows"])
async def test_follow_reads_what_nobody_told_it_of(admin: Admin, reader: Reader, more: bool) -> None:
    """As when a server dies that was to pass a message on to the reader's."""
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    subscribe = reader._nats.subscribe

    async def deaf(subject: str, cb: Callable[[Msg], Awaitable[None]]) -> Subscription:
        async def losing(message: Msg) -> None:
            if b"unheard" not in message.data:
                await cb(message)

        return await subscribe(subject, cb=losing)

    reader._nats.subscribe = deaf  # type: ignore[method-assign, assignment]
    said = ["before", "unheard", *(["after"] if more else [])]

    async def speak() -> None:
        for text in said[1:]:
            await agent.publish(messages.STEP_STARTED, {"step": 1, "text": text})

    await agent.publish(messages.STEP_STARTED, {"step": 1, "text": "before"})
    seen = await followed(reader, speak, last=said[-1])
    await agent.close()
    assert seen == said
