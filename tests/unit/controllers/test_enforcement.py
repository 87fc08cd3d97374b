"""What the exit codes of the probe mean, and how long that is believed."""

from datetime import UTC, datetime, timedelta

import pytest

from sympozium.actions.networkprobe import Verdict, digest_of, judge
from sympozium.controllers.enforcement.keeper import Known, remembered

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("opened", "closed", "enforced", "reason"),
    [
        (10, 11, True, "ProbeRefused"),
        (10, 10, False, "ProbeReached"),
        (11, 10, False, "ProbeReached"),  # whatever befell the other one
        (11, 11, None, "ProbeInconclusive"),  # nobody gets out: that the closed one does not says nothing
        (1, 11, None, "ProbeFailed"),
        (10, 127, None, "ProbeFailed"),
        (10, -1, None, "ProbeFailed"),
    ],
)
def test_verdicts(opened: int, closed: int, enforced: bool | None, reason: str) -> None:
    verdict = judge(opened, closed)
    assert (verdict.enforced, verdict.reason) == (enforced, reason)


@pytest.mark.parametrize(
    ("enforced", "age", "nodes", "holds"),
    [
        (True, timedelta(hours=23), "a", True),
        (True, timedelta(hours=25), "a", False),
        (True, timedelta(0), "b", False),
        (False, timedelta(hours=23), "a", True),
        (None, timedelta(seconds=59), "a", True),
        (None, timedelta(seconds=61), "a", False),
    ],
)
def test_how_long_it_is_believed(enforced: bool | None, age: timedelta, nodes: str, holds: bool) -> None:
    known = Known(Verdict(enforced, "R", "m"), NOW - age, "a")
    assert known.holds(NOW, nodes) is holds


def test_it_is_read_from_the_status() -> None:
    verdict = Verdict(False, "ProbeReached", "words")
    status = {
        "conditions": [{**verdict.condition(), "lastTransitionTime": "2026-11-26T00:00:00Z"}],
        "networkProbe": {"checkedAt": "2026-11-27T12:00:00Z", "nodes": "a"},
    }
    assert remembered({"status": status}) == Known(verdict, NOW, "a")
    assert remembered({"status": {"conditions": status["conditions"]}}) is None
    assert remembered({}) is None


def test_nodes_are_told_apart() -> None:
    def node(name: str, facts: str = "") -> dict[str, object]:
        return {
            "metadata": {"name": name, "uid": name, "annotations": {"node.sympozium.ai/sandbox-facts": facts}}
        }

    assert digest_of([node("a"), node("b")]) == digest_of([node("b"), node("a")])
    assert digest_of([node("a")]) != digest_of([node("a"), node("b")])
    assert digest_of([node("a")]) != digest_of([node("a", "network policies are NOT enforced")])
