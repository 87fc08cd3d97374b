"""The assertions of `*.test.yaml` files, judged by the policies beside them."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sympozium import catalog
from sympozium.actions.errors import ActionError
from sympozium.actions.policies import TESTS, sources
from sympozium.actions.policies.cases import Case, CaseFile, ConnectCase, RunSeen
from sympozium.actions.policies.rules import named
from sympozium.actions.policies.sources import KIND, Sourced
from sympozium.api.config import ConfigSpec
from sympozium.api.instance import SympoziumInstance
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.run import AgentRun
from sympozium.policy import Call, Effective, admit, fill, gate, network, rbac, target_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy said about one test. `problem` is empty when it was what the test expects."""

    file: str
    line: int
    test: str
    problem: str
    got: str
    rule: str
    reason: str


@dataclass(slots=True)
class Suite:
    """One file: its policies, and which of their rules decided something."""

    document: Sourced
    file: CaseFile
    policies: Mapping[str, Sourced]
    effective: Effective
    used: set[tuple[str, str]]


@dataclass(slots=True)
class Report:
    """All tests of all files."""

    outcomes: list[Outcome]
    untested: list[str]
    """`file:line: rule` of the rules that no test reaches."""

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.problem]


def run(paths: list[Path]) -> Report:
    """The tests of files, and of the test files beneath directories. Raises ActionError, also when there is no test at all."""
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise ActionError(f"no tests in {', '.join(map(str, paths))}: name them *.test.yaml")
    suites = [_suite(document) for file in files for document in sources.read([file])]
    outcomes = [judge(suite, index) for suite in suites for index in range(len(suite.file.tests))]
    return Report(outcomes, [place for suite in suites for place in untested_rules(suite)])


def judge(suite: Suite, index: int) -> Outcome:
    """One test of a suite. Raises ActionError for a test that cannot be understood."""
    case = suite.file.tests[index]
    if case.call is not None:
        got, rule, reason = _call(suite, case)
    elif case.connect is not None:
        got, rule, reason = _connect(suite, case.connect)
    elif case.admit is not None:
        got, rule, reason = _admit(suite, case, f"tests[{index}]")
    else:
        got, rule, reason = _grant(suite, case)
    problem = ""
    if got != case.expect:
        problem = f"expected {case.expect}, got {got}"
    elif case.rule is not None and case.rule not in rule:
        problem = f"expected the rule {case.rule}, decided by {rule or 'none'}"
    elif case.field is not None and case.field not in reason.split(" | ")[0].split(", "):
        problem = f"expected {case.field} to be refused, refused: {reason.split(' | ')[0] or 'nothing'}"
    line = suite.document.line(f"tests[{index}]")
    return Outcome(suite.document.file, line, case.name, problem, got, rule, reason)


def untested_rules(suite: Suite) -> list[str]:
    """`file:line: rule` of the rules of toolGating that decided no test; those of built-in policies do not count."""
    found = []
    for layer in suite.effective:
        document = suite.policies[layer.name]
        if not Path(document.file).exists() or layer.spec.tool_gating is None:
            continue
        for index, rule in enumerate(layer.spec.tool_gating.rules):
            path = f"toolGating.rules[{index}]"
            if (layer.name, path) not in suite.used:
                found.append(
                    f"{document.where(f'spec.{path}')}: {layer.name}: {path} ({rule.tool}: {rule.action})"
                )
    return found


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(f for f in path.rglob("*") if f.name.endswith(TESTS))
    if not path.exists():
        raise ActionError(f"{path}: no such file or directory")
    return [path]


