"""Styled text in a terminal's cells."""

import pytest

from sympozium.cli.top.text import Lines, cells, clip, cut, fit, spans, wrap


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("short", 8, "short   "), ("too long", 5, "too …"), ("日本語", 5, "日本…"), ("日本語", 4, "日… "), ("é", 3, "é  "), ("x", 0, "")],
)  # fmt: skip
def test_fit_is_exactly_as_wide_as_asked(text: str, width: int, shown: str) -> None:
    assert fit(text, width) == shown
    assert cells(fit(text, width)) == width
    assert cells(cut(text, width)) <= width


def test_our_colours_become_styles() -> None:
    assert spans("a \x1b[31mred\x1b[0m b") == [("a ", ""), ("red", "red"), (" b", "")]


def test_wrapping_keeps_all_text_and_its_style() -> None:
    rows = wrap([("abc", ""), ("defgh", "red")], 4)
    assert rows == [[("abc", ""), ("d", "red")], [("efgh", "red")]]
    assert wrap([], 4) == [[]]
    assert wrap([("日本", "")], 3) == [[("日", "")], [("本", "")]]
    assert wrap([("日", "")], 1) == [[("日", "")]]


def test_clip_ends_at_the_edge() -> None:
    assert clip([("abc", "x"), ("def", "y")], 5) == [("abc", "x"), ("d…", "y")]


def test_text_that_grows_is_wrapped_again_when_the_screen_changes() -> None:
    lines = Lines()
    lines.feed("one\ntwo th")
    assert lines.rows(10) == [[("one", "")], [("two th", "")]]
    lines.feed("ree\n")
    assert lines.rows(10) == [[("one", "")], [("two three", "")]]
    assert lines.rows(4) == [[("one", "")], [("two ", "")], [("thre", "")], [("e", "")]]


def test_the_oldest_lines_go_and_that_is_said() -> None:
    lines = Lines()
    lines.feed("".join(f"{n}\n" for n in range(Lines.LIMIT + 7)))
    rows = lines.rows(80)
    assert rows[0][0][0] == "(7 earlier lines are not kept here)"
    assert rows[1] == [("7", "")]
    assert len(rows) == Lines.LIMIT + 1
