"""What a run that starts another one writes and is told."""

import pytest
from tests.unit.controllers.make import run

from sympozium.api.shared import Parent
from sympozium.controllers.run.answer import unfit
from sympozium.controllers.run.children import (
    ANSWER_LIMIT,
    awaited_by,
    is_awaited,
    manifest,
    outcome,
)
from sympozium.controllers.run.plan import names
from sympozium.controllers.run.port import Request
from sympozium.controllers.run.trace import origin
from sympozium.controllers.run.tree import Tree

PARENT = Parent(run_name="r", session_key="s", spawn_depth=1)
BOSS = {"metadata": {"name": "r", "namespace": "team", "uid": "uid-r"}}


def request(call: str = "1-abc", **data) -> Request:
    return Request("spawn", {"callId": call, "task": "t", "wait": True, **data}, "2026-11-26T12:00:00Z")


def child(name: str = "c", **data):
    made = manifest(BOSS, run(), name, PARENT, request(**data))
    made["metadata"] |= {"creationTimestamp": "2026-11-26T12:00:00Z", "uid": f"uid-{name}"}
    return made


def test_the_name_derives_from_run_and_call_alone() -> None:
    assert names.child(run(), "1-abc") == names.child(run(), "1-abc")
    others = {names.child(run(), "1-abd"), names.child(run("r2"), "1-abc"), names.child(run(), "1-abc")}
    assert len(others) == 3


def test_a_child_is_found_by_its_parent_and_goes_with_it() -> None:
    meta = child(instance="other")["metadata"]
    assert meta["labels"] == {"sympozium.ai/parent": "r", "sympozium.ai/instance": "other"}
    trace = meta["annotations"].pop("sympozium.ai/traceparent")
    assert trace == str(origin.of_run(run()).context), "a call that named no span: the run itself"
    assert meta["annotations"] == {"sympozium.ai/call-id": "1-abc", "sympozium.ai/awaited": "true"}
    [owner] = meta["ownerReferences"]
    assert (owner["name"], owner["uid"], owner["blockOwnerDeletion"]) == ("r", "uid-r", False)
    assert meta["finalizers"] == ["sympozium.ai/run"]
    assert child()["spec"]["instanceRef"] == "sre"


def test_who_is_waited_for_and_by_whom() -> None:
    assert awaited_by(child()) == ("r", "uid-r")
    assert awaited_by(child(wait=False)) is None
    assert awaited_by({**child(), "status": {"phase": "Failed"}}) is None


@pytest.mark.parametrize("kind", ["Manual", "API", "Schedule", None])
def test_only_the_controllers_say_that_a_run_is_waited_for(kind: str | None) -> None:
    """The annotations and the owner are anybody's to write; the trigger is the webhook's."""
    forged = child()
    forged["spec"]["trigger"] = {"kind": kind, "name": "r"} if kind else None
    assert not is_awaited(forged)
    assert awaited_by(forged) is None


@pytest.mark.parametrize(
    ("status", "ok", "words"),
    [
        ({"phase": "Succeeded", "result": "42"}, True, "run r has ended with this answer:\n\n42"),
        ({"phase": "Failed", "reason": "Timeout", "error": "too slow"}, False, "run r ended as Failed (Timeout): too slow"),
        ({"phase": "Failed", "reason": "StepLimit", "result": "half"}, False, "Its last words:\nhalf"),
        ({"phase": "Cancelled", "reason": "Cancelled"}, False, "ended as Cancelled"),
        ({"phase": "Running"}, False, "run r was deleted before it ended"),
    ],
)  # fmt: skip
def test_how_a_child_ended_is_told(status: dict, ok: bool, words: str) -> None:
    answer = outcome(run(status=status))
    assert answer.ok is ok
    assert words in answer.text


def test_a_long_answer_is_cut_visibly() -> None:
    text = outcome(run(status={"phase": "Succeeded", "result": "x" * 30_000})).text
    assert len(text) < ANSWER_LIMIT + 200
    assert "30000 bytes, the whole is in the transcript" in text


def test_texts_that_no_object_holds() -> None:
    assert unfit("fine \N{GRINNING FACE}") == ""
    assert "surrogate" in unfit("\ud800")
    assert "NUL" in unfit("a\0b")


# -- the tree


class Runs(dict):
    def get(self, namespace: str, name: str):  # type: ignore[override]
        return super().get((namespace, name))


def tree(*runs, pods: tuple[str, ...] = (), ended: tuple = ()) -> Tree:
    known = Runs({("team", r["metadata"]["name"]): r for r in (*runs, *ended)})
    return Tree(runs, known, lambda key: key[1] in pods)


def root(name: str = "r", **metadata) -> dict:
    meta = {"name": name, "namespace": "team", "uid": f"uid-{name}",
            "creationTimestamp": "2026-11-26T11:00:00Z", **metadata}  # fmt: skip
    return {"metadata": meta, "spec": {"instanceRef": "sre"}}


def test_a_run_waits_for_the_child_that_it_awaits() -> None:
    boss, made = root(), child()
    found = tree(boss, made, pods=("r",))
    assert found.member(boss).waits
    waiting = found.waiting(made)
    assert waiting.awaited is True
    assert waiting.above == (("team", "r"),)


@pytest.mark.parametrize("case", ["no pod", "other uid", "ended"])
def test_nobody_waits_who_does_not_work(case: str) -> None:
    boss = root(uid="uid-another" if case == "other uid" else "uid-r")
    made = child()
    living = (made,) if case == "ended" else (boss, made)
    found = tree(*living, pods=() if case == "no pod" else ("r",), ended=(boss,) if case == "ended" else ())
    assert not found.waiting(made).awaited
    assert not found.member(boss).waits


def test_runs_above_are_known_as_far_as_they_are_there() -> None:
    leaf = child("leaf")
    leaf["spec"]["parent"] = {"runName": "middle"}
    middle = child("middle")
    assert tree(leaf, middle, ended=(root(),)).waiting(leaf).above == (("team", "middle"), ("team", "r"))
    assert tree(leaf, middle).waiting(leaf).above == (("team", "middle"),)


def test_a_name_that_was_given_again_makes_no_circle() -> None:
    a, b = child("a"), child("b")
    a["spec"]["parent"], b["spec"]["parent"] = {"runName": "b"}, {"runName": "a"}
    assert tree(a, b).waiting(a).above == (("team", "b"),)
