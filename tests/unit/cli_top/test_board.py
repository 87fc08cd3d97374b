"""Which runs come first, and what they add up to."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sympozium.cli.top.board import board, slim

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def at(minutes: int) -> str:
    return (NOW + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(
    name: str, phase: str | None = None, *, created: int = -10, ended: int | None = None, **more: Any
) -> Any:
    status = {"phase": phase, **more} if phase else {}
    if ended is not None:
        status["completedAt"] = at(ended)
    return {
        "metadata": {"namespace": "n", "name": name, "uid": f"u-{name}", "creationTimestamp": at(created)},
        "spec": {"instanceRef": "i", "task": "do it"},
        "status": status,
    }


def asks(run_name: str, **status: Any) -> Any:
    return {
        "metadata": {"namespace": "n", "name": f"{run_name}-1"},
        "spec": {"runRef": run_name, "tool": "kubectl_delete", "target": "k8s-ops"},
        "status": status,
    }


def test_what_waits_for_a_person_is_first_and_what_is_over_last() -> None:
    runs = [
        run("old", "Failed", ended=-5, error="boom"), run("older", "Succeeded", ended=-8),
        run("queued", "Queued", queue={"position": 2, "reason": "2 runs go first"}),
        run("new"), run("going", "Running", created=-3), run("longer", "Running", created=-9),
        run("waits", "AwaitingApproval"),
    ]  # fmt: skip
    found = board(runs, [asks("waits")], stopped=False, now=NOW)
    assert [row.key[1] for row in found.rows] == ["waits", "longer", "going", "new", "queued", "old", "older"]
    words = {row.key[1]: row.words for row in found.rows}
    assert words["waits"] == "asks: kubectl_delete in k8s-ops"
    assert words["queued"] == "waits: 2 runs go first"
    assert words["old"] == "boom"
    assert words["going"] == "do it"
    assert found.waiting == 1
    assert found.failed == 1
    assert found.phases["Running"] == 2


def test_a_decided_request_and_one_of_a_run_that_ended_do_not_wait() -> None:
    runs = [run("decided", "Running"), run("over", "Cancelled", ended=-1)]
    found = board(runs, [asks("decided", decision="Denied"), asks("over")], stopped=False, now=NOW)
    assert [row.approval for row in found.rows] == ["", ""]
    assert found.waiting == 0


def test_today_is_since_midnight_utc_and_failures_are_of_a_day() -> None:
    runs = [
        run("a", "Succeeded", created=-60, ended=-50, tokenUsage={"totalTokens": 100}),
        run("b", "Failed", created=-13 * 60, ended=-12 * 60 - 1, tokenUsage={"totalTokens": 1000}),
        run("c", "Failed", created=-25 * 60, ended=-24 * 60 - 1),
    ]
    found = board(runs, [], stopped=True, now=NOW)
    assert (found.tokens, found.started, found.failed, found.stopped) == (100, 1, 1, True)


def test_a_frozen_run_says_so() -> None:
    frozen = run("f", "Running", conditions=[{"type": "Frozen", "status": "True", "message": "in flight: x"}])
    assert board([frozen], [], stopped=False, now=NOW).rows[0].words == "frozen: in flight: x"


def test_how_long_a_run_has_gone() -> None:
    rows = board(
        [run("a", "Running", created=-2), run("b", "Failed", created=-9, ended=-4)],
        [],
        stopped=False,
        now=NOW,
    ).rows
    assert [row.seconds(NOW) for row in rows] == [120, 300]


def test_what_is_kept_of_a_run_is_small() -> None:
    big = run("a", "Succeeded", result="r" * 5000)
    big["spec"] |= {"task": "t" * 5000, "systemPrompt": "s" * 5000}
    big["metadata"]["managedFields"] = ["x"] * 100
    assert len(str(slim(big))) < 1200
