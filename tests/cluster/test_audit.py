"""The record on a real nats-server: each message once, in order, whoever dies; and nobody else writes."""

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nats.errors
import nats.js.errors
import pytest

from cluster.bus_data import whole
from cluster.bus_server import BusServer
from sympozium.bus import messages
from sympozium.bus.admin import Admin
from sympozium.bus.audit.file import Verified, verify
from sympozium.bus.audit.store import Store
from sympozium.bus.connection import Reconnections, connect
from sympozium.bus.credentials import User
from sympozium.bus.errors import BusError
from sympozium.bus.history import Stored
from sympozium.bus.keyring import READER_INBOX
from sympozium.bus.publisher import Publisher
from sympozium.bus.subjects import AUDIT_STREAM, RunRef

ONE, TWO = RunRef("team.a", "run.one", "uid-1"), RunRef("team.a", "two", "uid-2")
TIME = "2026-11-27T08:00:00Z"
CREATED = {"instance": "sre", "trigger": {"kind": "Manual", "user": "olivia"}}
ENDED = {"phase": "Succeeded"}
REFUSED = (nats.errors.Error, nats.js.errors.Error, TimeoutError)


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


async def lines(admin: Admin, run: RunRef = ONE) -> list[bytes]:
    return [line.data async for line in admin.recorder._store.lines(run.audit)]


async def count(admin: Admin, run: RunRef = ONE) -> int:
    return (await admin.recorder._store.subjects(run.audit)).get(run.audit, 0)


async def checked(admin: Admin, run: RunRef = ONE, **options: Any) -> Verified:
    text = b"".join(line + b"\n" for line in await lines(admin, run))
    return verify(io.BytesIO(text), key=admin.keyring.record_public, **options)


async def kinds(admin: Admin, run: RunRef = ONE) -> list[str]:
    return [json.loads(line)["kind"] for line in await lines(admin, run)]


async def ignore(_run: RunRef, _stored: Stored) -> None:
    """A handler: the status is another's concern."""


async def until_kinds(admin: Admin, wanted: list[str], run: RunRef = ONE) -> None:
    async with asyncio.timeout(60):
        while await kinds(admin, run) != wanted:
            await asyncio.sleep(0.02)


async def call(tools: Publisher, name: str) -> None:
    await tools.publish(messages.TOOL_INTENT, whole("tool.intent", callId=name))
    await tools.publish(messages.TOOL_OUTCOME, whole("tool.outcome", callId=name))


async def test_each_message_is_on_the_record_before_it_is_handled(admin: Admin) -> None:
    await admin.recorder.open(ONE, CREATED, time=TIME)
    tools = await Publisher.open((await admin.issue(ONE))["tools"])
    seen: list[tuple[str, str]] = []

    async def hear(run: RunRef, stored: Stored) -> None:
        seen.append((stored.message.type, (await kinds(admin))[-1]))

    await admin.tell(ONE, messages.APPROVAL_DECIDED, whole("approval.decided"), once="u")
    await call(tools, "c1")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        consuming = group.create_task(admin.consume(hear))
        while len(seen) < 2:
            await asyncio.sleep(0.02)
        consuming.cancel()
    await tools.close()
    assert seen == [("tool.intent", "call.intent"), ("tool.outcome", "call.outcome")]
    end = await admin.recorder.close(ONE, ENDED, time=TIME)
    found = await checked(admin, head=end.hash)
    assert found.first.data["trigger"]["user"] == "olivia"
    assert await kinds(admin) == [
        "run.created",
        "approval.decided",
        "call.intent",
        "call.outcome",
        "run.ended",
    ]


