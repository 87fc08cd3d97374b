"""The faults of the demo: each is drawn, and each shows as what it is called."""

import random
from typing import Any

import pytest

from sympozium.cli.demo.workloads import FAILURES, Failure, draw, symptom


def test_every_fault_is_drawn_and_the_same_seed_draws_the_same() -> None:
    drawn = {draw("shop", random.Random(seed))[0].reason for seed in range(60)}
    assert drawn == {failure.reason for failure in FAILURES}
    assert draw("shop", random.Random(7))[1:] == draw("shop", random.Random(7))[1:]


def test_names_are_random_and_do_not_tell_the_fault() -> None:
    names = [draw("shop", random.Random(seed))[1]["metadata"]["name"] for seed in range(40)]
    assert len(set(names)) == 40
    words = {failure.reason.lower() for failure in FAILURES} | {"broken", "bad", "fail"}
    assert not [name for name in names if any(word in name for word in words)]


def _status(**status: Any) -> dict[str, Any]:
    return {"status": status}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({}, ""),
        ({"containerStatuses": [{"state": {"running": {}}}]}, ""),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, ""),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
            "Unschedulable",
        ),
    ],
)
def test_the_symptom_is_the_word_that_kubectl_shows(status: dict[str, Any], word: str) -> None:
    assert symptom(_status(**status)) == word


@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f.reason)
def test_a_report_may_name_the_reason_in_the_words_of_kubectl(failure: Failure) -> None:
    assert failure.named_in(f"**Reason**: {failure.reason.upper()}")
    assert all(failure.named_in(f"It is {word}.") for word in failure.also)
    assert not failure.named_in("Something is wrong with a pod.")
