"""Live streams over real parts: each event once and in order, whatever dies; nobody sees what is not theirs."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import pytest
from nats.aio.msg import Msg

from cluster.api_server import installed
from cluster.bus_data import whole
from cluster.live_streams import (
    SECONDS,
    Stage,
    bus,
    connect,
    events_of,
    finish,
    lone,
    say,
    second,
    stage,
    texts,
)
from cluster.people import bind
from sympozium.bus import messages
from sympozium.bus.connection import connect as connect_bus
from sympozium.bus.keyring import READER_INBOX
from sympozium.bus.messages import Message, new_key, seal
from sympozium.bus.subjects import RunRef
from sympozium.kube import Client
from sympozium.server.bus import Bus
from sympozium.server.feed.feed import Feed
from sympozium.testing.waiting import until

__all__ = ["bus", "installed", "lone", "second", "stage"]

pytestmark = pytest.mark.timeout(120)


# -- one run


async def test_a_run_is_followed_from_before_it_starts_to_its_end(stage: Stage) -> None:
    run = stage.run()
    async with connect(stage.server, events_of(run)) as client, stage.speaker(run) as agent:
        first = await client.until_event("run")
        assert first.data == {"namespace": "default", "name": run.name, "uid": run.uid, "phase": "Pending"}
        await agent.publish("run.started", whole("run.started"))
        await say(agent, "one")
        await client.until_ids(2)
        await agent.publish_delta({"step": 1, "text": "Hel"})
        piece = await client.until_event("partial")
        assert piece.data == {"step": 1, "text": "Hel", "whole": True}
        await agent.publish_delta({"step": 1, "text": "lo"})
        assert (await client.until_event("delta")).data == {"step": 1, "text": "lo"}
        await agent.publish("model.message", whole("model.message", text="Hello"))
        await finish(agent)
        await client.until_ids(4)
        stage.status(run, "Succeeded")
        await client.to_end()
        assert client.events[-1].event == "end"
        assert client.events[-1].data == {"phase": "Succeeded", "deleted": False}
    kinds = [event.data["type"] for event in client.events if event.id]
    assert kinds == ["run.started", "step.started", "model.message", "run.result"]
    assert client.ids == sorted(set(client.ids))
    assert client.response.headers["cache-control"] == "no-store"


async def test_a_viewer_that_joins_in_mid_message_gets_what_is_known_of_it(stage: Stage) -> None:
    run = stage.run()
    async with (
        stage.speaker(run) as agent,
        connect(stage.server, events_of(run)) as early,
    ):
        await say(agent, "step")
        await early.until_ids(1)
        await agent.publish_delta({"step": 1, "text": "half a "})
        await early.until_event("partial")
        async with connect(stage.server, events_of(run)) as late:
            assert (await late.until_event("partial")).data["text"] == "half a "
            await agent.publish_delta({"step": 1, "text": "sentence"})
            for client in (early, late):
                assert (await client.until_event("delta")).data["text"] == "sentence"


async def test_a_finished_run_is_replayed_from_any_place(stage: Stage) -> None:
    run = stage.run()
    async with stage.speaker(run) as agent:
        for number in range(6):
            await say(agent, str(number))
        await finish(agent)
    stage.status(run, "Failed")
    async with connect(stage.server, events_of(run)) as client:
        await client.to_end()
    assert texts(client.events) == ["0", "1", "2", "3", "4", "5", ""]
    assert client.events[-1].event == "end"
    for index, place in enumerate(client.ids):
        async with connect(stage.server, events_of(run), last=place) as later:
            await later.to_end()
        assert later.ids == client.ids[index + 1 :]
        assert later.events[-1].event == "end"
    async with connect(stage.server, f"{events_of(run)}?after={client.ids[2]}") as later:
        await later.to_end()
    assert later.ids == client.ids[3:]


async def test_the_transcript_is_what_the_stream_has(stage: Stage) -> None:
    run = stage.run()
    path = f"/namespaces/default/runs/{run.name}/transcript"
    empty = stage.server.ask("GET", path, token="admin-token")
    assert empty.json() == {"events": [], "complete": True, "dropped": 0}
    async with stage.speaker(run) as agent:
        for text in ("one", "two", "three"):
            await say(agent, text)
        async with connect(stage.server, events_of(run)) as client:
            await client.until_ids(3)
        found = await asyncio.to_thread(stage.server.ask, "GET", path, token="admin-token")
        assert found.json()["events"] == [event.data for event in client.events if event.id]
        after = f"{path}?after={client.ids[1]}"
        found = await asyncio.to_thread(stage.server.ask, "GET", after, token="admin-token")
        assert [event["seq"] for event in found.json()["events"]] == client.ids[2:]


async def test_what_nobody_told_of_is_read_when_somebody_knows_better(stage: Stage) -> None:
    """As when one of several servers dies that was to pass a run's last message on to ours."""
    run = stage.run()
    kept = stage.bus.keyring
    heard = Bus(cast("Client", None))
    async with stage.speaker(run) as agent:
        heard.connection = await connect_bus(
            stage.bus.url, kept.reader_user(), name="deaf", inbox=READER_INBOX
        )
        heard.controller = messages.public_key(kept.controller_public)
        feed = Feed(heard, run, lambda: None)
        feed._seen_live = deaf  # type: ignore[method-assign]
        following = asyncio.create_task(feed.follow())
        async with asyncio.timeout(SECONDS):
            await feed.complete.wait()
            await say(agent, "unheard")
            await finish(agent)
            feed.look_again()
            while not feed.finished:
                await asyncio.sleep(0.01)
        following.cancel()
        await heard.connection.close()
    entries = feed.log.after(0, 1_000_000)
    assert entries is not None
    assert len(entries) == 2


