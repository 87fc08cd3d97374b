from hypothesis import given, strategies as st

from sympozium.api.config import QueueLimits
from sympozium.controllers.run.queue import Key, Member, Place, Waiting, places as all_places
from sympozium.policy.limits import Limit

A, B = ("team", "a"), ("team", "b")


def limits(total: int | None = None, each: int | None = None) -> QueueLimits:
    return QueueLimits(max_concurrent_runs=total, max_concurrent_runs_per_instance=each)


def waiting(
    name: str, instance: Key = A, created: str = "2026-11-26T12:00:00Z", *, suspended: bool = False
) -> Waiting:
    return Waiting(instance, key=("team", name), created=created, suspended=suspended)


def places(runs: list[Waiting], active: list[Key], most: QueueLimits) -> dict[Key, Place]:
    """Of runs that are beneath no others."""
    return all_places(runs, [Member(instance) for instance in active], most, lambda _: None)


def test_without_limits_everybody_goes() -> None:
    assert all(p.go for p in places([waiting("x"), waiting("y")], [A] * 100, limits()).values())


def test_first_come_first_served_by_time_then_name() -> None:
    runs = [waiting("b"), waiting("a"), waiting("first", created="2026-11-26T11:00:00Z")]
    found = places(runs, [], limits(total=1))
    assert {key[1]: place.position for key, place in found.items()} == {"first": None, "a": 0, "b": 1}
    assert found["team", "a"].reason == "the installation has 1 of 1 runs at the same time"


def test_a_full_instance_does_not_hold_up_others() -> None:
    runs = [waiting("a1"), waiting("a2"), waiting("b1", B)]
    found = places(runs, [A], limits(each=1))
    assert found["team", "b1"].go
    assert [found["team", n].position for n in ("a1", "a2")] == [0, 1]
    assert "instance a has 1 of 1" in found["team", "a1"].reason


def test_a_suspended_run_waits_without_taking_a_place() -> None:
    found = places([waiting("s", suspended=True), waiting("x")], [], limits(total=1))
    assert found["team", "x"].go
    assert "spec.suspend" in found["team", "s"].reason


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from([A, B]), st.booleans()), max_size=30),
    st.lists(st.sampled_from([A, B]), max_size=6),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_limits_hold_and_no_slot_is_wasted(
    drawn: list[tuple[int, Key, bool]], active: list[Key], total: int, each: int
) -> None:
    runs = [
        waiting(f"r{i}", instance, f"2026-11-26T12:00:{second:02d}Z", suspended=suspended)
        for i, (second, instance, suspended) in enumerate(drawn)
    ]
    found = places(runs, active, limits(total=total, each=each))
    going = [run for run in runs if found[run.key].go]
    assert len(found) == len(runs)
    assert not any(run.suspended for run in going)
    after = [*active, *(run.instance for run in going)]
    if going:
        assert len(after) <= total
    for instance in (A, B):
        if any(run.instance == instance for run in going):
            assert after.count(instance) <= each
    held = [run for run in runs if not found[run.key].go and not run.suspended]
    for run in held:
        assert len(after) >= total or after.count(run.instance) >= each
        assert found[run.key].reason
        overtakers = [g for g in going if g.instance == run.instance and g.order > run.order]
        assert not overtakers


# -- runs beneath runs


def beneath(name: str, *above: str, awaited: bool = False, **more: str) -> Waiting:
    return Waiting(
        more.pop("instance", None) or A, tuple(("team", a) for a in above), awaited=awaited,
        key=("team", name), created=more.get("created", "2026-11-26T12:00:00Z"),
    )  # fmt: skip


ONE = limits(total=1, each=1)


def one(_: Key) -> Limit:
    return Limit(1, "p: subagentPolicy.maxConcurrent")


def test_a_chain_of_runs_that_wait_goes_on_with_one_place_of_everything() -> None:
    root = Member(A, waits=True)
    child = Member(A, (("team", "root"),), awaited=True, waits=True)
    leaf = beneath("leaf", "child", "root", awaited=True)
    assert all_places([leaf], [root, child], ONE, one)[leaf.key].go


def test_the_child_of_a_run_that_waits_goes_before_those_that_came_earlier() -> None:
    early = waiting("early", created="2026-11-26T11:00:00Z")
    child = beneath("child", "root", awaited=True)
    found = all_places([early, child], [Member(A, waits=True)], ONE, one)
    assert found[child.key].go
    assert found[early.key].reason == "the installation has 1 of 1 runs at the same time"


def test_a_child_that_nobody_waits_for_needs_a_place_of_its_own() -> None:
    child = beneath("child", "root")
    found = all_places([child], [Member(A)], limits(total=1), one)
    assert not found[child.key].go


