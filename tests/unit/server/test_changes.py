"""What changes among objects, as one viewer gets it: the newest state of each, and only what is theirs to see."""

from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from sympozium.kube import Client
from sympozium.server.access import Attributes, Caller
from sympozium.server.copies import APPROVALS, RUNS, Copies
from sympozium.server.problems import Problem
from sympozium.server.streams.changes import Changes, Frames, Sees
from sympozium.server.streams.scope import Scope
from sympozium.testing.sse import Event, Parser

NO_KUBE = cast("Client", None)


def run(name: str, phase: str = "Running", *, namespace: str = "a", uid: str = "") -> dict[str, Any]:
    metadata = {
        "namespace": namespace, "name": name, "uid": uid or f"uid-{name}", "creationTimestamp": "2026-11-27T10:00:00Z",
    }  # fmt: skip
    return {"metadata": metadata, "spec": {"instanceRef": "i", "task": "t"}, "status": {"phase": phase}}


async def everywhere(_namespace: str) -> bool:
    return True


class World:
    """Copies to which a test plays the watch."""

    def __init__(self) -> None:
        self.copies = Copies(NO_KUBE)
        self.frames = Frames(self.copies)
        self.woken = 0

    def put(self, obj: dict[str, Any], plural: str = RUNS) -> None:
        self.copies[plural]._put(obj)

    def drop(self, name: str, namespace: str = "a") -> None:
        informer = self.copies[RUNS]
        informer._tell(informer._cache.drop((namespace, name)), None)

    def wake(self) -> None:
        self.woken += 1

    def changes(self, *, sees: Sees = everywhere, listed: bool = True, waiting: int = 100) -> Changes:
        return Changes(
            self.copies, self.frames, RUNS, sees=sees, changed=self.wake, listed=listed, waiting=waiting
        )


async def everything(changes: Changes) -> list[Event]:
    parser, found = Parser(), []
    while chunk := await changes.take():
        found += parser.feed(chunk)
    return found


def short(events: list[Event]) -> list[str]:
    return [
        f"{e.data['type']} {e.data['object']['name']} {e.data['object']['phase']}"
        if e.event == "change"
        else e.event
        for e in events
    ]


async def test_what_there_is_comes_first_and_then_what_changes() -> None:
    world = World()
    world.put(run("one"))
    changes = world.changes()
    assert short(await everything(changes)) == ["reset", "ADDED one Running", "synced"]
    world.put(run("two"))
    world.put(run("one", "Succeeded"))
    assert world.woken == 2
    assert short(await everything(changes)) == ["ADDED two Running", "MODIFIED one Succeeded"]
    world.drop("one")
    assert short(await everything(changes)) == ["DELETED one Succeeded"]


async def test_who_wants_no_list_gets_none() -> None:
    world = World()
    world.put(run("one"))
    changes = world.changes(listed=False)
    assert short(await everything(changes)) == ["reset", "synced"]
    world.put(run("one", "Failed"))
    assert short(await everything(changes)) == ["MODIFIED one Failed"]


async def test_a_viewer_that_reads_seldom_gets_the_newest_state_once() -> None:
    world = World()
    changes = world.changes()
    await everything(changes)
    for phase in ("Pending", "Running", "Succeeded"):
        world.put(run("one", phase))
    assert short(await everything(changes)) == ["ADDED one Succeeded"]
    world.put(run("two"))
    world.drop("two")
    assert short(await everything(changes)) == ["DELETED two Running"]


async def test_too_many_changes_are_told_as_a_list() -> None:
    world = World()
    changes = world.changes(waiting=3)
    await everything(changes)
    for number in range(4):
        world.put(run(f"r{number}"))
    found = short(await everything(changes))
    assert found == ["reset", *(f"ADDED r{number} Running" for number in range(4)), "synced"]


async def test_an_approval_changes_its_run() -> None:
    world = World()
    world.put(run("one"))
    changes = world.changes(listed=False)
    await everything(changes)
    metadata = {"namespace": "a", "name": "ask", "uid": "u"}
    world.put({"metadata": metadata, "spec": {"runRef": "one"}}, APPROVALS)
    [event] = await everything(changes)
    assert event.data["object"]["waitingApproval"] == "ask"
    world.put(
        {"metadata": metadata, "spec": {"runRef": "one"}, "status": {"decision": "Approved"}}, APPROVALS
    )
    [event] = await everything(changes)
    assert event.data["object"]["waitingApproval"] is None