async def deaf(message: Msg) -> None:
    """Hears nothing."""


async def test_a_long_run_is_resumed_where_nothing_is_kept_in_memory(stage: Stage) -> None:
    run = stage.run()
    async with stage.speaker(run) as agent:
        for number in range(60):
            await say(agent, f"{number} " + "x" * 10_000)
        async with connect(stage.server, events_of(run)) as client:
            await client.until_ids(60)
            assert [text.split()[0] for text in texts(client.events)] == [str(n) for n in range(60)]
            async with connect(stage.server, events_of(run), last=client.ids[4]) as later:
                await later.until_ids(55)
                assert later.ids == client.ids[5:]
        whole_transcript = await asyncio.to_thread(
            stage.server.ask, "GET", f"/namespaces/default/runs/{run.name}/transcript", token="admin-token"
        )
        assert [event["seq"] for event in whole_transcript.json()["events"]] == client.ids


async def test_what_nobody_of_the_run_has_signed_is_counted_and_not_shown(stage: Stage) -> None:
    run = stage.run()
    async with stage.speaker(run) as agent, connect(stage.server, events_of(run)) as client:
        await say(agent, "true")
        await client.until_ids(1)
        forger = await connect_bus(
            stage.bus.url, stage.bus.keyring.controller_user(), name="forger", patient=False
        )
        forged = Message(messages.STEP_STARTED, run, "agent", "e", 99, {"step": 1, "text": "forged"})
        await forger.jetstream().publish(run.events("agent"), seal(forged, new_key()))
        piece = Message(messages.MODEL_DELTA, run, "agent", "e", 99, {"step": 1, "text": "forged"})
        await forger.publish(run.live("agent"), seal(piece, new_key()))
        await forger.flush()
        await forger.close()
        await say(agent, "also true")
        await client.until_ids(2)
        assert texts(client.events) == ["true", "also true"]
        assert client.named("partial", "delta") == []
        found = await asyncio.to_thread(
            stage.server.ask, "GET", f"/namespaces/default/runs/{run.name}/transcript", token="admin-token"
        )
    assert found.json()["dropped"] == 2
    assert "forged" not in found.text


