"""`sympozium policy test`: assertions that pass, fail, and cannot be understood."""

import json
from pathlib import Path

import pytest

from sympozium.cli.main import run_app

POLICY = """\
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumPolicy
metadata: {name: careful}
spec:
  toolGating:
    defaultAction: deny
    rules:
      - {tool: read_file, action: allow}
      - {tool: execute_command, action: deny, when: 'args.command.contains("rm ")'}
      - {tool: execute_command, action: ask}
  sandboxPolicy: {required: true, maxMemory: 1Gi}
  networkPolicy: {denyAll: true, allowedEgress: [{host: api.github.com, port: 443}]}
  modelPolicy: {allowedModels: ["qwen*", any]}
"""
CASES = """\
policies: [careful.yaml]
run: {instance: helper}
tests:
  - name: a look is free
    call: {tool: read_file}
    expect: allow
    rule: toolGating.rules[0]
  - name: a command is asked about
    call: {tool: execute_command, args: {command: ls}}
    expect: ask
  - name: removing is not
    call: {tool: execute_command, args: {command: rm x}}
    expect: deny
    rule: rules[1]
  - name: github is open
    connect: {host: api.github.com, port: 443, addresses: [140.82.112.3]}
    expect: allow
  - name: and nothing else
    connect: {host: 10.0.0.1, port: 443}
    expect: deny
  - name: too much memory
    admit: {sandbox: {enabled: true, resources: {limits: {memory: 64Gi}}}}
    expect: deny
    field: spec.sandbox.resources.limits.memory
  - name: the sandbox is supplied
    admit: {}
    expect: allow
  - name: another model
    admit: {}
    instance: {model: gpt-9}
    expect: deny
    field: spec.model.model
  - name: no secrets
    grant: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
    expect: deny
  - name: pods may be read
    grant: [{apiGroups: [""], resources: [pods], verbs: [get]}]
    expect: allow
"""


def _test(tmp_path: Path, cases: str, *options: str) -> int:
    (tmp_path / "careful.yaml").write_text(POLICY)
    (tmp_path / "careful.test.yaml").write_text(cases)
    return run_app(["policy", "test", str(tmp_path), *options])


def test_all_kinds_of_assertions_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _test(tmp_path, CASES) == 0
    assert "10 tests, 0 failed, 0 rules that no test reaches" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("expect: ask", "expect: allow", "expected allow, got ask"),
        ("rule: rules[1]", "rule: rules[2]", "expected the rule rules[2], decided by careful: toolGating.rules[1]"),
        ("field: spec.model.model", "field: spec.task", "expected spec.task to be refused, refused: spec.model.model"),
        ("[secrets], verbs: [get]}]\n    expect: deny", "[secrets], verbs: [get]}]\n    expect: allow", "expected allow, got deny"),
        ("[140.82.112.3]}\n    expect: allow", "[140.82.112.3]}\n    expect: deny", "expected deny, got allow"),
    ],
)  # fmt: skip
def test_a_wrong_expectation_fails_with_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    assert old in CASES
    assert _test(tmp_path, CASES.replace(old, new, 1)) == 1
    out = capsys.readouterr().out
    assert words in out
    assert "careful.test.yaml:" in out
    assert "10 tests, 1 failed" in out


def test_rules_that_no_test_reaches_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = CASES[: CASES.index("  - name: removing")]
    assert _test(tmp_path, cases) == 0
    out = capsys.readouterr().out
    assert "careful.yaml:9: careful: toolGating.rules[1] (execute_command: deny)" in out
    assert "2 tests, 0 failed, 1 rules that no test reaches" in out


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _test(tmp_path, CASES, "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [test["got"] for test in found["tests"]][:3] == ["allow", "ask", "deny"]
    assert found["untestedRules"] == []


def test_built_in_policies_are_known_and_not_covered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = "policy: restrictive-policy\ntests:\n- {name: n, call: {tool: write_file}, expect: deny}\n"
    assert _test(tmp_path, cases) == 0
    assert "1 tests, 0 failed, 0 rules" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ("tests: []\n", "tests: "),
        ("tests:\n- {name: n, expect: deny}\n", "a test is about one of call, connect, admit and grant"),
        ("tests:\n- {name: n, call: {tool: x}, connect: {host: a, port: 1}, expect: deny}\n", "this one has call, connect"),
        ("tests:\n- {name: n, connect: {host: a, port: 1}, expect: ask}\n", "only a call can be asked about"),
        ("tests:\n- {name: n, call: {tool: x}, expect: deny}\n", "policy: say which one is tested"),
        ("policy: nope\ntests:\n- {name: n, call: {tool: x}, expect: deny}\n", "nope is in none of the files"),
        ("policies: [careful.yaml]\ntests:\n- {name: n, admit: {taks: x}, expect: deny}\n", "spec.taks"),
        ("policies: [gone.yaml]\ntests:\n- {name: n, call: {tool: x}, expect: deny}\n", "cannot be read"),
    ],
)  # fmt: skip
def test_a_test_that_cannot_be_understood_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cases: str, words: str
) -> None:
    assert _test(tmp_path, cases) == 1
    said = capsys.readouterr().err
    assert words in said
    assert "careful.test.yaml:" in said or "gone.yaml" in said


def test_no_test_at_all_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["policy", "test", str(tmp_path)]) == 1
    assert "name them *.test.yaml" in capsys.readouterr().err


def test_when_sees_every_key_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "careful.yaml").write_text(
        POLICY.replace("action: ask}", "action: ask, when: run.trigger.kind == 'Manual' || run.depth > 1}")
    )
    run = "run: {instance: helper, trigger: {kind: Manual}}"
    cases = CASES.replace("run: {instance: helper}", run)
    (tmp_path / "a.test.yaml").write_text(cases)
    run_app(["policy", "test", str(tmp_path)])
    assert "pass  a command is asked about" in capsys.readouterr().out
    (tmp_path / "a.test.yaml").write_text(CASES)
    run_app(["policy", "test", str(tmp_path)])
    assert "no such key" not in capsys.readouterr().out
    (tmp_path / "a.test.yaml").write_text(cases.replace("trigger:", "triger:"))
    assert run_app(["policy", "test", str(tmp_path)]) == 1
    assert "run.triger: there is no such field" in capsys.readouterr().err
