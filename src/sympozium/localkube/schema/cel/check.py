"""Rules of a CRD, compiled when it is created: what cannot be compiled is refused with the reason."""

import re
from typing import Any

from sympozium.localkube.schema import gotext
from sympozium.localkube.schema.cel import ast, environment, fields
from sympozium.localkube.schema.cel.environment import CelError
from sympozium.localkube.schema.node import Node
from sympozium.localkube.types import Cause

REASONS = ("FieldValueRequired", "FieldValueInvalid", "FieldValueForbidden", "FieldValueDuplicate")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\['((?:[^'\\]|\\.)*)'\]")


def check_rules(node: Node, schema: dict[str, Any], path: str) -> list[Cause]:
    """Causes for the rules at this place of a schema and below it."""
    causes: list[Cause] = []
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        causes += _rule(rule, node, f"{path}.x-kubernetes-validations[{index}]")
    for key, inner in (schema.get("properties") or {}).items():
        child = node.properties.get(key)
        if child is not None:
            causes += check_rules(child, inner, f"{path}.properties[{key}]")
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict) and node.additional is not None:
        causes += check_rules(node.additional, additional, f"{path}.additionalProperties")
    if isinstance(schema.get("items"), dict) and node.items is not None:
        causes += check_rules(node.items, schema["items"], f"{path}.items")
    return causes


def _rule(rule: dict[str, Any], node: Node, at: str) -> list[Cause]:
    text = rule.get("rule", "")
    if not text.strip():
        return [gotext.required(f"{at}.rule", "rule is not specified")]
    causes: list[Cause] = []
    optional_old = bool(rule.get("optionalOldSelf"))
    tree = _compiled(text, node, f"{at}.rule", "bool", causes, optional_old=optional_old)
    if optional_old and tree is not None and not uses_old(tree, bound=True):
        why = "may not be set if oldSelf is not used in rule"
        causes.append(gotext.invalid(f"{at}.optionalOldSelf", True, why))
    if rule.get("messageExpression"):
        _compiled(
            rule["messageExpression"],
            node,
            f"{at}.messageExpression",
            "string",
            causes,
            optional_old=optional_old,
        )
    message = rule.get("message", "")
    if "\n" in message:
        causes.append(gotext.invalid(f"{at}.message", message, "message must not contain line breaks"))
    if rule.get("reason") and rule["reason"] not in REASONS:
        causes.append(gotext.unsupported(f"{at}.reason", rule["reason"], REASONS))
    if rule.get("fieldPath") and not _leads_somewhere(rule["fieldPath"], node):
        why = "fieldPath must be a valid path: does not refer to a valid field"
        causes.append(gotext.invalid(f"{at}.fieldPath", rule["fieldPath"], why))
    return causes


def _compiled(
    text: str, node: Node, at: str, wanted: str, causes: list[Cause], *, optional_old: bool
) -> ast.Expr | None:
    """The tree of an expression that compiles and names fields that exist."""
    try:
        expression = environment.compile_expression(text, node, optional_old=optional_old)
    except CelError as error:
        causes.append(gotext.invalid(at, text, f"compilation failed: {error}"))
        return None
    tree = ast.parse(expression.serialize())
    wrong = fields.check_fields(tree, node, optional_old=optional_old)
    wrong += fields.times_in_objects(tree, node)
    causes += [gotext.invalid(at, text, f"compilation failed: {why}") for why in dict.fromkeys(wrong)]
    result = environment.result_type(expression).lower()
    if result not in {wanted, "dyn"}:
        causes.append(gotext.invalid(at, text, f"cel expression must evaluate to a {wanted}"))
    return tree


def uses_old(tree: ast.Expr, *, bound: bool = False) -> bool:
    """Whether an expression names oldSelf; `bound` for one that has it bound around it."""
    if bound:
        # The text itself is the result of the outermost loop that cel.bind makes.
        tree = tree.args[3]
    return any(expr.kind == "ident" and expr.name == "oldSelf" for expr in ast.walk(tree))


def field_path(text: str) -> list[str] | None:
    """The names in `.spec.foo['a.b']`; None when it is no such path."""
    names: list[str] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            return None
        names.append(match[1] or match[2])
        at = match.end()
    return names or None


def _leads_somewhere(text: str, node: Node) -> bool:
    names = field_path(text)
    if names is None:
        return False
    place: Node | None = node
    for name in names:
        place = None if place is None else place.child(name)
    return place is not None