async def test_a_run_that_is_deleted_and_made_again_is_another_run(stage: Stage) -> None:
    run = stage.run()
    async with stage.speaker(run) as agent, connect(stage.server, events_of(run)) as client:
        await say(agent, "of the first")
        await client.until_ids(1)
        await asyncio.to_thread(stage.kube.request, "DELETE", f"{_path(run)}")
        await client.to_end()
        assert client.events[-1].event == "end"
        assert client.events[-1].data["deleted"] is True
    again = stage.run(run.name)
    async with stage.speaker(again) as agent:
        await say(agent, "of the second")
        async with connect(stage.server, events_of(again), last=client.ids[-1]) as later:
            await later.until_ids(1)
            assert (later.events[0].data["uid"], texts(later.events)) == (again.uid, ["of the second"])


async def test_a_run_that_is_not_there_is_said_to_be(stage: Stage) -> None:
    answer = stage.server.ask("GET", "/namespaces/default/runs/nothing/events", token="admin-token")
    assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")


# -- what dies


async def test_a_killed_server_loses_and_repeats_nothing(lone: Stage) -> None:
    run = lone.run()
    seen: list[str] = []
    last = 0
    async with lone.speaker(run) as agent:
        for round_ in range(2):
            async with connect(lone.server, events_of(run), last=last) as client:
                for number in range(5):
                    await say(agent, f"{round_}.{number}")
                await client.until_ids(3)
                if round_ < 1:
                    await asyncio.to_thread(lone.server.kill)
                else:
                    await client.until(lambda c: texts(c.events)[-1:] == ["1.4"])
                    break
                await client.to_end()
                seen += texts(client.events)
                last = client.ids[-1]
            await asyncio.to_thread(lone.server.start)
        seen += texts(client.events)
    assert seen == [f"{round_}.{number}" for round_ in range(2) for number in range(5)]


async def test_a_bus_that_is_away_is_said_and_nothing_is_lost(lone: Stage) -> None:
    run = lone.run()
    async with lone.speaker(run) as agent, connect(lone.server, events_of(run)) as client:
        await say(agent, "before")
        await client.until_ids(1)
        lone.bus.kill()
        await client.until_event("bus", connected=False)
        speaking = asyncio.create_task(say(agent, "meanwhile"))
        async with connect(lone.server, events_of(run)) as late:
            await late.until_ids(1)
            assert late.named("bus")[0].data == {"connected": False}
            await lone.bus.start()
            await speaking
            await say(agent, "after")
            for one in (client, late):
                await one.until_event("bus", connected=True)
                await one.until_ids(3)
                assert texts(one.events) == ["before", "meanwhile", "after"]


async def test_a_server_that_starts_while_the_bus_is_away_shows_runs_when_it_is_back(lone: Stage) -> None:
    run = lone.run()
    async with lone.speaker(run) as agent:
        await say(agent, "before")
        await asyncio.to_thread(lone.server.stop)
        lone.bus.kill()
        await asyncio.to_thread(lone.server.start)
        async with connect(lone.server, events_of(run)) as client:
            await client.until_event("bus", connected=False)
            await lone.bus.start()
            await client.until_ids(1)
            assert texts(client.events) == ["before"]


async def test_a_server_that_stops_says_goodbye_and_is_gone_soon(lone: Stage) -> None:
    run = lone.run()
    # One that does not read, and has more than fits into all buffers waiting for it.
    deaf = socket.create_connection(("127.0.0.1", lone.server.port))
    async with lone.speaker(run) as agent, connect(lone.server, events_of(run)) as client:
        deaf.send(_request(run))
        async with asyncio.TaskGroup() as group:
            group.create_task(client.until_ids(30))
            for number in range(30):
                await say(agent, f"{number} " + "x" * 400_000)
        code = await asyncio.to_thread(lone.server.stop)
        await client.to_end()
    deaf.close()
    assert code == 0
    assert client.events[-1].event == "bye"
    assert "timeout graceful shutdown exceeded" not in lone.server.log.read_text()


# -- many, slow, and too many


