from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given, strategies as st

from sympozium.policy.globs import Globs, is_glob

TEXT = st.text(alphabet="ab*?[]!-", max_size=6)
NAME = st.text(alphabet="ab[]", max_size=4)


@given(st.lists(TEXT, max_size=12), NAME)
@example(["a*a"], "a")
@example(["*a", "a*", "*a*", "a", "*", "?", "[ab]", "[a", "a]", "[]"], "a")
@example(["*]b", "[*]b", "a[!a]b", "[b", "b["], "[b")
@example(["", "*"], "")
@example(["a[b]*", "*[b]a", "a*b*", "*b*a", "a?*", "*?a"], "a")
def test_many_globs_match_as_each_of_them(globs: list[str], name: str) -> None:
    assert Globs(globs).matching(name) == [
        place for place, glob in enumerate(globs) if fnmatchcase(name, glob)
    ]


@pytest.mark.parametrize("name", ["Read_file", "read_file\n", "\nread_file", "read\x00file", "\ud800"])
def test_names_are_compared_as_they_are(name: str) -> None:
    assert Globs(["read_file", "read_*", "*_file", "read?file", "*"]).matching(name) == [
        place for place, glob in enumerate(["read_file", "read_*", "*_file", "read?file", "*"]) if fnmatchcase(name, glob)
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [("a", False), ("a*", True), ("?", True), ("[a]", True), ("a]", False)])  # fmt: skip
def test_what_is_a_glob(text: str, expected: bool) -> None:
    assert is_glob(text) is expected
