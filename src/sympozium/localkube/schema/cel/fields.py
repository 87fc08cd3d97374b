"""Types of the fields that an expression names, checked against the schema.

To cel-cpp an object is a map of anything, so this finds fields that do not exist and operators between
scalars that can never work. What it cannot follow has no type, and is not complained about.
"""

from sympozium.localkube.schema.cel.ast import Expr
from sympozium.localkube.schema.cel.values import unescaped
from sympozium.localkube.schema.node import ARRAY, BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, Node

_SCALARS = {BOOLEAN: "bool", INTEGER: "int", NUMBER: "double", STRING: "string"}
_TIMES = {"date-time": "timestamp", "date": "timestamp", "duration": "duration", "byte": "bytes"}
_COMPARED = {"_<_", "_<=_", "_>_", "_>=_"}
_EQUAL = {"_==_", "_!=_"}
_NUMBERS = {"int", "uint", "double"}
_SIGNS = {name: name.strip("_") for name in (*_COMPARED, *_EQUAL)}


class Optional:
    """A value that may not be there."""

    def __init__(self, node: Node) -> None:
        self.node = node


Type = Node | Optional | str | None
"""A place in the schema, an optional of one, the name of a scalar type, or unknown."""


def check_fields(expr: Expr, self_node: Node, *, optional_old: bool) -> list[str]:
    """What is wrong, as a compiler says it; empty when nothing is."""
    checker = _Checker()
    old: Type = Optional(self_node) if optional_old else self_node
    checker.infer(expr, {"self": self_node, "oldSelf": old})
    return checker.errors


class _Checker:
    def __init__(self) -> None:
        self.errors: list[str] = []

    def infer(self, expr: Expr, names: dict[str, Type]) -> Type:
        if expr.kind == "const":
            return expr.name
        if expr.kind == "ident":
            return names.get(expr.name)
        if expr.kind == "select":
            assert expr.target is not None
            found = self._field(self.infer(expr.target, names), expr.name)
            return "bool" if expr.test_only else found
        if expr.kind == "call":
            return self._call(expr, names)
        if expr.kind == "comprehension":
            return self._comprehension(expr, names)
        for arg in expr.args:
            self.infer(arg, names)
        return None

    def _field(self, operand: Type, name: str) -> Type:
        if isinstance(operand, Optional):
            inner = self._field(operand.node, name)
            return Optional(inner) if isinstance(inner, Node) else None
        if not isinstance(operand, Node):
            return None
        if operand.properties:
            child = operand.properties.get(unescaped(name)) or operand.additional
            if child is None:
                self.errors.append(f"undefined field '{name}'")
            return child
        if operand.additional is not None:
            return operand.additional
        if operand.type == OBJECT:
            self.errors.append(f"undefined field '{name}'")
        elif operand.type in _SCALARS or operand.type == ARRAY:
            self.errors.append(
                f"type '{_SCALARS.get(operand.type, 'list')}' does not support field selection"
            )
        return None

    def _call(self, expr: Expr, names: dict[str, Type]) -> Type:
        target = None if expr.target is None else self.infer(expr.target, names)
        args = [self.infer(arg, names) for arg in expr.args]
        if expr.name == "_[_]" and isinstance(args[0], Node):
            return args[0].items if args[0].type == ARRAY else args[0].additional
        if expr.name == "_?._" and isinstance(args[0], Node | Optional):
            found = self._field(args[0], str(expr.args[1].value))
            return Optional(found) if isinstance(found, Node) else None
        if isinstance(target, Optional) and expr.name in {"value", "orValue"}:
            return target.node
        if expr.name in _SIGNS:
            self._operator(expr.name, args)
            return "bool"
        return None

    def _operator(self, name: str, args: list[Type]) -> None:
        kinds = [self._scalar(arg) for arg in args]
        first, second = kinds
        if first is None or second is None or "null" in kinds or first == second:
            return
        if first in _NUMBERS and second in _NUMBERS:
            return
        self.errors.append(
            f"found no matching overload for '_{_SIGNS[name]}_' applied to '({first}, {second})'"
        )

    @staticmethod
    def _scalar(found: Type) -> str | None:
        if isinstance(found, Node):
            if found.type == STRING and found.format in _TIMES:
                return None
            return None if found.nullable else _SCALARS.get(found.type)
        return found if isinstance(found, str) else None

    def _comprehension(self, expr: Expr, names: dict[str, Type]) -> Type:
        assert expr.target is not None
        over = self.infer(expr.target, names)
        inner = dict(names)
        if isinstance(over, Node):
            inner[expr.iter_var] = over.items if over.type == ARRAY else "string"
        else:
            inner[expr.iter_var] = None
        initial, condition, step, result = expr.args
        # `cel.bind` is a loop over nothing whose accumulator is the bound name.
        is_bind = expr.target.kind == "list" and not expr.target.args
        inner[expr.accu_var] = self.infer(initial, names) if is_bind else None
        if is_bind and expr.accu_var == "oldSelf":
            inner["oldSelf"] = names["oldSelf"]
        self.infer(condition, inner)
        self.infer(step, inner)
        return self.infer(result, inner)


def times_in_objects(expr: Expr, self_node: Node) -> list[str]:
    """Fields with a format that CEL has a type for, used as that type.

    Inside objects they are strings to cel-cpp: `timestamp(self.when)` works, `self.when > timestamp(...)` does
    not, so the rule is refused with what to write.
    """
    finder = _Times()
    finder.infer(expr, {"self": self_node, "oldSelf": self_node})
    return finder.errors


class _Times(_Checker):
    def _operator(self, name: str, args: list[Type]) -> None:
        places = [
            arg for arg in args if isinstance(arg, Node) and arg.type == STRING and arg.format in _TIMES
        ]
        if len(places) == 1 and name in _COMPARED | _EQUAL and None in args:
            kind = _TIMES[places[0].format]
            self.errors.append(
                f"a field of format {places[0].format} inside an object is a string here: write {kind}(...) around it"
            )

    def _field(self, operand: Type, name: str) -> Type:
        before = len(self.errors)
        found = super()._field(operand, name)
        del self.errors[before:]
        return found
