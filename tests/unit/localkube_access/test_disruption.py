"""PodDisruptionBudgets, on values."""

import datetime as dt

import pytest

from sympozium.localkube import disruptions
from sympozium.localkube.controllers.disruption import count

NOW = dt.datetime(2026, 11, 26, 12, 0, tzinfo=dt.UTC)


def budget(status=None, **spec):
    meta = {"name": "b", "namespace": "ns", "generation": 1}
    return {
        "metadata": meta,
        "spec": {"selector": {"matchLabels": {"a": "b"}}} | spec,
        "status": status or {},
    }


def pod(name, *, ready=True, deleting=False):
    meta = {"name": name, "namespace": "ns", "labels": {"a": "b"}}
    if deleting:
        meta["deletionTimestamp"] = "2026-11-26T12:00:00Z"
    return {
        "metadata": meta,
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def counted(one, pods, scale=0):
    waiting, _ = count.disrupted(one, pods, NOW)
    return count.status(one, pods, count.expected(one, pods, scale), waiting, NOW)


@pytest.mark.parametrize(
    ("spec", "scale", "numbers"),
    [
        ({"minAvailable": 1}, 0, (2, 1, 1, 3)),
        ({"minAvailable": 3}, 0, (2, 3, 0, 3)),
        ({"minAvailable": "50%"}, 3, (2, 2, 0, 3)),
        ({"maxUnavailable": 1}, 3, (2, 2, 0, 3)),
        ({"maxUnavailable": "50%"}, 3, (2, 1, 1, 3)),
        ({"maxUnavailable": 9}, 3, (2, 0, 2, 3)),
        ({}, 0, (2, 0, 0, 0)),
    ],
)
def test_how_many_may_go(spec, scale, numbers):
    status = counted(budget(**spec), [pod("a"), pod("b"), pod("c", ready=False)], scale)
    keys = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    assert tuple(status[key] for key in keys) == numbers
    condition = status["conditions"][0]
    allowed = numbers[2] > 0
    assert (condition["status"], condition["reason"]) == (
        ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    )


def test_an_evicted_pod_does_not_count_until_it_is_gone_or_two_minutes_are_over():
    one = budget({"disruptedPods": {"a": "2026-11-26T11:59:00Z"}}, minAvailable=1)
    status = counted(one, [pod("a"), pod("b")])
    assert (status["currentHealthy"], status["disruptedPods"]) == (1, {"a": "2026-11-26T11:59:00Z"})
    assert count.disrupted(one, [pod("a"), pod("b")], NOW)[1] == 60.0
    late = NOW + dt.timedelta(seconds=61)
    assert count.disrupted(one, [pod("a")], late) == ({}, None)
    assert count.disrupted(one, [pod("a", deleting=True)], NOW) == ({}, None)


def test_an_unchanged_status_stays_the_same_object_for_object():
    first = counted(budget(minAvailable=1), [pod("a")])
    assert counted(budget(first, minAvailable=1), [pod("a")]) == first


def test_spending_and_the_words_of_a_refusal():
    status = counted(budget(minAvailable=1), [pod("a"), pod("b")])
    assert disruptions.refusal(budget(status)) == ""
    spent = disruptions.spend(status, "a", NOW)
    assert (spent["disruptionsAllowed"], list(spent["disruptedPods"])) == (0, ["a"])
    tight = counted(budget(minAvailable=1), [pod("a")])
    text = "The disruption budget b needs 1 healthy pods and has 1 currently"
    assert disruptions.refusal(budget(tight)) == text
    failed = count.failed(budget(), 'found no controllers for pod "a"', NOW)
    assert disruptions.refusal(budget(failed)).endswith('failed sync: found no controllers for pod "a"')


@pytest.mark.parametrize(
    ("spec", "status", "free"),
    [
        ({"unhealthyPodEvictionPolicy": "AlwaysAllow"}, {}, True),
        ({}, {"currentHealthy": 1, "desiredHealthy": 1}, True),
        ({}, {"currentHealthy": 0, "desiredHealthy": 1}, False),
        ({}, {}, False),
    ],
)
def test_a_pod_that_is_not_ready_may_go_uncounted(spec, status, free):
    assert disruptions.tolerates_unready(budget(status, **spec)) is free


def test_an_empty_selector_takes_all_and_none_takes_none():
    assert disruptions.selects(budget(selector={}), pod("a"))
    assert not disruptions.selects(budget(selector=None), pod("a"))