def test_siblings_wait_for_each_other_with_position_and_words() -> None:
    busy = Member(A, (("team", "root"),))
    queued = [beneath(f"c{i}", "root", created=f"2026-11-26T12:00:0{i}Z") for i in range(3)]
    found = all_places(queued, [Member(A), busy], limits(), one)
    assert [found[c.key].position for c in queued] == [0, 1, 2]
    assert found[queued[0].key].reason == (
        "waits for a sibling: 1 of 1 runs work beneath root (p: subagentPolicy.maxConcurrent)"
    )


def test_all_levels_beneath_a_run_count_and_those_that_wait_do_not() -> None:
    two = {("team", "root"): Limit(2, "r")}.get
    child = Member(A, (("team", "root"),), waits=True)
    grandchild = Member(A, (("team", "child"), ("team", "root")), awaited=True)
    queued = [beneath("x", "root"), beneath("y", "root")]
    found = all_places(queued, [Member(A), child, grandchild], limits(), two)
    assert [found[c.key].go for c in queued] == [True, False]


def test_a_tree_that_is_full_holds_up_no_other_run() -> None:
    busy = Member(A, (("team", "root"),))
    found = all_places([beneath("c", "root"), waiting("other")], [busy], limits(), one)
    assert not found["team", "c"].go
    assert found["team", "other"].go


class Forest:
    """Runs that do as runs do: work, ask for a child and wait for it or not, end. The queue says who may start."""

    def __init__(self, most: QueueLimits, beneath: int) -> None:
        self.limits, self.beneath = most, beneath
        self.parent: dict[str, str | None] = {}
        self.instance: dict[str, Key] = {}
        self.plans: dict[str, list[tuple[Key, bool]]] = {}
        self.awaited: set[str] = set()
        self.started: set[str] = set()
        self.ended: set[str] = set()

    def add(
        self, name: str, instance: Key, parent: str | None, plan: list[tuple[Key, bool]], *, awaited: bool
    ) -> None:
        self.parent[name], self.instance[name], self.plans[name] = parent, instance, list(plan)
        if awaited:
            self.awaited.add(name)

    def waits(self, name: str) -> bool:
        return any(self.parent[c] == name and c in self.awaited and c not in self.ended for c in self.parent)

    def above(self, name: str) -> tuple[Key, ...]:
        at = self.parent[name]
        return () if at is None else (("team", at), *self.above(at))

    def places(self) -> dict[Key, Place]:
        alive = [n for n in self.parent if n not in self.ended]
        active = [
            Member(self.instance[n], self.above(n), n in self.awaited, self.waits(n))
            for n in alive if n in self.started
        ]  # fmt: skip
        queued = [
            Waiting(
                self.instance[n], self.above(n), n in self.awaited, self.waits(n),
                key=("team", n), created=f"{i:05d}",
            )
            for i, n in enumerate(self.parent) if n in alive and n not in self.started
        ]  # fmt: skip
        return all_places(queued, active, self.limits, lambda _: Limit(self.beneath, "p"))

    def step(self, pick: int) -> bool:
        """One thing that can happen; False when nothing can."""
        moves = [("start", key[1]) for key, place in self.places().items() if place.go]
        moves += [("work", n) for n in self.started - self.ended if not self.waits(n)]
        if not moves:
            return False
        what, name = sorted(moves)[pick % len(moves)]
        if what == "start":
            self.started.add(name)
        elif self.plans[name]:
            instance, awaited = self.plans[name].pop(0)
            deep = len(self.above(name))
            self.add(
                f"{name}.{len(self.parent)}",
                instance,
                name,
                self.plans[name][:2] if deep < 2 else [],
                awaited=awaited,
            )
        else:
            self.ended.add(name)
        return True


_PLAN = st.lists(st.tuples(st.sampled_from([A, B]), st.booleans()), max_size=3)


@given(st.lists(st.tuples(st.sampled_from([A, B]), _PLAN), min_size=1, max_size=3), st.randoms(use_true_random=False),
       st.one_of(st.none(), st.integers(1, 2)), st.one_of(st.none(), st.integers(1, 2)), st.integers(1, 2))  # fmt: skip
def test_no_forest_of_runs_locks_itself_out(roots, random, total, each, most) -> None:  # type: ignore[no-untyped-def]
    forest = Forest(limits(total, each), most)
    for i, (instance, plan) in enumerate(roots):
        forest.add(f"r{i}", instance, None, plan, awaited=False)
    for _ in range(2000):
        if not forest.step(random.randrange(1000)):
            break
        working = [n for n in forest.started - forest.ended if not forest.waits(n)]
        if total is not None:
            assert len([n for n in forest.started - forest.ended if n not in forest.awaited]) <= total
        for root in forest.parent:
            assert sum(("team", root) in forest.above(n) for n in working) <= most
    assert forest.ended == set(forest.parent), "runs that wait for ever"
