"""The screen as lines, and what keys do to it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sympozium.cli.top.board import Board, board
from sympozium.cli.top.pages import (
    Pager,
    Place,
    counts,
    draw_board,
    lasting,
    short,
    table,
    table_height,
    too_small,
)
from sympozium.cli.top.text import cells

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def runs(count: int, **spec: Any) -> Board:
    found = [
        {
            "metadata": {"namespace": "n", "name": f"run-{n:03}", "uid": "u", "creationTimestamp": "2026-11-27T11:00:00Z"},
            "spec": {"instanceRef": "agent", "task": "do it", **spec},
            "status": {"phase": "Running"},
        }
        for n in range(count)
    ]  # fmt: skip
    return board(found, [], stopped=False, now=NOW)


def draw(shown: Board, place: Place, size: tuple[int, int] = (12, 120), **more: Any) -> list[str]:
    more = {"title": "top", "notice": "", "everywhere": True, **more}
    lines = draw_board(shown, place, size, now=NOW, **more)
    assert len(lines) == size[0]
    text = ["".join(part for part, _ in line) for line in lines]
    assert all(cells(line) <= size[1] for line in text)
    return text


def test_a_row_has_what_one_wants_to_know() -> None:
    text = draw(runs(2), Place())
    assert "2 Running" in text[1]
    assert text[2].split() == ["NAMESPACE", "RUN", "INSTANCE", "PHASE", "TIME", "STEPS", "TOKENS", "WHAT"]
    assert text[3].split() == ["n", "run-000", "agent", "Running", "1h00m", "0", "0", "do", "it"]
    assert "q quit" in text[-1]
    assert "agent" not in draw(runs(2), Place(), (12, 80))[3]
    assert draw(runs(2), Place(), everywhere=False)[3].startswith("run-000")


def test_the_selection_goes_with_its_run_and_stays_on_the_screen() -> None:
    place, shown = Place(), runs(100)
    height = table_height((12, 120))
    for _ in range(height + 2):
        place.move("j", shown.rows, height)
    text = draw(shown, place)
    assert place.key == ("n", f"run-{height + 2:03}")
    assert f"run-{height + 2:03}" in text[-2]
    place.move("end", shown.rows, height)
    assert "run-099" in draw(shown, place)[-2]
    place.move("down", shown.rows, height)
    assert place.key == ("n", "run-099")
    place.move("home", shown.rows, height)
    assert "run-000" in draw(shown, place)[3]
    place.move("pgdn", shown.rows, height)
    assert place.key == ("n", f"run-{height:03}")
    fewer = Board(tuple(row for row in shown.rows if row.key != place.key))
    assert place.selected(fewer.rows) == fewer.rows[0]


def test_other_keys_and_an_empty_board_do_nothing() -> None:
    place = Place()
    place.move("x", runs(3).rows, 5)
    assert place.index(runs(3).rows) == 0
    place.move("j", (), 5)
    assert place.selected(()) is None
    assert "no runs yet" in "\n".join(draw(Board(), Place()))


def test_untrusted_words_stay_in_their_cell() -> None:
    text = draw(runs(1, task="line\nbreak \x1b[2J \u202e gone"), Place(), (12, 200))
    assert "line break" in text[3]
    assert "\\u{1b}[2J" in text[3]
    assert "\\u{202e}" in text[3]


@pytest.mark.parametrize("size", [(6, 30), (7, 41), (24, 80), (50, 300)])
def test_every_size_is_filled_and_never_exceeded(size: tuple[int, int]) -> None:
    draw(runs(40), Place(), size)
    draw(runs(1), Place(), size, notice="something " * 50)
    assert len(too_small(size)) == size[0]


def test_the_installation_is_stopped_and_said_to_be() -> None:
    assert counts(Board(stopped=True, waiting=2)).startswith("STOPPED")
    assert "2 waiting for a person" in counts(Board(waiting=2))


def test_the_plain_table_has_all_rows() -> None:
    assert len(table(runs(300), NOW, everywhere=True)) == 301
    assert table(runs(1), NOW, everywhere=False)[1][0] == "run-000"


def test_a_pager_follows_until_one_scrolls_up() -> None:
    pager, size = Pager("title"), (7, 20)
    pager.lines.feed("".join(f"line {n}\n" for n in range(20)))
    shown = pager.draw(size, "")
    assert shown[5] == [("line 19", "")]
    pager.move("k", size)
    pager.lines.feed("line 20\n")
    assert pager.draw(size, "")[5] == [("line 18", "")]
    assert "2 lines below" in pager.draw((7, 60), "")[-1][0][0]
    pager.move("end", size)
    assert pager.draw(size, "")[5] == [("line 20", "")]
    pager.lines.feed("line 21\n")
    assert pager.draw(size, "")[5] == [("line 21", "")]
    pager.move("home", size)
    assert pager.draw(size, "")[1] == [("line 0", "")]


def test_a_pager_knows_whether_its_end_was_seen() -> None:
    pager, size = Pager("title", follow=False), (7, 20)
    pager.lines.feed("".join(f"line {n}\n" for n in range(9)))
    pager.draw(size, "")
    assert not pager.seen_end
    pager.move("pgdn", size)
    pager.draw(size, "")
    assert pager.seen_end


def test_numbers_are_short() -> None:
    assert [short(n) for n in (950, 12_345, 123_456, 4_500_000)] == ["950", "12.3k", "123k", "4.5M"]
    assert [lasting(n) for n in (42, 187, 7500, 273_600)] == ["42s", "3m07s", "2h05m", "3d04h"]
