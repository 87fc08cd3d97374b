"""`sympozium policy check` on files: each finding with its line, and an exit code for CI."""

import json
from pathlib import Path

import pytest

from sympozium.cli.main import run_app

GOOD = """\
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumPolicy
metadata: {name: good}
spec:
  toolGating:
    defaultAction: deny
    rules:
      - {tool: read_file, action: allow}
"""


def _check(tmp_path: Path, text: str, *options: str) -> int:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    return run_app(["policy", "check", str(file), *options])


def test_a_good_policy_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(tmp_path, GOOD, "--strict") == 0
    assert capsys.readouterr().out == "1 SympoziumPolicy: 0 errors, 0 warnings\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("      - {tool: read_file, action: alow}", "8: error: spec.toolGating.rules[0].action: Input should be 'allow', 'deny' or 'ask'"),
        ("      - {tool: read_file, action: allow, whn: 'true'}", "8: error: spec.toolGating.rules[0].whn: "),
        ("      - {tool: read_file, action: allow, when: args.path.startsWith(}", "8: error: spec.toolGating.rules[0].when: "),
        ("      - {tool: read_file, action: allow, when: size(args)}", "8: error: spec.toolGating.rules[0].when: "),
        ("      - {tool: read_file, action: allow}\n  featureGates: {flying: true}", "9: error: spec.featureGates"),
        ("      - {tool: read_file, action: allow}\n  sandboxPolicy: {required: true, maxCPU: lots}", "9: error: spec.sandboxPolicy.maxCPU"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    text = GOOD.replace("      - {tool: read_file, action: allow}", line)
    assert _check(tmp_path, text) == 1
    out = capsys.readouterr().out
    assert f"policy.yaml:{words}" in out
    assert "1 error" in out


def test_an_oddity_is_a_warning_and_fails_only_when_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = GOOD + "      - {tool: read_file, action: deny}\n"
    assert _check(tmp_path, text) == 0
    assert "policy.yaml:9: warning: spec.toolGating.rules[1]" in capsys.readouterr().out
    assert _check(tmp_path, text, "--strict") == 1


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(tmp_path, GOOD.replace("allow}", "alow}"), "-o", "json") == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert finding["line"] == 8
    assert finding["level"] == "error"
    assert finding["policy"] == "good"


def test_other_kinds_and_lists_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
        ("- " if i == 0 else "  ") + line + "\n" for i, line in enumerate(GOOD.splitlines())
    )
    assert _check(tmp_path, listed.replace("allow}", "alow}")) == 1
    assert "policy.yaml:11: error: spec.toolGating.rules[0].action" in capsys.readouterr().out
    other = GOOD + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
    assert _check(tmp_path, other) == 0
    assert "1 object of other kinds not looked at" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: ConfigMap\n", "no SympoziumPolicy in"),
        ("a: [\n", "not valid YAML"),
        ("- 1\n", "1: an object is expected, this is a list"),
    ],
)
def test_what_is_no_policy_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    assert _check(tmp_path, text) == 1
    assert words in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["policy", "check", "/nowhere/p.yaml"]) == 1
    assert "/nowhere/p.yaml: cannot be read" in capsys.readouterr().err
