"""The format of a script, checked when it is read: docs/rehearsal.md is its reference.

Mistakes are ScriptErrors that name the rule, the step and the key, at start and not in the
middle of somebody's run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sympozium.rehearsal.template import ScriptError

BANNER = "[rehearsal model: scripted, not intelligent]"


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a rule is for; everything given must fit."""

    model: re.Pattern[str] | None = None
    system: re.Pattern[str] | None = None
    task: re.Pattern[str] | None = None
    before: re.Pattern[str] | None = None
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """One pattern of a capture; its named groups, and `set`, become values when it is found."""

    pattern: re.Pattern[str]
    set: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capture:
    """Patterns tried in order over `of`: result (this step's), history (all so far) or task."""

    first: tuple[Alternative, ...]
    of: str = "result"


@dataclass(frozen=True, slots=True)
class Branch:
    """Where to go when all given conditions hold; one without conditions always does."""

    goto: str
    set: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    matches: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """How the endpoint misbehaves at this step, the first `times` times that it is asked for it."""

    times: int = 1
    status: int | None = None
    message: str = "scripted error"
    code: str | None = None
    retry_after: float | None = None
    break_after: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call: `arguments` (templates inside), or `raw` text that need not be JSON."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One answer of the model. Without calls it is the last one."""

    id: str
    say: str = ""
    call: tuple[Call, ...] = ()
    capture: tuple[Capture, ...] = ()
    next: tuple[Branch, ...] = ()
    fault: Fault | None = None
    delay: float = 0.0
    usage: bool = True
    finish: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    match: Match
    steps: tuple[Step, ...]

    def step(self, name: str) -> Step:
        """The step with that id; the reader has checked that it is there."""
        return next(step for step in self.steps if step.id == name)


@dataclass(frozen=True, slots=True)
class Script:
    """Rules in order, the first that fits is used. `banner` may be off in tests alone."""

    rules: tuple[Rule, ...]
    banner: bool = True
    models: tuple[str, ...] = ("rehearsal",)


def load(path: Path) -> Script:
    """Read and check a script file. ScriptError names what is wrong in it."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ScriptError(f"{path}: {error}") from error
    return parse(document, where=str(path))


def builtin() -> Script:
    """The script of `make demo`: the heartbeat of the `sre-agent`."""
    return load(Path(__file__).with_name("scripts") / "sre.yaml")


def parse(document: Any, *, where: str = "script") -> Script:
    """A script from its YAML document."""
    data = _mapping(document, where, {"rules", "banner", "models"})
    rules = tuple(
        _rule(item, f"{where}: rules[{index}]") for index, item in enumerate(_list(data, "rules", where))
    )
    models = tuple(str(name) for name in data.get("models", ["rehearsal"]))
    return Script(rules=rules, banner=bool(data.get("banner", True)), models=models)


def _rule(item: Any, where: str) -> Rule:
    data = _mapping(item, where, {"name", "match", "steps"})
    match = _mapping(data.get("match", {}), f"{where}.match", {"model", "system", "task", "before", "tools"})
    steps = tuple(
        _step(step, f"{where}.steps[{index}]", index)
        for index, step in enumerate(_list(data, "steps", where))
    )
    if not steps:
        raise ScriptError(f"{where}.steps is empty: a rule needs at least one step")
    known = {step.id for step in steps}
    if len(known) != len(steps):
        raise ScriptError(f"{where}.steps: two steps have the same id")
    for step in steps:
        for branch in step.next:
            if branch.goto not in known:
                raise ScriptError(
                    f"{where}: step {step.id!r} goes to {branch.goto!r}, which is no step of this rule"
                )
    return Rule(
        name=str(data.get("name", where)),
        match=Match(
            model=_pattern(match.get("model"), f"{where}.match.model"),
            system=_pattern(match.get("system"), f"{where}.match.system"),
            task=_pattern(match.get("task"), f"{where}.match.task"),
            before=_pattern(match.get("before"), f"{where}.match.before"),
            tools=tuple(match.get("tools", ())),
        ),
        steps=steps,
    )


def _step(item: Any, where: str, index: int) -> Step:
    data = _mapping(
        item, where, {"id", "say", "call", "capture", "next", "fault", "delay", "usage", "finish"}
    )
    return Step(
        id=str(data.get("id", f"step-{index + 1}")),
        say=str(data.get("say", "")),
        call=tuple(_call(c, f"{where}.call[{i}]") for i, c in enumerate(_list(data, "call", where))),
        capture=tuple(
            _capture(c, f"{where}.capture[{i}]") for i, c in enumerate(_list(data, "capture", where))
        ),
        next=tuple(_branch(b, f"{where}.next[{i}]") for i, b in enumerate(_list(data, "next", where))),
        fault=_fault(data["fault"], f"{where}.fault") if "fault" in data else None,
        delay=float(data.get("delay", 0.0)),
        usage=bool(data.get("usage", True)),
        finish=data.get("finish"),
    )


def _call(item: Any, where: str) -> Call:
    data = _mapping(item, where, {"tool", "arguments", "raw"})
    if "tool" not in data:
        raise ScriptError(f"{where}.tool is missing")
    return Call(tool=str(data["tool"]), arguments=dict(data.get("arguments", {})), raw=data.get("raw"))


def _capture(item: Any, where: str) -> Capture:
    data = _mapping(item, where, {"first", "of"})
    of = data.get("of", "result")
    if of not in ("result", "history", "task"):
        raise ScriptError(f"{where}.of is {of!r}; it can be result, history or task")
    alternatives = []
    for index, entry in enumerate(_list(data, "first", where)):
        place = f"{where}.first[{index}]"
        inner = _mapping({"pattern": entry} if isinstance(entry, str) else entry, place, {"pattern", "set"})
        pattern = _pattern(inner.get("pattern"), f"{place}.pattern")
        if pattern is None:
            raise ScriptError(f"{place}.pattern is missing")
        alternatives.append(Alternative(pattern, {k: str(v) for k, v in inner.get("set", {}).items()}))
    return Capture(first=tuple(alternatives), of=of)


def _branch(item: Any, where: str) -> Branch:
    data = _mapping(item, where, {"goto", "set", "unset", "matches"})
    if "goto" not in data:
        raise ScriptError(f"{where}.goto is missing")
    return Branch(
        goto=str(data["goto"]),
        set=_names(data.get("set")),
        unset=_names(data.get("unset")),
        matches=_pattern(data.get("matches"), f"{where}.matches"),
    )


def _fault(item: Any, where: str) -> Fault:
    data = _mapping(item, where, {"times", "status", "message", "code", "retryAfter", "breakAfter"})
    return Fault(
        times=int(data.get("times", 1)),
        status=data.get("status"),
        message=str(data.get("message", "scripted error")),
        code=data.get("code"),
        retry_after=data.get("retryAfter"),
        break_after=data.get("breakAfter"),
    )


def _names(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _pattern(value: Any, where: str) -> re.Pattern[str] | None:
    if value is None:
        return None
    try:
        return re.compile(str(value), re.MULTILINE)
    except re.error as error:
        raise ScriptError(f"{where}: {value!r} is no regular expression: {error}") from error


def _mapping(value: Any, where: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ScriptError(f"{where} must be a mapping with {', '.join(sorted(known))}")
    if unknown := set(value) - known:
        raise ScriptError(
            f"{where} has the unknown key {min(unknown)!r}; there are {', '.join(sorted(known))}"
        )
    return value


def _list(data: dict[str, Any], key: str, where: str) -> list[Any]:
    value = data.get(key, [])
    if not isinstance(value, list):
        raise ScriptError(f"{where}.{key} must be a list")
    return value