async def test_a_writer_that_is_killed_many_times_leaves_one_record(server: BusServer, admin: Admin) -> None:
    """Kill -9 at no particular point, five times, while calls go on."""
    await admin.recorder.open(ONE, CREATED, time=TIME)
    issued = await admin.issue(ONE)
    tools = await Publisher.open(issued["tools"])

    async def work() -> None:
        for n in range(60):
            await call(tools, f"c{n}")

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        working = group.create_task(work())
        for round_ in range(5):
            writer = _writer(server)
            # So many more entries, and somewhere in the middle of the next one.
            wanted = await count(admin) + 3 + 5 * round_
            while await count(admin) < min(wanted, 110):
                assert writer.poll() is None, writer.communicate()
                await asyncio.sleep(0)
            writer.kill()
            writer.communicate()
        await working
    await admin.close()
    successor = await Admin.open(server.url, server.keyring)
    end = await successor.recorder.close(ONE, ENDED, time=TIME)
    found = await checked(successor, head=end.hash)
    said = [json.loads(line) for line in await lines(successor)]
    calls = [(e["kind"], e["data"]["callId"]) for e in said[1:-1]]
    assert calls == [(kind, f"c{n}") for n in range(60) for kind in ("call.intent", "call.outcome")]
    assert found.entries == 122
    await tools.close()
    await successor.close()


def _writer(server: BusServer) -> "subprocess.Popen[bytes]":
    program = Path(__file__).with_name("audit_writer.py")
    arguments = [sys.executable, str(program), json.dumps(server.keyring.secret()), server.url]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE)


async def test_two_writers_at_once_write_one_record(server: BusServer, admin: Admin) -> None:
    other = await Admin.open(server.url, server.keyring)
    tools = await Publisher.open((await admin.issue(ONE))["tools"])
    for n in range(20):
        await call(tools, f"c{n}")
    await tools.close()
    found = [s for s in await admin.transcript(ONE) if s.message.type.startswith("tool.")]

    async def write(recorder: Any) -> None:
        for work in (
            lambda: recorder.open(ONE, CREATED, time=TIME),
            *(lambda s=s: recorder.take(ONE, s) for s in found),
            lambda: recorder.close(ONE, ENDED, time=TIME),
        ):
            while True:
                with suppress(BusError):  # overtaken: read the end anew
                    await work()
                    break

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for each in (admin, other):
            group.create_task(write(each.recorder))
    await other.close()
    assert (await checked(admin)).entries == 42


async def test_what_was_published_twice_is_on_the_record_once(server: BusServer, admin: Admin) -> None:
    """A publisher that did not hear the acknowledgement says it again, after the server's window too."""
    await admin.recorder.open(ONE, CREATED, time=TIME)
    tools = await Publisher.open((await admin.issue(ONE))["tools"])
    await call(tools, "c1")
    await tools.close()
    for kind in ("tool.intent", "tool.outcome"):
        found = next(s for s in await admin.transcript(ONE) if s.message.type == kind)
        again = await admin._js.get_msg("RUNS", found.sequence)
        await admin._js.publish(ONE.events("tools"), again.data)
    successor = await Admin.open(server.url, server.keyring)
    for each in (admin, successor):
        await each.recorder.close(ONE, ENDED, time=TIME)
        assert await kinds(admin) == ["run.created", "call.intent", "call.outcome", "run.ended"]
    await successor.close()


async def test_what_does_not_verify_is_a_gap_and_says_how_much(admin: Admin) -> None:
    await admin.recorder.open(ONE, CREATED, time=TIME)
    issued = await admin.issue(ONE)
    tools = await Publisher.open(issued["tools"])
    await call(tools, "c1")
    forged = messages.seal(
        messages.Message("tool.intent", ONE, "tools", "e", 1, whole("tool.intent")), messages.new_key()
    )
    for payload in (b"x", forged, b"{}"):
        await admin._js.publish(ONE.events("tools"), payload)
    await call(tools, "c2")
    await admin._js.publish(ONE.events("agent"), b"last")
    await tools.close()
    consuming = asyncio.create_task(admin.consume(ignore))
    expected = ["run.created", "call.intent", "call.outcome", "gap", "call.intent", "call.outcome"]
    await until_kinds(admin, expected)
    async with asyncio.timeout(60):
        while admin.dropped < 4:
            await asyncio.sleep(0.02)
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)
    await admin.recorder.close(ONE, ENDED, time=TIME)
    assert await kinds(admin) == [*expected, "gap", "run.ended"]
    counts = [json.loads(line)["data"].get("messages") for line in await lines(admin)]
    assert [count for count in counts if count] == [3, 1]


