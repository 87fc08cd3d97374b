"""Arguments before they are judged: one reading, one spelling."""

import math

import pytest

from sympozium.tools.arguments import (
    MAX_DEPTH,
    SchemaBrokenError,
    Schemas,
    canonical,
    crooked,
    not_plain,
    size,
    too_large,
)
from sympozium.tools.digest import same, with_basis
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
        ({"a": "x\0y"}, "a NUL character, at which some programs end a text and others do not"),
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


def _numbers(count: int) -> dict:
    return {"type": "object", "properties": {f"p{n}": {"type": "integer"} for n in range(count)}}


def test_what_does_not_fit_a_schema_is_named_by_path_and_in_order() -> None:
    schema = {
        "type": "object",
        "required": ["who"],
        "properties": {"z": {"type": "integer"}, "a": {"items": {"type": "string"}}},
    }
    assert Schemas().wrong("t", schema, {"who": 1, "z": 1, "a": ["x"]}) is None
    assert Schemas().wrong("t", schema, {"z": "1", "a": ["x", 2]}) == (
        "the arguments of t do not fit its schema: arguments: 'who' is a required property; "
        "a.1: 2 is not of type 'string'; z: '1' is not of type 'integer'"
    )


@pytest.mark.parametrize(
    ("count", "shown", "more"), [(5, 5, ""), (6, 5, " (and 1 more)"), (9, 5, " (and 4 more)")]
)
def test_of_many_mistakes_five_are_said(count: int, shown: int, more: str) -> None:
    said = Schemas().wrong("t", _numbers(count), {f"p{n}": "x" for n in range(count)})
    expected = "; ".join(f"p{n}: 'x' is not of type 'integer'" for n in range(shown))
    assert said == f"the arguments of t do not fit its schema: {expected}{more}"


def test_a_long_mistake_is_cut_where_it_can_be_seen() -> None:
    words = " is not of type 'integer'"

    def mistake(length: int) -> str:
        value = "x" * (length - len(words) - 2)
        said = Schemas().wrong("t", _numbers(1), {"p0": value}) or ""
        return said.partition("p0: ")[2]

    assert mistake(200).endswith(words)
    assert mistake(201) == "'" + "x" * 174 + "'" + words[:-1] + " [...]"


def test_each_tool_is_judged_by_its_own_schema() -> None:
    schemas = Schemas()
    assert schemas.wrong("t", _numbers(1), {"p0": "x"})
    assert schemas.wrong("t", {"type": "object"}, {"p0": "x"}) is None
    assert schemas.wrong("t", _numbers(1), {"p0": "x"})


def test_a_broken_schema_says_whose_it_is() -> None:
    with pytest.raises(SchemaBrokenError, match="the schema that t came with is broken: 5 is not valid"):
        Schemas().wrong("t", {"type": 5}, {})


def test_an_approval_is_bound_to_the_call_and_to_what_was_seen() -> None:
    call = {"uid": "u", "tool": "t", "target": "x", "args": {"a": 1}, "policy": "p"}
    changes = {"uid": "v", "tool": "s", "target": "y", "args": {"a": 2}, "policy": "q"}
    calls = [same(**call), *(same(**{**call, key: value}) for key, value in changes.items())]
    assert len(set(calls)) == 6
    assert with_basis(calls[0], None) == calls[0]
    assert len({with_basis(one, basis) for one in calls for basis in ("", "b", "c")}) == 18


def test_sizes() -> None:
    assert size({"a": "é"}) == len('{"a": "é"}'.encode())
    assert size({"a": "\ud800"}) == 12
    assert too_large("t", {"a": "x"}, 10) is None
    assert too_large("t", {"a": "x"}, 9) == (
        "the arguments of t are too large: 10 bytes, the limit is 9; write less at once"
    )


def schema(**properties):
    return {"type": "object", "properties": properties, "additionalProperties": False}


TEXT = {"type": "string"}


def test_validators_are_made_once_and_belong_to_one_schema() -> None:
    schemas = Schemas()
    assert schemas.wrong("t", schema(a=TEXT), {"a": "x"}) is None
    assert schemas.wrong("t", {"additionalProperties": False, **schema(a=TEXT)}, {"a": "x"}) is None
    assert len(schemas._validators) == 1
    assert schemas.wrong("t", schema(a={"type": "integer"}), {"a": "x"}) is not None
    assert schemas.wrong("u", schema(a=TEXT), {"a": 1}) is not None
    assert len(schemas._validators) == 3


def test_dialects_and_broken_schemas() -> None:
    old = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"a": {"minimum": 1, "exclusiveMinimum": True}},
    }
    assert Schemas().wrong("t", old, {"a": 1}) is not None
    assert Schemas().wrong("t", old, {"a": 2}) is None
    assert (
        Schemas().wrong("t", {"dependentRequired": {"a": ["b"]}}, {"a": 1}) is not None
    )  # of the newest alone
    with pytest.raises(SchemaBrokenError, match="the schema that t came with is broken: 'no' is not"):
        Schemas().wrong("t", {"type": "no"}, {})
