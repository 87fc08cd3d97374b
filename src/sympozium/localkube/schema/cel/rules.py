"""Rules held against an object, within the budget of one request.

Only the places that have rules are walked. Rules are compiled when they are first evaluated. A rule that names
oldSelf is a transition rule: it runs on an update when the old value can be told (list items have one in map lists
alone). What was wrong before and has not changed is a warning, no refusal (ratcheting).
"""

import contextlib
from dataclasses import dataclass, field
from typing import Any

from sympozium.cel.environment import Program
from sympozium.cel.errors import CelError, CompileError, CostError, EvaluationError
from sympozium.cel.requests import BUDGET, OUT_OF_BUDGET, Budget, HeavyError, OutOfBudgetError
from sympozium.cel.values import NONE, Optional
from sympozium.localkube.schema import gotext
from sympozium.localkube.schema.cel.check import environment, field_path
from sympozium.localkube.schema.cel.declare import declare
from sympozium.localkube.schema.cel.values import Convert, converter
from sympozium.localkube.schema.equality import same
from sympozium.localkube.schema.node import Node
from sympozium.localkube.schema.validation import ABSENT, correlate, item_key
from sympozium.localkube.types import Cause

LONGEST_MESSAGE = 5 * 1024


class _SpentError(Exception):
    """Nothing more is evaluated; the cause is already among the others."""


class _Rule:
    """One rule at one place."""

    def __init__(self, raw: dict[str, Any], schema: dict[str, Any], *, root: bool) -> None:
        self._raw = raw
        self._schema = schema
        self._root = root
        self._optional = bool(raw.get("optionalOldSelf"))
        self._program: Program | None = None
        self._message: Program | None = None
        self._broken = ""
        self.transition = False

    def prepare(self) -> None:
        if self._program is not None or self._broken:
            return
        declared = declare(self._schema, root=self._root)
        assert declared is not None  # checked with the CRD
        known = environment(declared.type, optional_old=self._optional)
        try:
            self._program = known.compile(self._raw["rule"])
            self.transition = "oldSelf" in self._program.names
            if self._raw.get("messageExpression"):
                self._message = known.compile(self._raw["messageExpression"])
        except CompileError as error:
            self._broken = f"rule compile error: compilation failed: {error}"

    def check(self, value: Any, old: Any, path: str, convert: Convert | None, run: "_Run") -> None:
        """`old` may be ABSENT; then a transition rule has nothing to say unless its oldSelf is optional."""
        if self.transition and old is ABSENT and not self._optional:
            return
        if self._program is None:
            run.refuse(self._failed(path, self._broken))
            return
        variables = self._variables(value, old, convert)
        try:
            if run.budget.evaluate(self._program, variables) is True:
                return
        except CostError as error:
            why = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {self._words()}"
            run.end(self._failed(path, why))
        except OutOfBudgetError:
            run.end(self._failed(path, OUT_OF_BUDGET))
        except EvaluationError as error:
            why = f"{error} evaluating rule: {self._words()}"
            if str(error).startswith("no such overload"):
                why = f"'{error}': call arguments did not match a supported operator, function or macro signature for rule: {self._words()}"
            run.refuse(self._failed(path, why))
            return
        cause = self._cause(value, path, self._text(variables, path, run))
        if not self.transition and old is not ABSENT and same(value, old):
            run.warnings.append(f"{cause.field}: {cause.message}")
        else:
            run.refuse(cause)

    def _variables(self, value: Any, old: Any, convert: Convert | None) -> dict[str, Any]:
        variables: dict[str, Any] = {"self": convert(value) if convert else value}
        known = old is not ABSENT and old is not None
        before = (convert(old) if convert else old) if known else None
        variables["oldSelf"] = (Optional(before) if known else NONE) if self._optional else before
        return variables

    def _words(self) -> str:
        return str(self._raw.get("message") or self._raw["rule"]).strip()

    def _text(self, variables: dict[str, Any], path: str, run: "_Run") -> str:
        if self._message is not None:
            try:
                text = run.budget.evaluate(self._message, variables)
            except (CostError, OutOfBudgetError):
                why = f'no further validation rules will be run due to call cost exceeds limit for messageExpression: "{self._raw["messageExpression"]}"'
                run.end(self._failed(path, why))
            except CelError:
                text = ""  # the API server falls back to `message` too
            text = text.strip() if isinstance(text, str) else ""
            if text and "\n" not in text and len(text.encode()) <= LONGEST_MESSAGE:
                return str(text)
        message = (self._raw.get("message") or "").strip()
        return message or f"failed rule: {self._raw['rule'].strip()}"

    def _failed(self, path: str, why: str) -> Cause:
        """What could not be decided: the value that is shown is the type of the place."""
        return gotext.invalid(path or "<nil>", self._schema.get("type", ""), why)

    def _cause(self, value: Any, path: str, text: str) -> Cause:
        for name in field_path(self._raw.get("fieldPath", "")) or ():
            plain = name.isidentifier()
            path = (f"{path}.{name}" if path else name) if plain else f"{path}[{name}]"
        reason = self._raw.get("reason") or "FieldValueInvalid"
        path = path or "<nil>"
        if reason == "FieldValueRequired":
            return gotext.required(path, text)
        if reason == "FieldValueForbidden":
            return gotext.forbidden(path, text)
        whole = self._schema.get("type") in {"object", "array"}
        if reason == "FieldValueDuplicate":
            return Cause(
                path, reason, "Duplicate value" if whole else f"Duplicate value: {gotext.shown(value)}"
            )
        return Cause(path, reason, f"Invalid value: {'' if whole else gotext.shown(value) + ': '}{text}")