async def test_twenty_viewers_of_a_run_are_one_reader_of_the_bus(lone: Stage) -> None:
    run = lone.run()
    async with lone.speaker(run) as agent, asyncio.TaskGroup() as group:
        await say(agent, "first")
        ready = asyncio.Barrier(21)

        async def look() -> list[str]:
            async with connect(lone.server, events_of(run)) as client:
                await client.until_ids(1)
                await ready.wait()
                await client.until_ids(3)
                return texts(client.events)

        looking = [group.create_task(look()) for _ in range(20)]
        await ready.wait()
        connections = await asyncio.to_thread(lone.connections)
        subscriptions = [
            subject
            for connection in connections
            for subject in connection.get("subscriptions_list", ())
            if f".{run.name}." in subject
        ]
        assert sorted(subscriptions) == sorted([run.everything, run.live("agent")])
        await say(agent, "second")
        await say(agent, "third")
    assert {tuple(task.result()) for task in looking} == {("first", "second", "third")}


async def test_a_client_that_does_not_read_is_let_go_and_costs_the_others_nothing(lone: Stage) -> None:
    run = lone.run()
    status = Path(f"/proc/{lone.server.pid}/status")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", lone.server.port))
    async with lone.speaker(run) as agent, connect(lone.server, events_of(run)) as client:
        deaf.send(_request(run))
        await say(agent, "first")
        await client.until_ids(1)
        before = _resident(status)
        async with asyncio.TaskGroup() as group:
            group.create_task(client.until_ids(81))
            for number in range(80):
                await say(agent, f"{number} " + "x" * 400_000)
        assert _resident(status) - before < 20_000_000  # of 32 MB that were said
        until(lambda: "streams_dropped_total 1.0" in _metrics(lone), "the deaf client is let go")
        until(lambda: "apiserver_streams 1.0" in _metrics(lone), "its stream is gone")
        received = await asyncio.to_thread(_read_all, deaf)
    deaf.close()
    assert len(received) < 16_000_000


def _read_all(connection: socket.socket) -> bytes:
    connection.settimeout(10)
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionError:
        pass
    return received


async def test_there_is_an_end_to_how_many_streams_one_may_open(stage: Stage) -> None:
    run = stage.run()
    async with AsyncExitStack() as stack:
        for _ in range(80):
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
            stack.callback(writer.close)
            writer.write(_request(run))
            await asyncio.wait_for(reader.readuntil(b"event: run"), 20)
        refused = await asyncio.to_thread(stage.server.ask, "GET", events_of(run), token="admin-token")
        assert (refused.status_code, refused.json()["reason"]) == (429, "TooManyRequests")
        assert int(refused.headers["retry-after"]) > 0
        async with connect(stage.server, "/stream?watch=agentruns", token="viewer-token") as other:
            await other.until_event("synced")
    await asyncio.to_thread(until, lambda: "apiserver_streams 0.0" in _metrics(stage), "they are gone")
    async with connect(stage.server, events_of(run)) as client:
        await client.until_event("run")


# -- whose it is


async def test_who_may_not_read_a_run_gets_no_stream_and_learns_nothing(stage: Stage) -> None:
    run = stage.run()
    for path in (
        events_of(run),
        f"/namespaces/default/runs/{run.name}/transcript",
        f"/stream?run=default/{run.name}",
    ):
        answer = stage.server.ask("GET", path, token="stranger-token")
        assert answer.status_code == 403
        assert "get agentruns/log" in answer.json()["detail"]
        assert stage.server.ask("GET", path, token="stranger-token").status_code == 403
        assert stage.server.ask("GET", path).status_code == 401
        assert stage.server.ask("GET", path, token="no-such-token").status_code == 401
    missing = stage.server.ask("GET", "/namespaces/default/runs/none/events", token="stranger-token")
    assert missing.status_code == 403
    named = stage.server.ask("GET", "/stream?watch=agentruns&namespace=default", token="stranger-token")
    assert named.status_code == 403


async def test_a_right_that_is_withdrawn_ends_the_stream(stage: Stage) -> None:
    run = stage.run()
    _bind(stage, "reads-for-now", "sympozium-view", "approver", "default")
    async with stage.speaker(run) as agent:
        await say(agent, "seen")
        async with (
            connect(stage.server, events_of(run), token="approver-token") as one,
            connect(stage.server, "/stream?watch=agentruns&namespace=default", token="approver-token") as two,
        ):
            await one.until_ids(1)
            await two.until_event("synced")
            await asyncio.to_thread(
                stage.kube.request, "DELETE",
                "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings/reads-for-now",
            )  # fmt: skip
            for client in (one, two):
                await client.to_end()
                assert client.events[-1].event == "problem"
                assert client.events[-1].data["status"] == 403