def _suite(document: Sourced) -> Suite:
    file = sources.parse(CaseFile, document)
    beside = Path(document.file).parent
    read = sources.read([beside / name for name in file.policies])
    policies = {d.obj.get("metadata", {}).get("name", ""): d for d in read if d.obj.get("kind") == KIND}
    name = file.policy
    if name is None:
        if len(policies) != 1:
            raise ActionError(
                f"{document.where('')}: policy: say which one is tested: {', '.join(policies) or 'no file is named in policies'}"
            )
        name = next(iter(policies))
    for wanted, field in ((name, "policy"), (file.floor, "floor")):
        if wanted is not None and wanted not in policies:
            policies[wanted] = _built_in(document, wanted, field)
    floor = sources.parse(SympoziumPolicy, policies[file.floor]) if file.floor else None
    effective = Effective.of(sources.parse(SympoziumPolicy, policies[name]), floor=floor)
    return Suite(document, file, policies, effective, set())


def _built_in(document: Sourced, name: str, field: str) -> Sourced:
    try:
        found = catalog.document(KIND, name)
    except KeyError as exc:
        raise ActionError(
            f"{document.where(field)}: {field}: {name} is in none of the files, and {exc.args[0]}"
        ) from exc
    return Sourced(f"the built-in {name}", found, {"": 1})


def _use(suite: Suite, rule: str) -> None:
    if reference := named(rule):
        suite.used.add(reference)


def _call(suite: Suite, case: Case) -> tuple[str, str, str]:
    assert case.call is not None
    wanted = case.call
    call = Call(
        wanted.tool, wanted.target or target_of(wanted.tool), wanted.args, _run(suite.file.run, case.run)
    )
    # Each layer alone, since the strictest answer hides that another rule was reached too.
    for layer in suite.effective:
        alone = gate(call, Effective((layer,)))
        _use(suite, alone.audited.rule if alone.audited else alone.rule)
    verdict = gate(call, suite.effective, [case.tool_policy] if case.tool_policy else [])
    return verdict.action, verdict.rule, verdict.reason


def _run(file: RunSeen, case: RunSeen) -> dict[str, Any]:
    """The file's, with what the test says itself in place of it."""
    said = {name: getattr(case, name) for name in case.model_fields_set}
    return file.model_copy(update=said).model_dump(mode="json")


def _connect(suite: Suite, wanted: ConnectCase) -> tuple[str, str, str]:
    addresses = wanted.addresses
    if not addresses and network.network_of(wanted.host) is not None:
        addresses = [str(ipaddress.ip_address(wanted.host))]
    allowed = network.may_connect(suite.effective, wanted.host, wanted.port, addresses)
    return ("allow" if allowed else "deny"), "", "networkPolicy"


def _admit(suite: Suite, case: Case, path: str) -> tuple[str, str, str]:
    assert case.admit is not None
    agent: dict[str, Any] = {"model": "any", **case.instance}
    instance_json = {
        "metadata": {"name": "instance", "namespace": "default"},
        "spec": {"agents": {"default": agent}},
    }
    run_json = {
        "metadata": {"name": "run", "namespace": "default"},
        "spec": {"instanceRef": "instance", "task": "test", **case.admit},
    }
    try:
        instance = SympoziumInstance.model_validate(instance_json)
        wanted = AgentRun.model_validate(run_json)
    except ValidationError as exc:
        where, words = sources.problems(exc)[0]
        raise ActionError(f"{suite.document.where(path)}: {case.name}: {where}: {words}") from exc
    # As admission does: first what the run gets, then whether it may have it.
    filled = wanted.model_copy(update={"spec": fill(wanted, instance, ConfigSpec(), suite.effective)})
    violations = [v for v in admit(filled, instance, suite.effective, {}) if not v.audit]
    fields = ", ".join(v.field for v in violations)
    words = "; ".join(v.message for v in violations)
    rule = "; ".join(dict.fromkeys(v.rule for v in violations if v.rule))
    return ("deny" if violations else "allow"), rule, f"{fields} | {words}" if violations else ""


def _grant(suite: Suite, case: Case) -> tuple[str, str, str]:
    granted = rbac.grant(case.grant or [], suite.effective)
    return ("deny" if granted.cut else "allow"), "", "; ".join(_texts(granted.cut))


def _texts(things: Iterable[object]) -> list[str]:
    return [str(thing) for thing in things]
