"""Manifests that people write, and what is said about wrong ones."""

import io
from pathlib import Path

import pytest

from sympozium.cli import output
from sympozium.cli.failures import CommandError, one_line
from sympozium.cli.manifests import read

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def test_files_directories_and_lists_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(OBJECT.replace("name: a", "name: b"))
    (tmp_path / "a.yml").write_text(OBJECT + "---\n" + OBJECT.replace("name: a", "name: a2"))
    (tmp_path / "c.json").write_text(
        '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"X","metadata":{"name":"c"}}]}'
    )
    (tmp_path / "README.md").write_text("not a manifest")
    found = read([str(tmp_path)])
    assert [m.obj["metadata"]["name"] for m in found] == ["a", "a2", "b", "c"]
    assert found[1].source == f"{tmp_path}/a.yml (document 2)"


def test_tests_beside_policies_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(OBJECT)
    (tmp_path / "a.test.yaml").write_text("tests: []")
    assert len(read([str(tmp_path)])) == 1
    assert "a.test.yaml" in capsys.readouterr().err


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(OBJECT))
    assert read(["-"])[0].source == "standard input"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no objects in"),
        ("[1]", "an object is expected, this is a list"),
        ("kind: X\nmetadata: {name: a}", "apiVersion is missing"),
        ("apiVersion: v1\nkind: X", "X: metadata.name is missing"),
        ("apiVersion: v1\nkind: X\nkind: Y", "line 3"),
        ("a: [", "line"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(CommandError, match=words.replace("(", r"\(")) as caught:
        read([str(path)])
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="/no/where: no such file"):
        read(["/no/where"])


def test_one_line_of_many() -> None:
    assert one_line("a is wrong:\n  * b\n\n  * c\n") == "a is wrong:; * b; * c"


def test_tables_hide_wide_columns_and_align() -> None:
    table = {
        "columnDefinitions": [{"name": "Name"}, {"name": "Ready"}, {"name": "Node", "priority": 1}],
        "rows": [
            {"cells": ["long-name", True, "n1"], "object": {"metadata": {"namespace": "x"}}},
            {"cells": ["b", None, "n2"], "object": {"metadata": {"namespace": "y"}}},
        ],
    }
    assert output.rows(table, wide=False, namespaces=True) == [
        ["NAMESPACE", "NAME", "READY"], ["x", "long-name", "true"], ["y", "b", "<none>"],
    ]  # fmt: skip
    assert output.rows(table, wide=True, namespaces=False)[1] == ["long-name", "true", "n1"]


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_rows([["NAME", "X"], ["longer", "1"], ["b", ""]])
    assert capsys.readouterr().out == "NAME     X\nlonger   1\nb\n"


def test_colours_only_for_a_terminal_that_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output.paint("31", "x") == "x"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.paint("31", "x") == "\033[31mx\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.paint("31", "x") == "x"


def test_objects_as_yaml_json_and_names(capsys: pytest.CaptureFixture[str]) -> None:
    obj = {"apiVersion": "g.io/v1", "kind": "Thing", "metadata": {"name": "a", "managedFields": [1]}}
    output.print_objects([obj], "name", many=False)
    output.print_objects([obj], "yaml", many=False)
    output.print_objects([obj], "json", many=True)
    shown = capsys.readouterr().out
    assert shown.startswith("thing.g.io/a\napiVersion: g.io/v1\nkind: Thing\n")
    assert '"kind": "List"' in shown
    assert "managedFields" not in shown
    with pytest.raises(CommandError, match="choose one of json, yaml, name, wide"):
        output.check_format("xml")
