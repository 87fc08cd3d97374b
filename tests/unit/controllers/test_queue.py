from hypothesis import given, strategies as st

from sympozium.api.config import QueueLimits
from sympozium.controllers.run.queue import Key, Member, Place, Waiting, places as all_places

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
