"""Arguments before they are judged: one reading, one spelling."""

import math

import pytest

from sympozium.tools.arguments import MAX_DEPTH, canonical, crooked, not_plain
from sympozium.tools.judge import came


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("a", "a"),
        ("./a", "a"),
        ("a//b/./c/", "a/b/c"),
        ("/workspace/a", "a"),
        ("//workspace//a", "a"),
        ("/workspace", "."),
        ("/workspacex/a", "/workspacex/a"),
        ("/etc//passwd", "/etc/passwd"),
        ("/", "/"),
        (".", "."),
        ("./", "."),
        ("A/b ", "A/b "),
    ],
)
def test_a_path_has_one_spelling(given: str, spelled: str) -> None:
    assert canonical({"path": given, "content": "./a"}) == {"path": spelled, "content": "./a"}
    assert canonical({"workdir": given}) == {"workdir": spelled}


def test_what_is_no_path_is_left_alone() -> None:
    assert canonical({"path": ["./a"], "workdir": ""}) == {"path": ["./a"], "workdir": ""}


@pytest.mark.parametrize("path", ["..", "a/../b", "../a", "/workspace/../etc"])
def test_dots_are_refused(path: str) -> None:
    assert "without '..'" in (crooked(canonical({"path": path})) or "")
    assert "workdir" in (crooked({"workdir": path}) or "")


@pytest.mark.parametrize("path", ["a..b", "...", "a/..b", "a"])
def test_other_dots_are_not(path: str) -> None:
    assert crooked({"path": path}) is None
    assert crooked({"path": [".."], "command": ".."}) is None


def _nested(levels: int):
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": math.nan}, "nan is no JSON value"),
        ({"a": [math.inf]}, "inf is no JSON value"),
        ({"a": "x\0y"}, "NUL"),
        ({"x\0": 1}, "NUL"),
        ({"a": "\ud800"}, "surrogate"),
        (_nested(MAX_DEPTH + 1), "nested deeper than 64 levels"),
    ],
)
def test_what_is_read_in_two_ways_is_not_plain(value, says: str) -> None:
    assert says in (not_plain(value) or "")


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, "é\n"]}, _nested(MAX_DEPTH), 10**400])
def test_plain(value) -> None:
    assert not_plain(value) is None


def test_a_call_is_what_it_is_whatever_its_spelling() -> None:
    plain = came("1", "read_file", {"path": "a"})
    assert came("1", "read_file", {"path": "./a"}) == plain
    assert came("1", "read_file", {"path": "b"}).what != plain.what
    assert came("1", "some_tool", {"path": "./a"}).arguments == {"path": "./a"}


def test_what_is_not_plain_is_malformed_and_has_no_arguments() -> None:
    bad = came("1", "read_file\ud800", {"path": "a"})
    assert (bad.tool, bad.arguments) == ("read_file?", {})
    assert "surrogate" in (bad.malformed or "")
    assert "NUL" in (came("1", "read_file", {"path": "\0"}).malformed or "")
    assert came("1", "read_file", {"path": "a"}, "x" * 5000).malformed == "x" * 1000


@pytest.mark.parametrize("call", ["", "a b", "x" * 129, "-a", "a\nb", "é"])
def test_an_id_of_somebody_elses_making_is_replaced_and_refused(call: str) -> None:
    made = came(call, "read_file", {"path": "a"})
    assert made.id.startswith("t-")
    assert "the id of the call" in (made.malformed or "")
    assert came("3-0a1b2c3d", "read_file", {}).malformed is None
    assert came("x" * 128, "read_file", {}).malformed is None
