"""The text of the message that is being written, as viewers get it."""

from hypothesis import given, strategies as st

from sympozium.server.feed.text import Mark, Piece, Text


def test_nothing_is_written() -> None:
    assert Text().since(Mark()) == (None, Mark())


def test_a_viewer_gets_the_beginning_and_then_what_is_added() -> None:
    text = Text()
    text.begin()
    text.add("e1", 1, "Hel")
    piece, mark = text.since(Mark())
    assert piece == Piece(1, "Hel", fresh=True, whole=True)
    assert text.since(mark) == (None, mark)
    text.add("e1", 1, "lo ")
    text.add("e1", 1, "you")
    assert text.since(mark)[0] == Piece(1, "lo you", fresh=False, whole=True)
    assert text.since(Mark())[0] == Piece(1, "Hello you", fresh=True, whole=True)


def test_a_text_whose_beginning_nobody_saw_is_not_whole() -> None:
    text = Text()
    text.add("e1", 1, "lo")
    assert text.since(Mark())[0] == Piece(1, "lo", fresh=True, whole=False)
    text.begin()
    text.gap()
    text.add("e1", 2, "rest")
    piece, _ = text.since(Mark())
    assert piece is not None
    assert not piece.whole


def test_the_next_step_and_the_next_attempt_begin_anew() -> None:
    text = Text()
    text.add("e1", 1, "one")
    _, mark = text.since(Mark())
    text.begin()
    assert text.since(mark) == (None, mark)
    text.add("e1", 2, "two")
    piece, mark = text.since(mark)
    assert piece == Piece(2, "two", fresh=True, whole=True)
    text.add("e2", 2, "again")
    assert text.since(mark)[0] == Piece(2, "again", fresh=True, whole=False)


def test_a_text_that_grows_without_end_is_kept_from_some_place_on() -> None:
    text = Text(kept=10)
    text.begin()
    text.add("e", 1, "a" * 15)
    _, early = text.since(Mark())
    text.add("e", 1, "b" * 15)
    assert text.since(Mark())[0] == Piece(1, "b" * 10, fresh=True, whole=False)
    assert text.since(early)[0] == Piece(1, "b" * 10, fresh=True, whole=False)
    text.add("e", 1, "c")
    _, late = text.since(Mark())
    text.add("e", 1, "d")
    assert text.since(late)[0] == Piece(1, "d", fresh=False, whole=False)


PIECES = st.lists(st.text(max_size=5), max_size=30)


@given(PIECES, st.lists(st.booleans(), max_size=30), st.integers(1, 40))
def test_whoever_looks_now_and_then_ends_with_the_end_of_the_text(
    pieces: list[str], looks: list[bool], kept: int
) -> None:
    text, mark, have = Text(kept), Mark(), ""
    for index, piece in enumerate(pieces):
        text.add("e", 1, piece)
        if index < len(looks) and looks[index]:
            found, mark = text.since(mark)
            have = have if found is None else found.text if found.fresh else have + found.text
    found, mark = text.since(mark)
    have = have if found is None else found.text if found.fresh else have + found.text
    assert "".join(pieces).endswith(have)
    assert len(have) >= min(kept, len("".join(pieces)))
    assert text.since(mark)[0] is None
