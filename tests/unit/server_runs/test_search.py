"""Words that people type are words, whatever they look like."""

import string

import pytest
from hypothesis import example, given, strategies as st

from sympozium.server.runs import search
from sympozium.server.runs.query import Query
from sympozium.server.runs.search import INDEXED, Piece
from unit.server_runs.making import add, index, run

MADE = index()


def hits(words: str, **texts: str) -> list[Piece]:
    page = index(run("r1", **texts)).page(Query(words=words))  # type: ignore[arg-type]
    assert page.total == len(page.hits)
    return page.hits[0].pieces if page.hits else []


def test_all_words_are_needed_and_the_last_one_may_go_on() -> None:
    task = "find why checkout does not become ready"
    assert hits("checkout", task=task)
    assert hits("ready check", task=task)
    assert not hits("check ready", task=task)
    assert not hits("checkout payment", task=task)
    assert hits("CHÉCKOUT", task=task)


@pytest.mark.parametrize("field", search.FIELDS)
def test_each_field_is_searched_and_named(field: str) -> None:
    texts = {
        "name": "needle-x",
        "task": "a needle there",
        "result": "the needle",
        "error": "no needle",
        "instance": "needle",
    }
    made = run("needle-x" if field == "name" else "r1", **({} if field == "name" else {field: texts[field]}))
    (hit,) = index(made).page(Query(words="needle")).hits
    assert [(piece.field, piece.hit) for piece in hit.pieces] == [(field, "needle")]


def test_a_name_is_found_by_its_parts() -> None:
    made = index(run("sre-agent-x7f2b"))
    for words in ("sre-agent", "agent", "sre-agent-x7", "x7f2b"):
        assert made.page(Query(words=words)).total == 1
    assert made.page(Query(words="agent-sre")).total == 0


def test_a_hit_comes_with_the_text_around_it() -> None:
    (piece,) = hits("node", task="the node is gone")
    assert piece == Piece("task", "the ", "node", " is gone")
    (piece,) = hits("is", task="<b>this</b> is & was")
    assert piece == Piece("task", "<b>this</b> ", "is", " & was")


def test_no_text_can_pretend_to_be_a_hit() -> None:
    marks = search.Marks()
    begin = marks.columns.split("'")[1]
    assert begin not in search.Marks().columns
    assert search.Marks().pieces(["<1>a<2>", "", "", "", ""]) == []


SYNTAX = [
    '"',
    "*",
    "(",
    ")",
    "^",
    ":",
    "-",
    "+",
    "{",
    "}",
    ",",
    ".",
    " ",
    "AND",
    "OR",
    "NOT",
    "NEAR",
    "task",
    "a",
    "é",
    "\0",
    "\ud800",
    "'",
]


@given(st.lists(st.sampled_from(SYNTAX), max_size=19).map("".join) | st.text(max_size=19))
@example('"')
@example("task : a")
@example("NEAR(a b)")
def test_nothing_that_is_typed_is_syntax(words: str) -> None:
    add(MADE, run("r1", task="a task and é"), run("r2", task=words))
    page = MADE.page(Query(words=words))
    assert page.total == len(page.hits)


@given(
    st.lists(st.text(string.ascii_letters + string.digits, min_size=1, max_size=8), min_size=1, max_size=6)
)
def test_a_text_is_found_by_any_of_its_words(words: list[str]) -> None:
    made = MADE
    made.update([], [("team", "r2")])
    add(made, run("r1", instance="0", task="-- ".join(words)))
    for word in [*words, words[0][:1]]:
        assert made.page(Query(words=word)).total == 1
    assert made.page(Query(words=" ".join(reversed(words)))).total == 1


def test_without_a_word_nothing_is_searched_and_signs_alone_find_nothing() -> None:
    assert index(run("r1")).page(Query(words="  ")).total == 1
    assert index(run("r1")).page(Query(words="-- ...")).total == 0


def test_what_is_searched_has_an_end() -> None:
    text = "word " * (INDEXED // 5)
    assert hits("here", task=text[: INDEXED - 5] + " here and")
    assert not hits("beyond", task=text + " beyond")


def test_a_search_has_an_end_too() -> None:
    assert hits("a " * 90 + "a", task="a b")
    with pytest.raises(ValueError, match="11 words are too many"):
        hits(" ".join(string.ascii_lowercase[:11]), task="a")


def test_sqlite_keeps_what_a_model_wrote_by_halves() -> None:
    assert hits("half", task="half \ud800 a pair \0 and nought")


def test_a_query_that_was_refused_leaves_no_hits_behind() -> None:
    made = index(run("r1", task="look"))
    with pytest.raises(OverflowError):
        made.page(Query(words="look", sort="-cost", limit=10**30))
    assert made.page(Query(words="xyz")).total == 0
