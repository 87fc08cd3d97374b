"""20 writers and 50 watchers: nothing is missed, nothing comes twice, nothing comes out of order.

Each writer owns its objects and notes what it did, so what each watcher must have seen is known exactly. By
default each writer makes a few dozen writes; SYMPOZIUM_STRESS_WRITES=3000 is about a minute.
"""

import itertools
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from conformance.conftest import Server

WRITERS, WATCHERS = 20, 50
WRITES = int(os.environ.get("SYMPOZIUM_STRESS_WRITES", "25"))
KINDS = ("configmaps", "secrets")
SPACES = ("stress-0", "stress-1")
GROUPS = ("a", "b", "c")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("stress") / "data")
    made.start()
    yield made
    made.stop()


@dataclass
class Step:
    """One change as its writer knows it; `rev` is None for a deletion, which does not tell."""

    kind: str
    space: str
    name: str
    group: str | None
    rev: int | None


@dataclass
class Writer:
    server: Server
    index: int
    done: list[Step] = field(default_factory=list)

    def run(self):
        api, chance = self.server.api("admin-token"), random.Random(self.index)
        groups: dict[str, str] = {}
        for number in range(WRITES):
            self.step(api, chance, groups, f"w{self.index}-{chance.randrange(3)}", number)
        for name in groups:
            # The end of every watch that can see this object: all of them look for it.
            self.patch(api, name, {"metadata": {"labels": {"group": "end"}}}, "end")
        api.close()

    def step(self, api, chance, groups, name, number):
        if name not in groups:
            group = chance.choice(GROUPS)
            made = api.post(self.path(), {"metadata": {"name": name, "labels": {"group": group}}})
            self.note(made, name, group, 201)
            groups[name] = group
            return
        match chance.randrange(5):
            case 0:
                assert api.delete(f"{self.path()}/{name}").status == 200
                self.done.append(Step(*self.where(), name, None, None))
                del groups[name]
            case 1:
                groups[name] = chance.choice([group for group in GROUPS if group != groups[name]])
                self.patch(api, name, {"metadata": {"labels": {"group": groups[name]}}}, groups[name])
            case 2:
                before = self.done[-1:] and [step.rev for step in self.done if step.name == name][-1]
                same = api.patch(f"{self.path()}/{name}", {"metadata": {"labels": {"group": groups[name]}}})
                assert int(same.json["metadata"]["resourceVersion"]) == before, "a no-op write was stored"
            case _:
                change = {"metadata": {"annotations": {"n": str(number)}}}
                self.patch(api, name, change, groups[name])

    def patch(self, api, name, change, group):
        self.note(api.patch(f"{self.path()}/{name}", change), name, group, 200)

    def note(self, answer, name, group, status):
        assert answer.status == status, answer.raw
        rev = int(answer.json["metadata"]["resourceVersion"])
        self.done.append(Step(*self.where(), name, group, rev))

    def where(self):
        return KINDS[self.index % 2], SPACES[self.index // 2 % 2]

    def path(self):
        kind, space = self.where()
        return f"/api/v1/namespaces/{space}/{kind}"


@dataclass
class Follower:
    """A watch: of a kind, in one namespace or all, of a label or a name or everything."""

    kind: str
    space: str | None
    group: str | None
    name: str | None
    events: list[tuple[str, str, int]] = field(default_factory=list)

    @classmethod
    def number(cls, index):
        space = (None, *SPACES)[index // 2 % 3]
        group = (None, *GROUPS)[index // 6 % 4]
        name = f"w{index % WRITERS}-0" if index % 10 == 9 else None
        return cls(KINDS[index % 2], space, None if name else group, name)

    def path(self, since):
        where = f"/namespaces/{self.space}" if self.space else ""
        selector = f"&fieldSelector=metadata.name%3D{self.name}" if self.name else ""
        if self.group:
            selector += f"&labelSelector=group%3D{self.group}"
        return f"/api/v1{where}/{self.kind}?watch=1&resourceVersion={since}{selector}"

    def run(self, server, since, started, last):
        """Reads until the event at the revision `last`, or the last one before it, has come."""
        api = server.api("admin-token")
        with api.watch(self.path(since)) as watch:
            assert watch.status == 200
            started.release()
            ends = last.result()[self.kind, self.space, self.group, self.name]
            while ends and (not self.events or self.events[-1][2] < ends):
                event = watch.next()
                assert event is not None, f"the stream ended before {ends}"
                meta = event["object"]["metadata"]
                self.events.append((event["type"], meta["name"], int(meta["resourceVersion"])))
        api.close()

    def sees(self, step):
        return step.kind == self.kind and self.space in {None, step.space} and self.name in {None, step.name}

    def matches(self, group):
        return group is not None and self.group in {None, group}

    def expected(self, steps):
        """(type, name, revision or None) for each object, in its order."""
        found, groups = {}, {}
        for step in filter(self.sees, steps):
            before, now = self.matches(groups.get(step.name)), self.matches(step.group)
            groups[step.name] = step.group
            if before or now:
                kind = "DELETED" if not now else "MODIFIED" if before else "ADDED"
                found.setdefault(step.name, []).append((kind, step.rev))
        return found


def test_every_watcher_sees_every_change_in_order(own):
    admin = own.api("admin-token")
    for space in SPACES:
        assert admin.post("/api/v1/namespaces", {"metadata": {"name": space}}).status == 201
        admin.eventually(
            f"/api/v1/namespaces/{space}/configmaps/kube-root-ca.crt", lambda got: got.status == 200
        )
    since = int(admin.get("/api/v1/configmaps").json["metadata"]["resourceVersion"])
    writers = [Writer(own, index) for index in range(WRITERS)]
    followers = [Follower.number(index) for index in range(WATCHERS)]
    started, last = threading.Semaphore(0), Future()
    with ThreadPoolExecutor(WRITERS + WATCHERS) as pool:
        watching = [pool.submit(follower.run, own, since, started, last) for follower in followers]
        for _ in followers:
            assert started.acquire(timeout=60)
        try:
            for writing in [pool.submit(writer.run) for writer in writers]:
                writing.result(600)
        finally:
            steps = [step for writer in writers for step in writer.done]
            last.set({follower_key(follower): final(follower, steps) for follower in followers})
        for watch in watching:
            watch.result(120)
    assert len({step.rev for step in steps if step.rev}) == len([step for step in steps if step.rev])
    assert sum(len(follower.events) for follower in followers) > WRITERS * WRITES, "hardly anything was seen"
    for follower in followers:
        check(follower, steps)
    admin.close()


class Future:
    """A value that many threads wait for."""

    def __init__(self):
        self.there, self.value = threading.Event(), None

    def set(self, value):
        self.value = value
        self.there.set()

    def result(self):
        assert self.there.wait(600)
        return self.value


def follower_key(follower):
    return follower.kind, follower.space, follower.group, follower.name


def final(follower, steps):
    """The revision of the last event that it must see; every object ends with a change that tells its own."""
    revs = [rev for events in follower.expected(steps).values() for _, rev in events if rev]
    return max(revs, default=0)


def check(follower, steps):
    revs = [rev for _, _, rev in follower.events]
    assert all(left < right for left, right in itertools.pairwise(revs)), "revisions do not rise"
    seen = {}
    for kind, name, rev in follower.events:
        seen.setdefault(name, []).append((kind, rev))
    expected = follower.expected(steps)
    for name in seen.keys() | expected.keys():
        got, wanted = seen.get(name, []), expected.get(name, [])
        # A deletion's revision is not in its answer, and one after `final` need not have been read.
        while len(wanted) > len(got) and wanted[-1][1] is None:
            wanted = wanted[:-1]
        assert [kind for kind, _ in got] == [kind for kind, _ in wanted], (follower, name)
        assert all(rev is None or rev == got_rev for (_, got_rev), (_, rev) in zip(got, wanted, strict=True))


def test_a_watcher_that_does_not_read_is_cut_off_and_recovers(own):
    """More than its queue holds; the stream ends after whole events, and a list gives the right state."""
    admin = own.api("admin-token")
    path = "/api/v1/namespaces/default/configmaps"
    made = admin.post(path, {"metadata": {"name": "big"}}).json["metadata"]["resourceVersion"]
    with admin.watch(f"{path}?watch=1&resourceVersion={made}&fieldSelector=metadata.name%3Dbig") as watch:
        for number in range(80):
            last = admin.patch(f"{path}/big", {"data": {"n": str(number), "x": "x" * 900_000}})
            assert last.status == 200
        numbers = [int(event["object"]["data"]["n"]) for event in iter(watch.next, None)]
    assert numbers == list(range(len(numbers)))
    assert 0 < len(numbers) < 80, "it was never cut off"
    # What it missed is still in the history: the client goes on from its last event.
    again = f"{path}?watch=1&resourceVersion={made}&fieldSelector=metadata.name%3Dbig"
    with admin.watch(again) as watch:
        assert [int(event["object"]["data"]["n"]) for event in watch.take(80)] == list(range(80))
    final_state = admin.get(f"{path}/big").json
    assert final_state["data"]["n"] == "79"
    assert final_state["metadata"]["resourceVersion"] == last.json["metadata"]["resourceVersion"]
    admin.close()
