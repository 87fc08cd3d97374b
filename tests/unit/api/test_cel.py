"""The CEL rules of the schemas, evaluated by the embedded API's engine."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from sympozium.api import KINDS
from sympozium.api.crds import definition
from sympozium.cel.environment import Environment
from sympozium.cel.types import DYN


@cache
def environment() -> Environment:
    return Environment({"self": DYN, "oldSelf": DYN})


def holds(rule: str, new: dict, old: dict | None = None) -> bool:
    result, _ = environment().compile(rule).evaluate({"self": new, "oldSelf": old or {}})
    return result is True


def schema(kind: str) -> dict[str, Any]:
    return definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def rules(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    for rule in node.get("x-kubernetes-validations", ()):
        yield path + rule.get("fieldPath", ""), rule
    for name, child in node.get("properties", {}).items():
        yield from rules(child, f"{path}.{name}")
    if "items" in node:
        yield from rules(node["items"], f"{path}[]")


def rule_at(kind: str, path: str) -> str:
    return dict(rules(schema(kind)))[path]["rule"]


@pytest.mark.parametrize("kind", [k.kind for k in KINDS])
def test_every_rule_compiles_and_says_what_is_wrong(kind: str) -> None:
    for path, rule in rules(schema(kind)):
        environment().compile(rule["rule"])
        assert rule["message"], path


@pytest.mark.parametrize("field", ["instanceRef", "task", "skills", "toolPolicy", "trigger", "model"])
def test_fields_of_a_run_do_not_change_come_or_go(field: str) -> None:
    rule = rule_at("AgentRun", f".spec.{field}")
    assert holds(rule, {field: "a"}, {field: "a"})
    assert holds(rule, {}, {})
    assert not holds(rule, {field: "a"}, {field: "b"})
    assert not holds(rule, {}, {field: "b"})
    assert not holds(rule, {field: "a"}, {})


def status(phase: str | None) -> dict:
    return {"status": {"phase": phase} if phase else {}}


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [("Running", "Failed", True), (None, "Running", True), ("Failed", "Failed", True), ("Failed", "Running", False),
     ("Succeeded", "Failed", False), ("Cancelled", None, False)],
)  # fmt: skip
def test_a_terminal_phase_stands(before: str | None, after: str | None, allowed: bool) -> None:
    assert holds(rule_at("AgentRun", ".status.phase"), status(after), status(before)) is allowed


def test_a_status_cannot_be_thrown_away_either() -> None:
    assert not holds(rule_at("AgentRun", ".status.phase"), {}, status("Failed"))
    assert not holds(rule_at("ApprovalRequest", ".status.decision"), {}, {"status": {"decision": "Denied"}})


def test_a_decision_stands_and_what_is_beside_it_may_change() -> None:
    rule = rule_at("ApprovalRequest", ".status.decision")
    decided = {"decision": "Denied", "decidedBy": "bob"}
    assert holds(rule, {"status": decided}, {"status": {}})
    assert not holds(rule, {"status": {**decided, "decision": "Approved"}}, {"status": decided})
    assert not holds(rule, {"status": {**decided, "decidedBy": "eve"}}, {"status": decided})
    assert not holds(rule, {"status": {**decided, "scope": "run"}}, {"status": decided})
    assert holds(rule, {"status": {**decided, "conditions": []}}, {"status": decided})


def test_a_skill_is_one_of_two() -> None:
    rule = rule_at("SympoziumInstance", ".spec.skills[]")
    assert holds(rule, {"skillPackRef": "a"})
    assert holds(rule, {"configMapRef": "a"})
    assert not holds(rule, {})
    assert not holds(rule, {"skillPackRef": "a", "configMapRef": "b"})


def test_feature_gates_are_known() -> None:
    rule = rule_at("SympoziumPolicy", ".spec.featureGates")
    assert holds(rule, {})
    assert holds(rule, {"featureGates": {"file-access": True, "sub-agents": False}})
    assert not holds(rule, {"featureGates": {"teleport": True}})


def test_a_persona_runs_at_some_time() -> None:
    rule = rule_at("PersonaPack", ".spec.personas[].schedule")
    assert holds(rule, {"interval": "1h"})
    assert holds(rule, {"cron": "@hourly"})
    assert not holds(rule, {})
