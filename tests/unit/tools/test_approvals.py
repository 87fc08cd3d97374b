"""Decisions: bound to one digest, the first stands, late ones change nothing; each says so in the log."""

import asyncio

import pytest

from sympozium.tools.approvals import Approvals
from sympozium.tools.journal import Decision, Journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    journal.receive(call="c", what="w", tool="t", same="s", digest="d")
    yield journal
    journal.close()


@pytest.fixture
def approvals(journal):
    return Approvals(journal, asyncio.Condition())


async def test_a_decision_for_something_else_is_dropped(journal, approvals, caplog) -> None:
    assert await approvals.decided(Decision("c", "other", "Approved", decided_by="mallory")) is False
    assert await approvals.decided(Decision("c", "other", "Denied")) is False
    about = "it is about other arguments, another state of what the call would change, or a policy that holds no more"
    assert caplog.messages == [
        f"dropped a decision (Approved by mallory) for call c: {about}",
        f"dropped a decision (Denied by nobody) for call c: {about}",
    ]
    assert journal.decision("c", "other") is None


async def test_the_first_decision_stands(journal, approvals, caplog) -> None:
    assert await approvals.decided(Decision("c", "d", "Denied", decided_by="olivia")) is True
    assert await approvals.decided(Decision("c", "d", "Approved")) is False
    assert caplog.messages == ["a second decision (Approved) for call c changes nothing"]
    assert journal.decision("c", "d").decision == "Denied"


@pytest.mark.parametrize("state", ["started", "done"])
async def test_a_late_decision_changes_nothing(journal, approvals, caplog, state: str) -> None:
    journal.start("c")
    if state == "done":
        journal.finish("c", "x", is_error=False)
    assert await approvals.decided(Decision("c", "d", "Approved")) is False
    assert caplog.messages == ["a decision (Approved) for call c came when the call was over"]
    assert journal.decision("c", "d") is None


async def test_a_decision_about_a_call_that_is_to_come_is_kept(journal, approvals) -> None:
    assert await approvals.decided(Decision("later", "x", "Approved")) is True
    assert (await approvals.wait(call="later", digest="x", seconds=5)).decision == "Approved"


async def test_a_wait_ends_with_a_decision_about_this_call_alone(journal, approvals) -> None:
    task = asyncio.create_task(approvals.wait(call="c", digest="d", seconds=60))
    await asyncio.sleep(0)
    await approvals.decided(Decision("x", "d", "Approved"))
    await approvals.decided(Decision("y", "e", "Approved"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    await approvals.decided(Decision("c", "d", "Denied", decided_by="olivia"))
    assert await task == Decision("c", "d", "Denied", decided_by="olivia")


async def test_void_wins_and_expiry_is_kept(journal, approvals) -> None:
    await approvals.decided(Decision("c", "d", "Approved"))
    assert await approvals.wait(call="c", digest="d", seconds=5, void=lambda: True) is None
    expired = await approvals.wait(call="c", digest="e", seconds=0)
    assert (expired.decision, expired.comment) == ("Expired", "nobody decided within 0 s")
    assert journal.decision("c", "e") == expired
