"""Whether a schedule makes a run: decisions on values."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sympozium.api import SympoziumSchedule
from sympozium.api.ticks import Schedule
from sympozium.controllers.schedule.controller import manifest
from sympozium.controllers.schedule.decide import Decision, Fire, Made, decide, surplus

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
ONE = NOON + timedelta(hours=1)


def schedule(annotations: dict[str, str] | None = None, **spec: Any) -> SympoziumSchedule:
    return SympoziumSchedule.model_validate(
        {
            "metadata": {
                "name": "watch", "namespace": "team", "uid": "u1", "annotations": annotations or {},
                "creationTimestamp": "2026-11-26T12:00:00Z",
            },
            "spec": {"instanceRef": "sre", "schedule": "0 * * * *", "task": "look", **spec},
        }
    )  # fmt: skip


def run(name: str, phase: str = "Succeeded", *, hours: float = 0) -> Made:
    return Made(name, phase, NOON + timedelta(hours=hours))


def decided(found: SympoziumSchedule, *made: Made, since: datetime = NOON, now: datetime) -> Decision:
    plan = Schedule(found.spec.schedule, time_zone=found.spec.time_zone, anchor=NOON)
    return decide(found, plan, made, since=since, now=now)


def test_before_the_tick_nothing_happens() -> None:
    decision = decided(schedule(), now=ONE - timedelta(seconds=1))
    assert (decision.fire, decision.seen, decision.look_at) == ([], None, ONE)


def test_a_tick_makes_one_run_whose_name_derives_from_it() -> None:
    first = decided(schedule(), now=ONE)
    again = decided(schedule(), now=ONE + timedelta(seconds=40))
    assert [fire.name for fire in first.fire] == [f"watch-{int(ONE.timestamp()) // 60}"]
    assert again.fire == first.fire
    assert (first.seen, first.next_tick, first.skipped) == (ONE, ONE + timedelta(hours=1), [])


def test_a_tick_that_was_seen_is_never_looked_at_again() -> None:
    decision = decided(schedule(), since=ONE, now=ONE + timedelta(minutes=5))
    assert (decision.fire, decision.seen) == ([], None)


def test_a_run_made_before_a_crash_is_no_reason_to_leave_its_own_tick_out() -> None:
    (fire,) = decided(schedule(), now=ONE).fire
    decision = decided(schedule(), run(fire.name, "Running"), now=ONE + timedelta(seconds=2))
    assert decision.fire == [fire]
    assert decision.skipped == []


def test_of_many_missed_ticks_the_last_is_run_and_the_others_are_named() -> None:
    decision = decided(schedule(), now=NOON + timedelta(hours=5, minutes=1))
    assert [fire.tick for fire in decision.fire] == [NOON + timedelta(hours=5)]
    assert decision.skipped[0][0] == "MissedTicks"
    assert "4 earlier ticks" in decision.skipped[0][1]


def test_a_deadline_leaves_a_late_tick_out_for_good() -> None:
    decision = decided(schedule(startingDeadlineSeconds=60), now=ONE + timedelta(seconds=61))
    assert (decision.fire, decision.seen, decision.skipped[0][0]) == ([], ONE, "TooLate")
    assert decided(schedule(startingDeadlineSeconds=60), now=ONE + timedelta(seconds=60)).fire


@pytest.mark.parametrize("phase", ["Pending", "Queued", "Running", "AwaitingApproval"])
def test_forbid_leaves_the_tick_out_while_a_run_goes_on(phase: str) -> None:
    decision = decided(schedule(), run("old", phase), now=ONE)
    assert (decision.fire, decision.seen) == ([], ONE)
    assert decision.skipped[0][0] == "StillRunning"
    assert "old" in decision.skipped[0][1]


def test_allow_runs_both_and_replace_cancels_the_old_one() -> None:
    both = decided(schedule(concurrencyPolicy="Allow"), run("old", "Running"), now=ONE)
    assert (len(both.fire), both.cancel) == (1, [])
    replaced = decided(schedule(concurrencyPolicy="Replace"), run("old", "Running"), run("done"), now=ONE)
    assert (len(replaced.fire), replaced.cancel) == (1, ["old"])


def test_a_suspended_schedule_makes_no_runs_of_its_own() -> None:
    decision = decided(schedule(suspend=True), now=ONE)
    assert (decision.fire, decision.next_tick) == ([], None)


def test_a_token_makes_one_run_at_once_also_while_suspended() -> None:
    asked = schedule({"sympozium.ai/fire": "t1"}, suspend=True)
    assert [fire.name for fire in decided(asked, now=NOON).fire] == ["watch-fire-t1"]
    done = schedule({"sympozium.ai/fire": "t1", "sympozium.ai/fired": "t1"})
    assert decided(done, now=NOON).fire == []
    assert decided(schedule({"sympozium.ai/fire": "t2", "sympozium.ai/fired": "t1"}), now=NOON).fire


def test_an_odd_token_makes_a_name_that_kubernetes_takes() -> None:
    (fire,) = decided(schedule({"sympozium.ai/fire": "2026-11-26T12:00:00Z"}), now=NOON).fire
    assert fire.name.startswith("watch-fire-2026-11-26t12-00-00z-")


def test_jitter_delays_the_start_and_not_the_tick() -> None:
    late = schedule(jitter="30m")
    early = decided(late, now=ONE)
    assert early.fire == []
    assert early.look_at is not None
    assert ONE < early.look_at <= ONE + timedelta(minutes=30)
    (fire,) = decided(late, now=early.look_at).fire
    assert fire.tick == ONE


def test_history_limits_remove_the_oldest_finished_runs() -> None:
    limited = schedule(successfulRunsHistoryLimit=1, failedRunsHistoryLimit=0)
    made = [
        run("old", hours=1), run("new", hours=2), run("bad", "Failed"), run("stopped", "Cancelled"),
        run("live", "Running"),
    ]  # fmt: skip
    assert surplus(limited, made) == ["old", "bad", "stopped"]
    assert surplus(schedule(), made) == []


def test_the_run_of_a_tick_has_no_owner() -> None:
    made = manifest(schedule(type="heartbeat"), Fire("watch-1", ONE, ONE.isoformat()))
    assert "ownerReferences" not in made["metadata"]
    assert made["metadata"]["labels"]["sympozium.ai/schedule"] == "watch"
    assert made["metadata"]["annotations"]["sympozium.ai/occasion"] == "heartbeat"
    assert "sympozium.ai/without-memory" not in made["metadata"]["annotations"]
    bare = manifest(schedule(includeMemory=False), Fire("watch-1", ONE, ONE.isoformat()))
    assert bare["metadata"]["annotations"]["sympozium.ai/without-memory"] == "true"
    assert made["spec"] == {
        "instanceRef": "sre", "task": "look", "trigger": {"kind": "Schedule", "name": "watch"},
    }  # fmt: skip
