"""Limits for each index, FailIndex and successPolicy: one step on values."""

import pytest

from sympozium.localkube.controllers.job import indexes
from sympozium.localkube.controllers.job.decide import decide
from sympozium.localkube.controllers.job.perindex import FAILURES, IGNORED
from unit.localkube_access.test_job import NOW, job, pod

RULES = [
    {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [42]}},
    {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}},
]


INTERVAL = (
    'the fragment "0-1-2" violates the requirement that an index interval can have at most two parts separated by'
    " '-'"
)


def indexed(status=None, **spec):
    base = {"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 1}
    return job({"startTime": "2026-11-26T12:00:00Z"} | (status or {}), **(base | spec))


def counted(uid, index, failures=0, ignored=0, **more):
    made = pod(uid, index=index, **more)
    made["metadata"]["annotations"] |= {FAILURES: str(failures)}
    if ignored:
        made["metadata"]["annotations"][IGNORED] = str(ignored)
    return made


def settle(one, pods):
    """The plan on the Job whose status is as the first step wants it."""
    plan = decide(one, pods, NOW)
    return decide({**one, "status": plan.status}, pods, NOW) if plan.status is not None else plan


def test_a_failed_pod_waits_for_its_replacement_with_its_finalizer():
    failed = counted("a", 0, phase="Failed", ended=-11)
    plan = settle(indexed(), [failed])
    assert (plan.create, plan.failures, plan.release) == ([0, 1, 2], {0: (1, 0)}, [])
    replaced = [failed, counted("b", 0, 1)]
    status = decide(indexed(), replaced, NOW).status
    assert status["uncountedTerminatedPods"] == {"failed": ["a"]}


def test_each_index_has_its_own_back_off():
    plan = settle(indexed(parallelism=1), [counted("a", 0, phase="Failed", ended=-4)])
    assert (plan.create, plan.again) == ([1], 6.0)


def test_an_index_that_failed_once_too_often_is_failed():
    pods = [counted("a", 0, 1, phase="Failed")]
    status = decide(indexed(), pods, NOW).status
    assert status["failedIndexes"] == "0"
    plan = settle(indexed(), pods)
    assert plan.create == [1, 2]
    assert plan.release == pods


def test_ignored_failures_do_not_use_the_limit_up():
    ignored = counted("a", 0, 1, phase="Failed", code=7, ended=-100)
    plan = settle(indexed(podFailurePolicy={"rules": RULES}), [ignored])
    assert plan.failures == {0: (1, 1)}


def test_a_rule_fails_its_index_at_once():
    status = decide(
        indexed(podFailurePolicy={"rules": RULES}), [counted("a", 1, phase="Failed", code=42)], NOW
    ).status
    assert status["failedIndexes"] == "1"


def target(status):
    return {c["type"]: (c["reason"], c["message"]) for c in status["conditions"]}


def test_failed_indexes_fail_the_job_when_the_others_are_done():
    one = indexed({"completedIndexes": "1,2", "succeeded": 2})
    status = decide(one, [counted("a", 0, 1, phase="Failed")], NOW).status
    assert target(status)["FailureTarget"] == ("FailedIndexes", "Job has failed indexes")


def test_too_many_failed_indexes_fail_the_job_early():
    pods = [counted("a", 0, 1, phase="Failed"), counted("b", 1, 1, phase="Failed"), counted("c", 2)]
    status = decide(indexed(maxFailedIndexes=1), pods, NOW).status
    reason, message = target(status)["FailureTarget"]
    assert (reason, message) == (
        "MaxFailedIndexesExceeded",
        "Job has exceeded the specified maximal number of failed indexes",
    )


@pytest.mark.parametrize(
    ("rules", "done", "met"),
    [
        ([{"succeededIndexes": "0"}], "0", "Matched rules at index 0"),
        ([{"succeededIndexes": "0-1"}], "0", ""),
        ([{"succeededIndexes": "0-1", "succeededCount": 1}], "1", "Matched rules at index 0"),
        ([{"succeededIndexes": "2"}, {"succeededCount": 2}], "0,1", "Matched rules at index 1"),
        ([{"succeededCount": 1}], "", ""),
    ],
)
def test_a_success_policy_ends_the_job(rules, done, met):
    one = job(
        {
            "startTime": "2026-11-26T12:00:00Z",
            "completedIndexes": done,
            "succeeded": len(indexes.parse(done)),
        },
        completionMode="Indexed",
        completions=3,
        parallelism=3,
        successPolicy={"rules": rules},
    )
    status = decide(one, [pod("z", index=2)], NOW).status
    assert target(status).get("SuccessCriteriaMet", ("", ""))[1] == met if met else "conditions" not in status


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("5", 'too large index: "5"'),
        ("1,0", "non-increasing order, previous: 1, current: 0"),
        ("2-1", "non-increasing order, previous: 2, current: 1"),
        ("a", 'cannot convert string to integer for index: "a"'),
        (
            "0-1-2",
            INTERVAL,
        ),
    ],
)
def test_indexes_that_are_not_in_order_are_refused(text, why):
    with pytest.raises(ValueError) as refused:
        indexes.checked(text, 5)
    assert str(refused.value) == why
