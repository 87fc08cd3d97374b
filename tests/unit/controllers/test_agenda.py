"""Which schedules agents may make."""

import pytest
from tests.unit.controllers.make import NOON

from sympozium.controllers.run.agenda import wrong
from sympozium.controllers.run.plan import names


@pytest.mark.parametrize(
    "schedule",
    [
        "@every 5m",
        "@every 300s",
        "@hourly",
        "@yearly",
        "*/5 * * * *",
        "0 0 29 2 *",
        "30 5 * * 1-5",
        " @daily ",
    ],
)
def test_what_is_rare_enough(schedule: str) -> None:
    assert wrong(schedule, "t", NOON) == ""


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("* * * * *", "every 60 s"),
        ("*/4 * * * *", "every 240 s"),
        ("@every 299s", "every 299 s"),
        ("0,3 * * * *", "every 180 s"),
        ("58 23 * * *", ""),
        ("0,59 0,23 * * *", "every 60 s"),
        ("0,1 5 1 1 *", "every 60 s"),
        ("* * 29 2 *", "every 60 s"),
        ("often", "five fields"),
        ("@every never", "never"),
        ("", "needs a schedule and a task"),
    ],
)
def test_what_is_not(schedule: str, words: str) -> None:
    found = wrong(schedule, "t", NOON)
    assert words in found
    assert bool(found) == bool(words)


@pytest.mark.parametrize(
    ("task", "words"),
    [(" ", "needs a schedule and a task"), ("x" * 16385, "16385 characters"), ("\ud800", "surrogate")],
)
def test_tasks_that_do_not_fit(task: str, words: str) -> None:
    assert words in wrong("@daily", task, NOON)


def test_names_of_agents_schedules_meet_no_others() -> None:
    assert names.agent_schedule("a-b", "c") != names.agent_schedule("a", "b-c")
    assert names.agent_schedule("ops-sre", "schedule") != "ops-sre-schedule"
    assert len(names.agent_schedule("i" * 200, "n" * 63)) <= 63