async def test_changes_are_those_of_the_namespaces_that_one_may_see(stage: Stage) -> None:
    for name in ("mine", "theirs"):
        stage.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    mine, theirs = stage.run("old", "mine"), stage.run("old", "theirs")
    _bind(stage, "viewer", "sympozium-view", "viewer", "mine")
    async with (
        connect(stage.server, "/stream?watch=agentruns", token="viewer-token") as client,
        connect(stage.server, "/stream?watch=agentruns&namespace=theirs") as other,
    ):
        await client.until_event("synced")
        await other.until_event("synced")
        shown = [event.data["object"]["namespace"] for event in client.named("change")]
        assert shown == ["mine"]
        stage.status(theirs, "Running")
        stage.status(mine, "Running")
        changed = await client.until_event("change", type="MODIFIED")
        assert (changed.data["object"]["name"], changed.data["object"]["phase"]) == ("old", "Running")
        assert changed.data["object"]["namespace"] == "mine"
        stage.kube.request("DELETE", _path(theirs))
        stage.kube.request("DELETE", _path(mine))
        assert (await client.until_event("change", type="DELETED")).data["object"]["uid"] == mine.uid
        assert (await other.until_event("change", type="DELETED")).data["object"]["uid"] == theirs.uid
    assert {event.data["object"]["uid"] for event in client.named("change")} == {mine.uid}


async def test_one_connection_has_a_run_and_several_kinds(stage: Stage) -> None:
    run = stage.run()
    path = (
        f"/stream?run=default/{run.name}&watch=approvalrequests,sympoziuminstances&watch=agentruns&list=false"
    )
    async with stage.speaker(run) as agent, connect(stage.server, path) as client:
        for kind in ("approvalrequests", "sympoziuminstances", "agentruns"):
            await client.until_event("synced", kind=kind)
        assert client.named("change") == []
        await say(agent, "hello")
        await client.until_ids(1)
        stage.kube.create(_approval(run))
        waiting = await client.until_event("change", kind="approvalrequests", type="ADDED")
        assert waiting.data["object"]["spec"]["runRef"] == run.name
        changed = await client.until_event("change", kind="agentruns")
        assert changed.data["object"]["waitingApproval"] == "ask"
        await finish(agent)
        stage.status(run, "Succeeded")
        await client.until_event("end")
        # The run has ended; what is watched has not.
        other = stage.run()
        await client.until(
            lambda c: any(e.data["object"].get("name") == other.name for e in c.named("change"))
        )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "say what to watch"),
        ("?watch=pods", "pods is no kind"),
        ("?run=r1", "NAMESPACE/NAME"),
        ("?run=a/b&after=-1", "after"),
    ],
)
def test_what_cannot_be_watched_is_said(stage: Stage, query: str, words: str) -> None:
    answer = stage.server.ask("GET", f"/stream{query}", token="admin-token")
    assert answer.status_code == 422
    assert words in json.dumps(answer.json())


def _path(run: RunRef) -> str:
    return f"/apis/sympozium.ai/v1alpha1/namespaces/{run.namespace}/agentruns/{run.name}"


def _request(run: RunRef) -> bytes:
    return (
        f"GET /api/v1{events_of(run)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer admin-token\r\n\r\n"
    ).encode()


def _resident(status: Path) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def _metrics(stage: Stage) -> str:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{stage.server.health}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def _bind(stage: Stage, name: str, role: str, user: str, namespace: str) -> None:
    bind(stage.kube, user, role, namespace, name=name)


def _approval(run: RunRef) -> dict[str, object]:
    return {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "ApprovalRequest",
        "metadata": {"name": "ask", "namespace": run.namespace},
        "spec": {
            "runRef": run.name, "tool": "execute_command", "argsDigest": "sha256:" + "0" * 64,
            "requestedAt": "2026-11-27T10:00:00Z", "expiresAt": "2026-11-27T11:00:00Z",
        },
    }  # fmt: skip
