"""The verifier: what a reader believes of what is stored on a run's subjects."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.bus_data import whole
from sympozium.bus import messages
from sympozium.bus.connection import _Connection
from sympozium.bus.history import Raw, Verifier, stored
from sympozium.bus.messages import Message, seal
from sympozium.bus.subjects import CONTROLLER, RunRef

RUN = RunRef("ns", "r", "uid-2")
BEFORE = RunRef("ns", "r", "uid-1")
CONTROLLER_KEY, AGENT_KEY, TOOLS_KEY = (messages.new_key() for _ in range(3))


def keys(run: RunRef = RUN, sequence: int = 1) -> Raw:
    data = {
        "keys": {
            "agent": messages.public_text(AGENT_KEY.public_key()),
            "tools": messages.public_text(TOOLS_KEY.public_key()),
        },
        "issuer": f"issuer of {run.uid}",
    }
    return Raw(
        sequence, run.keys, seal(Message(messages.RUN_KEYS, run, CONTROLLER, "k", 1, data), CONTROLLER_KEY)
    )


def said(seq: int, kind: str = "step.started", *, run: RunRef = RUN, epoch: str = "e", **fields: Any) -> Raw:
    payload = seal(Message(kind, run, "agent", epoch, seq, whole(kind, fields)), AGENT_KEY)
    return Raw(seq + 1, run.events("agent"), payload)


@pytest.fixture
def verifier() -> Verifier:
    verifier = Verifier(RUN, CONTROLLER_KEY.public_key())
    assert verifier.take(keys()) is None
    return verifier


def test_without_keys_nothing_is_believed() -> None:
    verifier = Verifier(RUN, CONTROLLER_KEY.public_key())
    assert verifier.take(said(1)) is None
    assert verifier.dropped == 1


def test_each_message_is_taken_once(verifier: Verifier) -> None:
    assert verifier.issuers == {"issuer of uid-2"}
    assert verifier.take(said(1)) is not None
    assert verifier.take(said(1)) is None
    assert verifier.take(said(2)) is not None
    assert verifier.take(said(1, epoch="after a restart")) is not None
    assert verifier.dropped == 0


def test_a_delta_of_a_text_that_is_there_as_a_whole_is_old(verifier: Verifier) -> None:
    verifier.take(said(1))
    delta = said(1, "model.delta", text="piece")
    assert verifier.take(delta) is not None
    assert verifier.take(delta) is not None
    assert verifier.take(said(2, "model.message")) is not None
    assert verifier.take(delta) is None


def test_a_namesake_is_no_attack_but_one_that_only_says_so_is(verifier: Verifier) -> None:
    assert verifier.take(said(1, run=BEFORE)) is None
    assert verifier.dropped == 1
    verifier.take(keys(BEFORE))
    assert verifier.issuers == {"issuer of uid-2"}
    assert verifier.take(said(1, run=BEFORE)) is None
    assert verifier.dropped == 1


def test_keys_by_anyone_but_the_controller_are_no_keys() -> None:
    verifier = Verifier(RUN, CONTROLLER_KEY.public_key())
    forged = seal(Message(messages.RUN_KEYS, RUN, CONTROLLER, "k", 1, whole("run.keys")), AGENT_KEY)
    for payload in (forged, b'{"stream":"RUNS","seq":2}', b"x"):
        assert verifier.take(Raw(1, RUN.keys, payload)) is None
    assert verifier.dropped == 3
    assert verifier.issuers == set()


def test_a_message_on_the_subject_of_another_source_is_dropped(verifier: Verifier) -> None:
    payload = said(1).data
    for subject in (RUN.events("tools"), RUN.control, RUN.request("approval"), RUN.keys):
        assert verifier.take(Raw(9, subject, payload)) is None
    assert verifier.dropped == 4


async def test_who_is_cancelled_in_the_moment_of_an_answer_is_cancelled() -> None:
    connection = _Connection()

    async def answer(*_: object, **__: object) -> Any:
        """As nats-py: it waits by `asyncio.wait_for`, which in Python 3.11 prefers the answer."""
        coming: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def both() -> None:
            data = b'{"error": {"code": 404, "err_code": 10037}}'
            coming.set_result(SimpleNamespace(data=data, headers=None))
            reading.cancel()

        asyncio.get_running_loop().call_soon(both)
        return await asyncio.wait_for(coming, 5)

    connection._request_new_style = answer  # type: ignore[method-assign]

    async def read() -> list[Raw]:
        return [raw async for raw in stored(connection, RUN)]

    reading = asyncio.create_task(read())
    with pytest.raises(asyncio.CancelledError):
        await reading