class _Run:
    """What one object was found to break, and what is left of its budget."""

    def __init__(self, *, quick: bool) -> None:
        self.budget = Budget(BUDGET, quick=quick)
        self.causes: list[Cause] = []
        self.warnings: list[str] = []

    def refuse(self, cause: Cause) -> None:
        self.causes.append(cause)

    def end(self, cause: Cause) -> None:
        self.causes.append(cause)
        raise _SpentError


@dataclass(slots=True)
class _Place:
    """A place with rules at it or below it."""

    node: Node
    rules: list[_Rule]
    convert: Convert | None
    fields: dict[str, "_Place"] = field(default_factory=dict)
    additional: "_Place | None" = None
    items: "_Place | None" = None


def _place(node: Node | None, above: frozenset[int] = frozenset(), *, root: bool = False) -> _Place | None:
    if node is None or id(node) in above:
        return None
    above = above | {id(node)}
    root = root or bool(node.raw.get("x-kubernetes-embedded-resource"))
    rules = [_Rule(raw, node.raw, root=root) for raw in node.raw.get("x-kubernetes-validations") or ()]
    made = _Place(node, rules, converter(node) if rules else None)
    # Built-in metadata has no rules, and is the one part that is not from the schema.
    declared = node.raw.get("properties") or {}
    for key, child in node.properties.items():
        below = _place(child, above) if key in declared else None
        if below is not None:
            made.fields[key] = below
    made.additional = _place(node.additional, above)
    made.items = _place(node.items, above)
    return made if rules or made.fields or made.additional or made.items else None


class Rules:
    """All rules of one schema. False when there are none."""

    def __init__(self, node: Node) -> None:
        self._root = _place(node, root=True)

    def __bool__(self) -> bool:
        return self._root is not None

    def evaluate(self, obj: Any, old: Any, *, quick: bool = False) -> tuple[list[Cause], list[str]]:
        """(causes, warnings) of a structurally valid object; `old` is ABSENT on create.

        `quick` raises HeavyError when it would take more than some milliseconds: do it again in a thread.
        """
        run = _Run(quick=quick)
        if self._root is not None:
            with contextlib.suppress(_SpentError):  # the last cause says so
                _evaluate(self._root, obj, old, "", run)
        return run.causes, run.warnings


def _evaluate(place: _Place, value: Any, old: Any, path: str, run: _Run) -> None:
    if value is None:
        return
    for rule in place.rules:
        rule.prepare()
        rule.check(value, old, path, place.convert, run)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for key, item in value.items():
            below = place.fields.get(key) or place.additional
            if below is not None:
                _evaluate(below, item, before.get(key, ABSENT), _joined(path, key, place), run)
    elif isinstance(value, list) and place.items is not None:
        known = correlate(old, place.node)
        for index, item in enumerate(value):
            earlier = known.get(item_key(item, place.node), ABSENT) if known else ABSENT
            _evaluate(place.items, item, earlier, f"{path}[{index}]", run)


def _joined(path: str, key: str, place: _Place) -> str:
    if key not in place.fields:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


__all__ = ["HeavyError", "Rules"]