async def test_what_is_not_theirs_to_see_is_not_told() -> None:
    world = World()

    async def only_a(namespace: str) -> bool:
        return namespace == "a"

    changes = world.changes(sees=only_a)
    world.put(run("mine"))
    world.put(run("theirs", namespace="b"))
    world.drop("theirs", "b")
    assert "theirs" not in " ".join(short(await everything(changes)))


async def test_who_has_gone_hears_nothing() -> None:
    world = World()
    changes = world.changes()
    changes.close()
    world.put(run("one"))
    assert world.woken == 0


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["put", "drop", "read", "take"]), st.sampled_from("abcdef"), st.sampled_from(["Running", "Failed"])),
    max_size=40,
)  # fmt: skip


@given(OPERATIONS, st.integers(1, 4))
async def test_whenever_a_viewer_reads_it_ends_with_what_there_is(
    operations: list[tuple[str, str, str]], waiting: int
) -> None:
    world = World()
    changes = world.changes(waiting=waiting)
    have: dict[str, str] = {}

    def hear(events: list[Event]) -> None:
        for event in events:
            if event.event == "reset":
                have.clear()
            elif event.event == "change":
                obj = event.data["object"]
                if event.data["type"] == "DELETED":
                    have.pop(obj["name"], None)
                else:
                    have[obj["name"]] = obj["phase"]

    for what, name, phase in operations:
        if what == "put":
            world.put(run(name, phase))
        elif what == "drop" and world.copies[RUNS].get("a", name):
            world.drop(name)
        elif what == "read":
            hear(await everything(changes))
        elif what == "take":
            hear(list(Parser().feed(await changes.take())))
    hear(await everything(changes))
    there = {o["metadata"]["name"]: o["status"]["phase"] for o in world.copies[RUNS].list()}
    assert have == there


# -- of which namespaces


class Asked:
    """A caller whose rights a test sets."""

    def __init__(self, rights: set[tuple[str, str]]) -> None:
        self.rights = rights
        self.asked = 0

    async def may(self, asked: Attributes) -> bool:
        self.asked += 1
        return (asked.verb, asked.namespace) in self.rights

    async def require(self, asked: Attributes) -> None:
        if not await self.may(asked):
            raise Problem(403, asked.words())


def rights(*namespaces: str) -> set[tuple[str, str]]:
    return {(verb, namespace) for namespace in namespaces for verb in ("list", "watch")}


async def test_named_namespaces_must_all_be_allowed() -> None:
    caller = Asked(rights("a"))
    scope = Scope(cast("Caller", caller), RUNS, ["a"])
    await scope.open()
    assert await scope.sees("a")
    assert not await scope.sees("b")
    with pytest.raises(Problem, match="in namespace b"):
        await Scope(cast("Caller", caller), RUNS, ["a", "b"]).open()
    caller.rights = rights() | {("list", "a")}
    with pytest.raises(Problem, match="watch agentruns in namespace a"):
        await scope.check()


async def test_who_may_see_all_is_asked_about_once() -> None:
    scope = Scope(cast("Caller", Asked(rights(""))), RUNS, [])
    await scope.open()
    assert await scope.sees("a")
    assert await scope.sees("b")


async def test_without_names_it_is_what_they_may_see_until_they_may_not() -> None:
    caller = Asked(rights("a", "b"))
    scope = Scope(cast("Caller", caller), RUNS, [])
    narrowed: list[bool] = []
    scope.narrowed = lambda: narrowed.append(True)
    await scope.open()
    assert [await scope.sees(name) for name in ("a", "b", "c")] == [True, True, False]
    asked = caller.asked
    assert await scope.sees("a")
    assert caller.asked == asked
    await scope.check()
    assert narrowed == []
    caller.rights = rights("a")
    await scope.check()
    assert narrowed == [True]
    assert not await scope.sees("b")


async def test_who_may_see_all_no_more_has_to_begin_again() -> None:
    caller = Asked(rights(""))
    scope = Scope(cast("Caller", caller), RUNS, [])
    narrowed: list[bool] = []
    scope.narrowed = lambda: narrowed.append(True)
    await scope.open()
    caller.rights = rights("a")
    await scope.check()
    assert narrowed == [True]
    assert [await scope.sees(name) for name in ("a", "b")] == [True, False]
