"""CronJobs: what is due, on values."""

import datetime as dt

import pytest

from sympozium.localkube.controllers.cronjob.decide import SCHEDULED, build, decide, job_name, stamp

NOW = dt.datetime(2026, 11, 26, 12, 0, 20, tzinfo=dt.UTC)
MINUTE = int(NOW.timestamp()) // 60


def at(seconds):
    return (NOW + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def cron(born=-90, last=None, active=(), **spec):
    status = {}
    if last is not None:
        status["lastScheduleTime"] = last
    if active:
        status["active"] = [{"name": name, "uid": name, "kind": "Job"} for name in active]
    base = {
        "schedule": "* * * * *",
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {}}},
    }
    meta = {"name": "c", "namespace": "ns", "uid": "cron", "creationTimestamp": at(born)}
    return {"kind": "CronJob", "metadata": meta, "spec": base | spec, "status": status}


def job(name, done="", started=0, *, scheduled=True):
    annotations = {SCHEDULED: "x"} if scheduled else {}
    meta = {
        "name": name,
        "namespace": "ns",
        "uid": name,
        "resourceVersion": "1",
        "annotations": annotations,
    }
    conditions = [{"type": done, "status": "True"}] if done else []
    status = {"startTime": at(started), "conditions": conditions}
    if done == "Complete":
        status["completionTime"] = at(started + 1)
    return {"metadata": meta, "spec": {}, "status": status}


def reasons(plan):
    return [reason for _, reason, _ in plan.events]


def test_a_time_that_has_come_is_started_once():
    plan = decide(cron(), [], NOW)
    assert plan.start == NOW.replace(second=0)
    done = cron(last=stamp(plan.start))
    again = decide(done, [], NOW)
    assert again.start is None
    assert again.again == pytest.approx(40.1)


def test_nothing_is_due_before_the_first_time():
    assert decide(cron(born=-5), [], NOW).start is None


def test_missed_times_are_one_run_the_latest():
    plan = decide(cron(born=-3600), [], NOW)
    assert plan.start == NOW.replace(second=0)
    assert reasons(plan) == []
    plan = decide(cron(born=-3 * 24 * 3600), [], NOW)
    assert plan.start == NOW.replace(second=0)
    assert reasons(plan) == ["TooManyMissedTimes"]


def test_an_uneven_schedule_finds_its_latest_time_too():
    plan = decide(cron(born=-5 * 24 * 3600, schedule="30 6-16/4 * * 1-5"), [], NOW)
    assert plan.start.isoformat() == "2026-11-26T10:30:00+00:00"


def test_a_deadline_that_has_passed_leaves_the_time_out():
    assert decide(cron(startingDeadlineSeconds=10), [], NOW).start is None
    assert decide(cron(startingDeadlineSeconds=30), [], NOW).start == NOW.replace(second=0)


def test_forbid_waits_and_replace_replaces():
    running = job("old")
    plan = decide(cron(active=["old"], concurrencyPolicy="Forbid"), [running], NOW)
    assert (plan.start, reasons(plan)) == (None, ["JobAlreadyActive"])
    plan = decide(cron(active=["old"], concurrencyPolicy="Replace"), [running], NOW)
    assert (plan.start, plan.replaced) == (NOW.replace(second=0), [running])
    assert "active" not in plan.status
    plan = decide(cron(active=["old"]), [running], NOW)
    assert (plan.start, plan.replaced) == (NOW.replace(second=0), [])


def test_ended_and_lost_jobs_leave_the_list():
    plan = decide(cron(born=-5, active=["a", "b", "c"]), [job("a", "Complete"), job("b")], NOW)
    assert [reference["name"] for reference in plan.status["active"]] == ["b"]
    assert reasons(plan) == ["SawCompletedJob", "MissingJob"]
    assert plan.status["lastSuccessfulTime"] == at(1)


def test_a_start_that_was_not_written_down_before_a_crash_is_not_repeated():
    made = job(f"c-{MINUTE}")
    plan = decide(cron(), [made], NOW)
    assert plan.start is None
    assert plan.status["lastScheduleTime"] == stamp(NOW.replace(second=0))
    assert [reference["name"] for reference in plan.status["active"]] == [f"c-{MINUTE}"]


def test_a_job_by_hand_is_named_and_not_counted():
    plan = decide(cron(concurrencyPolicy="Forbid"), [job("by-hand", scheduled=False)], NOW)
    assert plan.start is not None
    assert reasons(plan) == ["UnexpectedJob"]


def test_the_history_keeps_the_newest():
    jobs = [job(f"s{i}", "Complete", i) for i in range(5)] + [job(f"f{i}", "Failed", i) for i in range(3)]
    plan = decide(cron(born=-5), jobs, NOW)
    assert [one["metadata"]["name"] for one in plan.expired] == ["s0", "s1", "f0", "f1"]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"schedule": "nonsense"}, "UnparseableSchedule"),
        ({"timeZone": "Foo/Bar"}, "UnknownTimeZone"),
    ],
)
def test_what_cannot_be_read_is_said(spec, reason):
    plan = decide(cron(**spec), [], NOW)
    assert (plan.start, reasons(plan), plan.again) == (None, [reason], None)


def test_suspended_starts_nothing():
    assert decide(cron(suspend=True), [], NOW).start is None


def test_the_job_of_a_start():
    due = NOW.replace(second=0)
    made = build(cron(timeZone="Europe/Berlin"), due)
    assert made["metadata"]["name"] == job_name(cron(), due) == f"c-{MINUTE}"
    assert made["metadata"]["annotations"] == {SCHEDULED: "2026-11-26T13:00:00+01:00"}
    assert made["metadata"]["labels"] == {"a": "b"}
    assert build(cron(), due)["metadata"]["annotations"] == {SCHEDULED: "2026-11-26T12:00:00Z"}
