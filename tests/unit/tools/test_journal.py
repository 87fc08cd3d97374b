"""States of a call, decisions, orders: what is kept, what a second word changes."""

import sqlite3

import pytest

from sympozium.tools.digest import canonical, same, what, with_basis
from sympozium.tools.journal import INTERRUPTED, Decision, Journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.close()


def receive(journal, call="c", digest="d", same="s", preview=None) -> None:
    journal.receive(call=call, what="w", tool="t", same=same, digest=digest, preview=preview)


def test_a_call_from_its_arrival_to_its_outcome(journal) -> None:
    assert journal.entry("c") is None
    receive(journal, preview="p")
    entry = journal.entry("c")
    assert (entry.id, entry.what, entry.tool, entry.same, entry.digest, entry.preview) == (
        "c",
        "w",
        "t",
        "s",
        "d",
        "p",
    )
    assert (entry.state, entry.text, entry.is_error, entry.published) == ("received", None, False, False)
    for step, state in ((journal.wait, "waiting"), (journal.reopen, "received"), (journal.start, "started")):
        step("c")
        assert journal.entry("c").state == state
    journal.finish("c", "out", is_error=True)
    entry = journal.entry("c")
    assert (entry.state, entry.text, entry.is_error, entry.published) == ("done", "out", True, False)
    journal.publish("c")
    assert journal.entry("c").published is True


def test_what_has_begun_is_not_taken_back(journal) -> None:
    receive(journal)
    journal.start("c")
    receive(journal, digest="other")
    journal.wait("c")
    journal.reopen("c")
    assert (journal.entry("c").state, journal.entry("c").digest) == ("started", "d")
    journal.finish("c", "x", is_error=False)
    journal.start("c")
    assert journal.entry("c").state == "done"


def test_what_waits_can_be_judged_anew(journal) -> None:
    receive(journal)
    journal.wait("c")
    receive(journal, digest="e", same="t", preview="p")
    entry = journal.entry("c")
    assert (entry.state, entry.digest, entry.same, entry.preview) == ("received", "e", "t", "p")


def test_after_a_crash_only_what_had_begun_is_interrupted(journal) -> None:
    for number, steps in enumerate(([], [journal.wait], [journal.start], [journal.start])):
        receive(journal, call=f"c{number}")
        for step in steps:
            step(f"c{number}")
    journal.finish("c3", "x", is_error=False)
    journal.publish("c3")
    assert [(e.id, e.text, e.is_error) for e in journal.interrupt()] == [("c2", INTERRUPTED, True)]
    assert [journal.entry(f"c{n}").state for n in range(4)] == ["received", "waiting", "done", "done"]
    assert [e.id for e in journal.interrupt()] == ["c2"]  # until its outcome is acknowledged
    journal.publish("c2")
    assert journal.interrupt() == []


def test_decisions_are_kept_by_call_and_digest(journal) -> None:
    assert journal.decide(Decision("c", "d", "Approved", "once", "olivia", "fine")) is True
    assert journal.decide(Decision("c", "d", "Denied")) is False
    assert journal.decide(Decision("c", "e", "Denied")) is True
    assert journal.decision("c", "d") == Decision("c", "d", "Approved", "once", "olivia", "fine")
    assert journal.decision("c", "x") is None
    assert journal.decision("x", "d") is None


@pytest.mark.parametrize(
    ("decision", "scope", "holds"),
    [("Approved", "run", True), ("Denied", "run", False), ("Approved", "once", False)],
)
def test_an_approval_for_the_run(journal, decision: str, scope: str, holds: bool) -> None:
    receive(journal)
    journal.decide(Decision("c", "d", decision, scope))
    assert (journal.approval_of_run("s") is not None) is holds
    assert journal.approval_of_run("t") is None


def test_an_approval_for_the_run_of_what_was_asked_before_is_void(journal) -> None:
    receive(journal)
    journal.decide(Decision("c", "d", "Approved", "run"))
    receive(journal, digest="e")
    assert journal.approval_of_run("s") is None


def test_orders_are_kept_in_their_order(journal) -> None:
    assert journal.kept("k") is None
    assert journal.keep("k", 5, {"n": 5}) is True
    assert journal.keep("k", 5, {"n": "again"}) is False
    assert journal.keep("k", 4, {"n": 4}) is False
    assert journal.kept("k") == {"n": 5}
    assert journal.keep("other", 1, {}) is True
    assert journal.keep("k", 6, {"n": 6}) is True
    assert journal.kept("k") == {"n": 6}


def test_everything_is_on_disk_at_once(journal, tmp_path) -> None:
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    receive(journal)
    other = sqlite3.connect(tmp_path / "calls.db")
    assert other.execute("SELECT count(*) FROM calls").fetchone() == (1,)
    other.close()


def test_digests() -> None:
    parts = {"uid": "u", "tool": "t", "target": "s", "args": {"a": 1}, "policy": "p"}
    all_of_them = {same(**parts)} | {
        same(**(parts | {key: {"a": 2} if key == "args" else "x"})) for key in parts
    }
    assert len(all_of_them) == 6
    assert same(**parts) == same(**parts)
    assert same(**parts).startswith("sha256:")
    assert with_basis("s", None) == "s"
    assert len({"s", with_basis("s", "b"), with_basis("s", "c"), with_basis("s", "")}) == 4
    assert what(tool="t", args={"b": 1, "a": 2}) == what(tool="t", args={"a": 2, "b": 1})
    assert canonical({"b": "é", "a": [1, None]}) == b'{"a":[1,null],"b":"\\u00e9"}'
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"a": float("nan")})


def test_digests_stay_what_they_are() -> None:
    """What a person approved yesterday is still that: the form is a contract with what lies in journals and on records."""
    assert (
        what(tool="t", args={"a": 1})
        == "sha256:601734c966ce8ded16e94868ab72d59758ecf5234f3cf63673acedcf8d26e6f1"
    )
    assert with_basis("s", "b") == "sha256:7797a701b5ed77413356a8ee0f12979d0b173a20fdee63f44dde0df03eafe83a"
    assert (
        same(uid="u", tool="t", target="s", args={"a": 1}, policy="p")
        == "sha256:4ce8adfa3eebbea257f8c6d3c255608066788203626934a41789ab34d998c4be"
    )


def test_answers_are_kept_and_the_first_stands(journal) -> None:
    assert journal.answer_to("c") is None
    journal.answer("c", ok=False, text="no")
    journal.answer("c", ok=True, text="yes")
    journal.answer("d", ok=True, text="started")
    assert (journal.answer_to("c").ok, journal.answer_to("c").text) == (False, "no")
    assert (journal.answer_to("d").ok, journal.answer_to("d").text) == (True, "started")


def test_calls_of_some_tools_are_not_interrupted(journal) -> None:
    receive(journal)
    journal.start("c")
    assert journal.interrupt(but=["t", "u"]) == []
    assert journal.entry("c").state == "started"
    assert [e.id for e in journal.interrupt(but=["u"])] == ["c"]
