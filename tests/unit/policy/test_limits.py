import pytest
from tests.unit.policy.make import effective, instance, policy, run

from sympozium.policy import limits
from sympozium.policy.limits import Limit


def child(depth: int):
    return run(parent={"runName": "above", "sessionKey": "s", "spawnDepth": depth})


def authored(**subagents: int):
    return instance(default={"subagents": subagents})


def test_without_a_word_the_defaults_of_the_instance_hold() -> None:
    assert limits.depth(effective(), instance()) == Limit(2, "instance i: agents.default.subagents.maxDepth")
    assert limits.concurrent(effective(), instance()).most == 5
    assert limits.children(instance()) == Limit(3, "instance i: agents.default.subagents.maxChildrenPerAgent")


def test_the_least_of_all_layers_and_the_instance_holds() -> None:
    floor = policy("floor", subagentPolicy={"maxDepth": 1, "maxConcurrent": 4})
    held = effective(floor=floor, subagentPolicy={"maxDepth": 4, "maxConcurrent": 2})
    author = authored(maxDepth=7, maxConcurrent=3, maxChildrenPerAgent=9)
    assert limits.depth(held, author) == Limit(1, "floor: subagentPolicy.maxDepth")
    assert limits.concurrent(held, author) == Limit(2, "p: subagentPolicy.maxConcurrent")
    assert limits.depth(held, authored(maxDepth=0)).rule.startswith("instance i: ")
    assert limits.concurrent(held, authored(maxConcurrent=1)).most == 1
    assert limits.children(author).most == 9
    assert limits.depth(effective(subagentPolicy={"maxDepth": 7}), author).rule.startswith("p: ")


@pytest.mark.parametrize(("depth", "refused"), [(1, False), (2, False), (3, True)])
def test_admission_judges_the_depth_of_a_child(depth: int, refused: bool) -> None:
    found = limits.check_depth(child(depth), authored(maxDepth=5), effective(subagentPolicy={"maxDepth": 2}))
    assert bool(found) is refused
    for violation in found:
        assert violation.field == "spec.parent.spawnDepth"
        assert str(violation) == "spec.parent.spawnDepth: is 3: p: subagentPolicy.maxDepth allows 2"
        assert (violation.rule, violation.audit) == ("p: subagentPolicy.maxDepth", False)
        assert violation.instead == "runs at depth 2 or less"


def test_a_run_that_nobody_spawned_has_no_depth() -> None:
    assert limits.check_depth(run(), authored(maxDepth=0), effective()) == []


def test_a_limit_of_nought_lets_no_run_start_another() -> None:
    held = effective(subagentPolicy={"maxDepth": 0})
    (violation,) = limits.check_spawn(run(), instance(), held, started=0)
    assert violation.field == "spec.parent.spawnDepth"
    assert violation.instead == "no run may start another: do the work in one"
    assert limits.check_depth(child(1), instance(), held)


@pytest.mark.parametrize(("depth", "started", "fields"), [
    (0, 0, []), (0, 1, []), (0, 2, ["spawn"]), (1, 0, []), (2, 1, ["spec.parent.spawnDepth"]),
    (2, 2, ["spec.parent.spawnDepth", "spawn"]),
])  # fmt: skip
def test_a_run_that_asks_to_start_another(depth: int, started: int, fields: list[str]) -> None:
    asking = child(depth) if depth else run()
    found = limits.check_spawn(
        asking, authored(maxDepth=2, maxChildrenPerAgent=2), effective(), started=started
    )
    assert [violation.field for violation in found] == fields
    for violation in found:
        if violation.field == "spawn":
            assert violation.message == f"this run has started {started} runs: instance i: agents.default.subagents.maxChildrenPerAgent allows 2"  # fmt: skip
            assert violation.rule == "instance i: agents.default.subagents.maxChildrenPerAgent"
            assert violation.instead == "do the rest in this run"


def test_a_layer_that_watches_does_not_limit_and_says_so() -> None:
    held = effective(enforcement="Audit", subagentPolicy={"maxDepth": 0, "maxConcurrent": 0})
    assert limits.depth(held, instance()).most == 2
    assert limits.concurrent(held, instance()).most == 5
    (violation,) = limits.check_depth(child(1), instance(), held)
    assert (violation.audit, violation.rule) == (True, "p: subagentPolicy.maxDepth")
    (violation,) = limits.check_spawn(run(), instance(), held, started=0)
    assert violation.audit
    both = effective(enforcement="Audit", subagentPolicy={"maxDepth": 0}, floor=policy("f", subagentPolicy={"maxDepth": 1}))  # fmt: skip
    assert [v.audit for v in limits.check_depth(child(2), instance(), both)] == [False, True]
