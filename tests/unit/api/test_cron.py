import pytest

from sympozium.api import cron


@pytest.mark.parametrize(
    "text", ["0 * * * *", "@hourly", "@every 30m", "*/5 9-17 * * MON-FRI", "@daily", "@every 1s"]
)
def test_schedules(text: str) -> None:
    assert cron.problem(text) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [("61 * * * *", "minute"), ("* * * *", "five fields"), ("@sometimes", "@hourly"), ("@every soon", "duration"),
     ("@every 1ms", "shortest"), ("0 0 30 2 *", ""), ("* * * * * *", "five fields")],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    problem = cron.problem(text)
    assert problem is not None
    assert named in problem


def test_zones() -> None:
    assert cron.zone_problem("Europe/Berlin") is None
    assert "Mars/Base" in str(cron.zone_problem("Mars/Base"))
    assert cron.zone_problem("../etc/passwd") is not None
