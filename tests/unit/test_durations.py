import pytest
from hypothesis import given, strategies as st

from sympozium import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("0", 0),
        ("90s", 90),
        ("1h1m1s", 3661),
        ("2us", 2e-6),
    ],
)
def test_go_durations_are_seconds(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "10 m", "1d", "10m ", "10m\n", "1h-3m", "10M", "ten"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="as in 10m or 1h30m"):
        durations.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5400, "1h30m"), (0, "0s"), (0.25, "250ms"), (61.5, "1m1.5s"), (3600, "1h"), (10, "10s"), (20, "20s")],
)
def test_render_is_the_shortest(seconds: float, text: str) -> None:
    assert durations.render(seconds) == text


def test_a_negative_duration_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="not negative"):
        durations.render(-1)


@given(st.integers(min_value=0, max_value=10**10))
def test_what_is_rendered_is_read_back(milliseconds: int) -> None:
    assert round(durations.parse(durations.render(milliseconds / 1000)) * 1000) == milliseconds
