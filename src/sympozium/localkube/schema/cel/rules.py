"""Rules held against an object.

Only the places that have rules are walked. Rules are compiled when they are first evaluated. A rule that
names oldSelf is a transition rule: it runs on an update when the old value can be told (list items have one in
map lists alone); the others do not run again on what did not change.
"""

from dataclasses import dataclass, field
from typing import Any

from sympozium.localkube.schema import gotext
from sympozium.localkube.schema.cel import ast, environment
from sympozium.localkube.schema.cel.check import field_path, uses_old
from sympozium.localkube.schema.cel.environment import CelError
from sympozium.localkube.schema.cel.values import Convert, converter
from sympozium.localkube.schema.equality import same
from sympozium.localkube.schema.node import Node
from sympozium.localkube.schema.validation import ABSENT, correlate, item_key
from sympozium.localkube.types import Cause


class _Rule:
    """One rule at one place."""

    def __init__(self, raw: dict[str, Any], node: Node) -> None:
        self._raw = raw
        self._node = node
        self._optional = bool(raw.get("optionalOldSelf"))
        self._expression: Any = None
        self._message: Any = None
        self.transition = False

    def prepare(self) -> None:
        if self._expression is None:
            self._expression = environment.compile_expression(
                self._raw["rule"], self._node, optional_old=self._optional
            )
            self.transition = uses_old(ast.parse(self._expression.serialize()), bound=self._optional)
            if self._raw.get("messageExpression"):
                self._message = environment.compile_expression(
                    self._raw["messageExpression"], self._node, optional_old=self._optional
                )

    def check(self, value: Any, old: Any, path: str, convert: Convert | None) -> Cause | None:
        """`old` may be ABSENT; then a transition rule has nothing to say unless its oldSelf is optional."""
        if self.transition and old is ABSENT and not self._optional:
            return None
        if not self.transition and old is not ABSENT and same(value, old):
            return None
        variables = self._variables(value, old, convert)
        try:
            passed = environment.evaluate(self._expression, variables)
        except CelError as error:
            return self._cause(value, path, f"{error} evaluating rule: {self._text(variables)}")
        return None if passed is True else self._cause(value, path, self._text(variables))

    def _variables(self, value: Any, old: Any, convert: Convert | None) -> dict[str, Any]:
        variables: dict[str, Any] = {"self": convert(value) if convert else value}
        if self.transition or self._optional:
            known = old is not ABSENT and old is not None
            before = (convert(old) if convert else old) if known else None
            if self._optional:
                variables["oldSelf__"], variables["hasOldSelf__"] = before, known
            else:
                variables["oldSelf"] = before
        return variables

    def _text(self, variables: dict[str, Any]) -> str:
        if self._message is not None:
            try:
                text = environment.evaluate(self._message, variables)
            except CelError:
                text = ""  # the API server falls back to `message` too
            if isinstance(text, str) and text.strip() and "\n" not in text:
                return text
        return str(self._raw.get("message") or f"failed rule: {self._raw['rule'].strip()}")

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
        shown = (
            "" if isinstance(value, dict | list) or self._raw.get("fieldPath") else f"{gotext.shown(value)}: "
        )
        words = "Duplicate value" if reason == "FieldValueDuplicate" else "Invalid value"
        return Cause(path, reason, f"{words}: {shown}{text}")


@dataclass(slots=True)
class _Place:
    """A place with rules at it or below it."""

    node: Node
    rules: list[_Rule]
    convert: Convert | None
    fields: dict[str, "_Place"] = field(default_factory=dict)
    additional: "_Place | None" = None
    items: "_Place | None" = None


def _place(node: Node | None, above: frozenset[int] = frozenset()) -> _Place | None:
    if node is None or id(node) in above:
        return None
    above = above | {id(node)}
    rules = [_Rule(raw, node) for raw in node.raw.get("x-kubernetes-validations") or ()]
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
        self._root = _place(node)

    def __bool__(self) -> bool:
        return self._root is not None

    def evaluate(self, obj: Any, old: Any) -> list[Cause]:
        """Causes of a structurally valid object; `old` is ABSENT on create."""
        causes: list[Cause] = []
        if self._root is not None:
            _evaluate(self._root, obj, old, "", causes)
        return causes


def _evaluate(place: _Place, value: Any, old: Any, path: str, causes: list[Cause]) -> None:
    if value is None:
        return
    for rule in place.rules:
        rule.prepare()
        cause = rule.check(value, old, path, place.convert)
        if cause is not None:
            causes.append(cause)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for key, item in value.items():
            below = place.fields.get(key) or place.additional
            if below is not None:
                _evaluate(below, item, before.get(key, ABSENT), f"{path}.{key}" if path else key, causes)
    elif isinstance(value, list) and place.items is not None:
        known = correlate(old, place.node)
        for index, item in enumerate(value):
            earlier = known.get(item_key(item, place.node), ABSENT) if known else ABSENT
            _evaluate(place.items, item, earlier, f"{path}[{index}]", causes)
