"""Which line each field of a YAML text stands on."""

import pytest

from sympozium import yamlio

TEXT = """\
# a comment
kind: A
spec:
  rules:
    - {tool: x, action: deny}

    - tool: y
      when: |
        args.a ==
        1
---
---
kind: B
"""


def test_each_field_has_its_line() -> None:
    first, second = yamlio.lines(TEXT)
    assert first[""] == 2
    assert first["kind"] == 2
    assert first["spec"] == 3
    assert first["spec.rules"] == 4
    assert first["spec.rules[0]"] == first["spec.rules[0].tool"] == first["spec.rules[0].action"] == 5
    assert first["spec.rules[1]"] == first["spec.rules[1].tool"] == 7
    assert first["spec.rules[1].when"] == 8
    assert second == {"": 13, "kind": 13}


def test_documents_are_those_of_load_all() -> None:
    for text in ("", "---\n", "null\n---\na: 1", "a: 1\n---\n# nothing\n", "- 1\n- 2"):
        assert len(yamlio.lines(text)) == len(yamlio.load_all(text))


def test_what_an_alias_repeats_keeps_the_line_of_its_anchor() -> None:
    (found,) = yamlio.lines("a: &x\n  b: 1\nc: *x\n")
    assert (found["a.b"], found["c"], found["c.b"]) == (2, 3, 2)


def test_a_path_that_is_too_long_has_the_line_of_what_is_around_it() -> None:
    (found,) = yamlio.lines(f"a:\n  {'k' * 400}:\n    - 1\n    - 2\n")
    assert found == {"": 1, "a": 1}


def test_of_very_many_fields_the_first_have_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlio, "_MOST_LINES", 100)
    (found,) = yamlio.lines("[" + "1," * 110 + "]")
    assert len(found) == 100
