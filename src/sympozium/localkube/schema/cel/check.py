"""Rules of a CRD, compiled and costed when it is written: what cannot be compiled or is too dear is refused."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from sympozium.cel.environment import Environment, Program
from sympozium.cel.errors import CompileError
from sympozium.cel.estimate import estimate
from sympozium.cel.types import UNBOUNDED, Type, optional_of
from sympozium.localkube.schema import gotext
from sympozium.localkube.schema.cel.declare import REQUEST, Declared, declare
from sympozium.localkube.types import Cause

PER_RULE: Final = 10_000_000
PER_SCHEMA: Final = 100_000_000
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]")
_ADVICE = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
_CONTRIBUTED = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
_TOTAL = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
Schema = dict[str, Any]


@dataclass(slots=True)
class _Costs:
    """All rules of a schema together."""

    total: int = 0
    dear: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: str, cost: int) -> None:
        self.total = min(self.total + cost, UNBOUNDED)
        if cost >= PER_SCHEMA // 100:
            self.dear.append((cost, path))
            self.dear.sort(key=lambda one: -one[0])
            del self.dear[4:]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a schema is: how often it can occur, and the list whose items cannot be told apart."""

    often: int | None
    uncorrelated: str


def environment(declared: Type, *, optional_old: bool = False) -> Environment:
    """`self` and `oldSelf`."""
    return Environment({"self": declared, "oldSelf": optional_of(declared) if optional_old else declared})


def check_rules(schema: Schema, path: str) -> list[Cause]:
    """Causes for all rules of an openAPIV3Schema that is structural."""
    costs = _Costs()
    wrong, causes = _walk(schema, path, _Place(1, ""), costs, root=True)
    if wrong:
        return [*wrong, *causes]
    if costs.total > PER_SCHEMA:
        causes += [gotext.forbidden(place, _CONTRIBUTED) for _, place in costs.dear]
        causes.append(gotext.forbidden(path, _exceeds(_TOTAL, costs.total, PER_SCHEMA)))
    return causes


def _walk(
    schema: Schema, path: str, place: _Place, costs: _Costs, *, root: bool
) -> tuple[list[Cause], list[Cause]]:
    """(what is wrong with the form of rules here and below, what with the rules)."""
    wrong: list[Cause] = []
    causes: list[Cause] = []
    for inner, at, below in _children(schema, path, place):
        embedded = bool(inner.get("x-kubernetes-embedded-resource"))
        found = _walk(inner, at, below, costs, root=embedded)
        wrong += found[0]
        causes += found[1]
    rules = schema.get("x-kubernetes-validations") or []
    for index, rule in enumerate(rules):
        wrong += _form(rule, schema, f"{path}.x-kubernetes-validations[{index}]")
    if rules and not wrong:
        declared = declare(schema, root=root)
        if declared is None:
            why = "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations"
            return wrong, [
                *causes,
                Cause(f"{path}.x-kubernetes-validations", "InternalError", f"Internal error: {why}"),
            ]
        for index, rule in enumerate(rules):
            causes += _rule(rule, declared, f"{path}.x-kubernetes-validations[{index}]", place, costs)
    return wrong, causes


def _children(schema: Schema, path: str, place: _Place) -> list[tuple[Schema, str, _Place]]:
    found: list[tuple[Schema, str, _Place]] = []
    additional, items = schema.get("additionalProperties"), schema.get("items")
    # A property of an object is there once; a value or an item as often as its map or list allows.
    for key, inner in sorted((schema.get("properties") or {}).items()):
        found.append((inner, f"{path}.properties[{key}]", place))
    if isinstance(additional, dict):
        below = _Place(_multiplied(place.often, schema.get("maxProperties")), place.uncorrelated)
        found.append((additional, f"{path}.additionalProperties", below))
    if isinstance(items, dict):
        told = schema.get("x-kubernetes-list-type") == "map"
        uncorrelated = place.uncorrelated or ("" if told else path)
        found.append(
            (items, f"{path}.items", _Place(_multiplied(place.often, schema.get("maxItems")), uncorrelated))
        )
    return found


def _multiplied(often: int | None, most: int | None) -> int | None:
    return None if often is None or most is None else min(often * max(most, 0), UNBOUNDED)


