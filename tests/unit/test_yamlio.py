"""YAML as Kubernetes' tools read it."""

import contextlib
import json

import pytest
from hypothesis import example, given, strategies as st

from sympozium import yamlio


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("off", False), ("true", True), ("n", "n"), ("1:30", "1:30"), ("2026-11-26", "2026-11-26"),
        ("0644", 0o644), ("0o17", 15), ("0x1F", 31), ("-12", -12), ("1_000", 1000), ("08", 8.0), ("1.5", 1.5), ("1e3", 1000.0),
        (".5", 0.5), ("~", None), ("null", None), ("'yes'", "yes"), ("10m", "10m"), ("4Gi", "4Gi"), ("1.2.3", "1.2.3"),
        ("2026-11-26T10:00:00Z", "2026-11-26T10:00:00Z"), ("+3", 3),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    (loaded,) = yamlio.load_all(f"a: {text}")
    assert loaded == {"a": value}
    assert type(loaded["a"]) is type(value)


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(yamlio.YamlError, match=r"f\.yaml:3:3.*'b'.*line 2.*line 3"):
        yamlio.load_all("a:\n  b: 1\n  b: 2\n", "f.yaml")


def test_merge_keys_do_not_count_as_twice() -> None:
    (loaded,) = yamlio.load_all("base: &b {x: 1}\nother: {<<: *b, x: 2}")
    assert loaded["other"] == {"x": 2}


def test_empty_documents_are_left_out() -> None:
    assert yamlio.load_all("---\n---\na: 1\n---\n# nothing\n") == [{"a": 1}]


@pytest.mark.parametrize(
    "text", ["a: [1, 2", "a: b: c", "\tx: 1", "a: &x", "{[1]: 2}", "a: !!python/object:os.system x", "\x00"]
)
def test_what_is_not_yaml_names_the_place(text: str) -> None:
    with pytest.raises(yamlio.YamlError, match=r"f\.yaml"):
        yamlio.load_all(text + "\n: :", "f.yaml")


def test_a_second_document_is_not_dropped() -> None:
    with pytest.raises(yamlio.YamlError, match="2 documents"):
        yamlio.load("a: 1\n---\nb: 2", "f.yaml")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
@example({"0E0": "1E3"})
def test_what_is_dumped_is_read_back(value: object) -> None:
    assert yamlio.load(yamlio.dump(value)) == json.loads(json.dumps(value))


def test_long_text_is_a_block() -> None:
    assert "|" in yamlio.dump({"text": "one\ntwo\n"})


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{name}: &{name} [{','.join([f'*{last}'] * 10)}]\n"
            for last, name in zip("abcdef", "bcdefg", strict=True)
        ),
        "a: &a [*a]",
    ],
)
def test_few_lines_are_not_billions_of_values(text: str) -> None:
    for read in (yamlio.load_all, yamlio.lines):
        with pytest.raises(yamlio.YamlError, match="aliases make this more than"):
            read(text, "f.yaml")


def test_an_alias_is_what_it_stands_for() -> None:
    assert yamlio.load("a: &a {b: 1}\nc: *a\nd: {<<: *a, e: 2}") == {
        "a": {"b": 1},
        "c": {"b": 1},
        "d": {"b": 1, "e": 2},
    }


def test_what_is_too_deep_is_read_or_refused() -> None:
    for read in (yamlio.load_all, yamlio.lines):
        for text in ("[" * 990 + "]" * 990, "{a: " * 900 + "1" + "}" * 900, "[" * 100_000):
            with contextlib.suppress(yamlio.YamlError):
                read(text, "f.yaml")


@pytest.mark.parametrize("line", ["a{}: &a{} [{}]", "a{}: &a{} {{<<: [{}]}}"], ids=["sequences", "merges"])
def test_aliases_that_stand_for_more_than_is_written_are_refused(line: str) -> None:
    bomb = ["a0: &a0 {x: 1}", *(line.format(n, n, ", ".join([f"*a{n - 1}"] * 9)) for n in range(1, 7))]
    with pytest.raises(yamlio.YamlError, match="aliases make this more than 100000 values"):
        yamlio.load_all("\n".join(bomb))


def test_a_long_text_without_aliases_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlio, "ALIASED", 1000)
    (found,) = yamlio.load_all("[" + "1," * 1010 + "]")
    assert len(found) == 1010