async def test_gaps_are_the_same_after_a_crash(server: BusServer, admin: Admin) -> None:
    await admin.recorder.open(ONE, CREATED, time=TIME)
    tools = await Publisher.open((await admin.issue(ONE))["tools"])
    await call(tools, "c1")
    for n in range(3):
        await admin._js.publish(ONE.events("tools"), b"x%d" % n)
    await tools.close()
    successor = await Admin.open(server.url, server.keyring)
    await successor.recorder.close(ONE, ENDED, time=TIME)
    assert await kinds(successor) == ["run.created", "call.intent", "call.outcome", "gap", "run.ended"]
    await checked(successor)
    await successor.close()


async def test_after_its_end_a_record_takes_nothing(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    await admin.recorder.open(ONE, CREATED, time=TIME)
    tools = await Publisher.open((await admin.issue(ONE))["tools"])
    await admin.recorder.close(ONE, ENDED, time=TIME)
    await call(tools, "late")
    await tools.close()
    heard: list[str] = []

    async def hear(_run: RunRef, stored: Stored) -> None:
        heard.append(stored.message.type)

    consuming = asyncio.create_task(admin.consume(hear))
    async with asyncio.timeout(60):
        while len(heard) < 2:
            await asyncio.sleep(0.02)
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)
    assert await kinds(admin) == ["run.created", "run.ended"]
    assert "no record takes tool.intent" in caplog.text


async def test_an_entry_by_another_key_ends_the_writing(server: BusServer, admin: Admin) -> None:
    await admin._js.publish(ONE.audit, b'{"hash": "", "prev": ""}')
    with pytest.raises(BusError, match="cannot be continued"):
        await admin.recorder.open(ONE, CREATED, time=TIME)


async def test_a_purged_transcript_leaves_the_record(admin: Admin) -> None:
    await admin.recorder.open(ONE, CREATED, time=TIME)
    tools = await Publisher.open((await admin.issue(ONE))["tools"])
    await call(tools, "c1")
    await tools.close()
    await admin.revoke(ONE)
    await admin.recorder.close(ONE, ENDED, time=TIME)
    await admin.purge(ONE)
    assert await admin.transcript(ONE) == []
    assert await kinds(admin) == ["run.created", "call.intent", "call.outcome", "run.ended"]


async def test_records_are_listed_and_namesakes_have_their_own(admin: Admin) -> None:
    again = RunRef(ONE.namespace, ONE.name, "uid-3")
    for run in (ONE, TWO, again):
        await admin.recorder.open(run, CREATED, time=TIME)
    store = admin.recorder._store
    assert await store.subjects("sympozium.audit.>") == {run.audit: 1 for run in (ONE, TWO, again)}
    assert set(await store.subjects("sympozium.audit.team_a.run_one.*")) == {ONE.audit, again.audit}


# -- who may do what


@pytest.mark.parametrize("who", ["agent", "tools", "reader"])
async def test_nobody_but_the_controllers_writes_a_record(server: BusServer, admin: Admin, who: str) -> None:
    await admin.recorder.open(ONE, CREATED, time=TIME)
    before = await lines(admin)
    if who == "reader":
        user, inbox = server.keyring.reader_user(), READER_INBOX
    else:
        user, inbox = (await admin.issue(ONE))[who].user, ONE.inbox(who)
    connection = await connect(server.url, user, name="forger", inbox=inbox)
    js = connection.jetstream(timeout=0.5)
    with pytest.raises(REFUSED):
        await js.publish(ONE.audit, before[0])
    await _refused(
        connection, ["STREAM.PURGE", "STREAM.DELETE", "STREAM.MSG.DELETE", "STREAM.UPDATE", "CONSUMER.CREATE"]
    )
    if who != "reader":
        await _refused(connection, ["DIRECT.GET", "STREAM.MSG.GET", "STREAM.INFO"])
        # The server itself would write what it answers: that is no entry, and it is seen.
        await connection.publish(ONE.events(who), b"x", reply=ONE.audit)
        await connection.flush()
    await connection.close()
    after = await lines(admin)
    assert after[: len(before)] == before
    assert (await checked_prefix(admin, len(before))).entries == 1