def _form(rule: Schema, schema: Schema, at: str) -> list[Cause]:
    """What is wrong with a rule before it is compiled."""
    text, message, words = (
        rule.get("rule") or "",
        rule.get("message") or "",
        rule.get("messageExpression") or "",
    )
    causes: list[Cause] = []
    if not text.strip():
        causes.append(gotext.required(f"{at}.rule", "rule is not specified"))
    if message and not message.strip():
        causes.append(gotext.invalid(f"{at}.message", message, "must be non-empty if specified"))
    elif _broken(message.strip()):
        causes.append(gotext.invalid(f"{at}.message", message, "must not contain line breaks"))
    elif _broken(text.strip()) and not message.strip():
        causes.append(
            gotext.required(f"{at}.message", "message must be specified if rule contains line breaks")
        )
    if words and not words.strip():
        why = "messageExpression must be non-empty if specified"
        causes.append(gotext.required(f"{at}.messageExpression", why))
    if rule.get("reason") and rule["reason"] not in _REASONS:
        causes.append(gotext.unsupported(f"{at}.reason", rule["reason"], _REASONS))
    where = rule.get("fieldPath") or ""
    if where and not where.strip():
        causes.append(gotext.invalid(f"{at}.fieldPath", where, "must be non-empty if specified"))
    if _broken(where):
        causes.append(gotext.invalid(f"{at}.fieldPath", where, "must not contain line breaks"))
    if where and not _leads_somewhere(where, schema):
        causes.append(gotext.invalid(f"{at}.fieldPath", where, "must be a valid path"))
    return causes


def _broken(text: str) -> bool:
    return "\n" in text or "\r" in text


def _rule(rule: Schema, declared: Declared, at: str, place: _Place, costs: _Costs) -> list[Cause]:
    optional = bool(rule.get("optionalOldSelf"))
    known = environment(declared.type, optional_old=optional)
    causes: list[Cause] = []
    often = REQUEST // (declared.least + 1) if place.often is None else place.often
    program, why = _compiled(
        known, rule["rule"], "bool", "cel expression must evaluate to a bool", "compilation failed: "
    )
    if program is not None:
        cost = min(estimate(program.tree, root=declared.type.most)[1] * often, UNBOUNDED)
        if cost > PER_RULE:
            causes.append(gotext.forbidden(f"{at}.rule", _exceeds("estimated rule cost", cost, PER_RULE)))
        costs.add(f"{at}.rule", cost)
        causes += _message(rule, known, declared.type.most, at, costs)
    else:
        causes.append(gotext.invalid(f"{at}.rule", _whole(rule), why))
    if program is not None and "oldSelf" in program.names:
        if place.uncorrelated:
            why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
            causes.append(gotext.invalid(f"{at}.rule", rule["rule"], why))
    elif rule.get("optionalOldSelf") is not None:
        why = "may not be set if oldSelf is not used in rule"
        causes.append(gotext.invalid(f"{at}.optionalOldSelf", rule["optionalOldSelf"], why))
    return causes


def _message(rule: Schema, known: Environment, root: int | None, at: str, costs: _Costs) -> list[Cause]:
    text = rule.get("messageExpression")
    if not text:
        return []
    wrong = "messageExpression must evaluate to a string"
    program, why = _compiled(known, text, "string", wrong, "messageExpression compilation failed: ")
    if program is None:
        return [gotext.invalid(f"{at}.messageExpression", _whole(rule), why)]
    cost = estimate(program.tree, root=root)[1]
    costs.add(f"{at}.messageExpression", cost)
    if cost <= PER_RULE:
        return []
    return [
        gotext.forbidden(
            f"{at}.messageExpression", _exceeds("estimated messageExpression cost", cost, PER_RULE)
        )
    ]


def _compiled(
    known: Environment, text: str, wanted: str, wrong: str, failed: str
) -> tuple[Program | None, str]:
    try:
        program = known.compile(text)
    except CompileError as error:
        if not str(error).startswith("ERROR"):
            failed = "program instantiation failed: "
        return None, f"{failed}{error}"
    return (program, "") if program.type.kind == wanted else (None, wrong)


def _whole(rule: Schema) -> Schema:
    """The rule as the API server's own type prints it."""
    return {
        "Rule": rule.get("rule", ""),
        "Message": rule.get("message", ""),
        "MessageExpression": rule.get("messageExpression", ""),
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath", ""),
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }


def _exceeds(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:.6f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {shown} {_ADVICE}"


def field_path(text: str) -> list[str] | None:
    """The names in `.spec.foo['a.b']`; None when it is no such path."""
    names: list[str] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            return None
        names.append(match[1] or re.sub(r"\\(.)", r"\1", match[2]))
        at = match.end()
    return names or None


def _leads_somewhere(text: str, schema: Schema) -> bool:
    names = field_path(text)
    if names is None:
        return False
    for name in names:
        properties, additional = schema.get("properties"), schema.get("additionalProperties")
        found = properties.get(name) if properties else additional
        if not isinstance(found, dict):
            return False
        schema = found
    return True