async def test_what_another_run_has_the_server_write_to_a_record_stops_nothing(
    server: BusServer, admin: Admin
) -> None:
    user = (await admin.issue(TWO))["agent"].user
    connection = await connect(server.url, user, name="forger", inbox=TWO.inbox("agent"))

    async def stray(wanted: int) -> None:
        await connection.publish(TWO.events("agent"), b"x", reply=ONE.audit)
        async with asyncio.timeout(60):
            while (await admin.recorder._store.subjects(ONE.audit)).get(ONE.audit) != wanted:
                await asyncio.sleep(0.02)

    await stray(1)
    await admin.recorder.open(ONE, CREATED, time=TIME)
    await stray(3)
    with pytest.raises(BusError, match="reading it again"):
        await admin.recorder.close(ONE, ENDED, time=TIME)
    await admin.recorder.close(ONE, ENDED, time=TIME)  # as the reconcilers do
    await connection.close()
    assert await kinds(admin) == ["run.created", "run.ended"]
    assert (await checked(admin)).ended


async def checked_prefix(admin: Admin, count: int) -> Verified:
    text = b"".join(line + b"\n" for line in (await lines(admin))[:count])
    return verify(io.BytesIO(text), key=admin.keyring.record_public, is_open=True)


async def _refused(connection: Any, requests: list[str]) -> None:
    for request in requests:
        with pytest.raises(REFUSED):
            await connection.request(f"$JS.API.{request}.{AUDIT_STREAM}", b'{"seq":1}', timeout=0.3)


async def test_the_server_takes_nothing_away_from_records_whoever_asks(admin: Admin) -> None:
    await admin.recorder.open(ONE, CREATED, time=TIME)
    before = await lines(admin)
    with pytest.raises(nats.js.errors.APIError):
        await admin._js.purge_stream(AUDIT_STREAM)
    with pytest.raises(nats.js.errors.APIError):
        await admin._js.delete_msg(AUDIT_STREAM, 1)
    config = (await admin._js.stream_info(AUDIT_STREAM)).config
    for weaker in ({"deny_purge": False}, {"deny_delete": False}):
        with pytest.raises(nats.js.errors.APIError):
            await admin._js.update_stream(config.evolve(**weaker))
    assert await lines(admin) == before


async def test_the_reader_reads_records(server: BusServer, admin: Admin) -> None:
    await admin.recorder.open(ONE, CREATED, time=TIME)
    user: User = server.keyring.reader_user()
    connection = await connect(server.url, user, name="reader", inbox=READER_INBOX)
    store = Store(connection, Reconnections())
    assert [line.data async for line in store.lines(ONE.audit)] == await lines(admin)
    assert await store.subjects("sympozium.audit.>") == {ONE.audit: 1}
    await connection.close()


async def test_a_repeated_message_that_the_consumer_brings_makes_no_entry(admin: Admin) -> None:
    await admin.recorder.open(ONE, CREATED, time=TIME)
    tools = await Publisher.open((await admin.issue(ONE))["tools"])
    await call(tools, "c1")
    await tools.close()
    said = [s for s in await admin.transcript(ONE) if s.message.type.startswith("tool.")]
    for stored in (*said, *said):
        await admin.recorder.take(ONE, stored)
    for stored in said:
        await admin.recorder.take(ONE, Stored(stored.sequence + 100, stored.message))
    assert await kinds(admin) == ["run.created", "call.intent", "call.outcome"]
