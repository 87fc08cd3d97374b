"""The nodes of an expression, after macros. `at` is the place in the text, in characters.

The checker writes `type` and `overloads` into each node.
"""

from typing import TYPE_CHECKING, Any

from sympozium.cel.types import DYN, Type

if TYPE_CHECKING:
    from sympozium.cel.declarations import Overload


class Expr:
    __slots__ = ("at", "type")

    def __init__(self, at: int) -> None:
        self.at = at
        self.type: Type = DYN


class Const(Expr):
    __slots__ = ("value",)

    def __init__(self, at: int, value: Any) -> None:
        super().__init__(at)
        self.value = value


class Ident(Expr):
    __slots__ = ("is_type", "name")

    def __init__(self, at: int, name: str) -> None:
        super().__init__(at)
        self.name = name
        self.is_type = False
        """The checker found no variable, but a type of that name."""


class Select(Expr):
    """`operand.field`; with `test` it is has(operand.field)."""

    __slots__ = ("field", "operand", "test")

    def __init__(self, at: int, operand: Expr, field: str, *, test: bool = False) -> None:
        super().__init__(at)
        self.operand = operand
        self.field = field
        self.test = test


class Call(Expr):
    """`target` is None for a function, also for a named one (`optional.of`) once it is checked."""

    __slots__ = ("args", "name", "overloads", "target")

    def __init__(self, at: int, name: str, args: list[Expr], target: Expr | None = None) -> None:
        super().__init__(at)
        self.name = name
        self.args = args
        self.target = target
        self.overloads: list[Overload] = []


class List(Expr):
    """`optional` are the places of elements that were written with a question mark."""

    __slots__ = ("items", "optional")

    def __init__(self, at: int, items: list[Expr], optional: frozenset[int] = frozenset()) -> None:
        super().__init__(at)
        self.items = items
        self.optional = optional


class Map(Expr):
    """Entries are (key, value, optional)."""

    __slots__ = ("entries",)

    def __init__(self, at: int, entries: list[tuple[Expr, Expr, bool]]) -> None:
        super().__init__(at)
        self.entries = entries


class Struct(Expr):
    """`Name{field: value}`; fields are (name, value, optional, place)."""

    __slots__ = ("fields", "name")

    def __init__(self, at: int, name: str, fields: list[tuple[str, Expr, bool, int]]) -> None:
        super().__init__(at)
        self.name = name
        self.fields = fields


class Comprehension(Expr):
    """The loop that macros become. `second` is the name of the value, "" when there is one variable."""

    __slots__ = ("accu", "cond", "init", "over", "result", "second", "step", "var")

    def __init__(
        self,
        at: int,
        *,
        over: Expr,
        var: str,
        accu: str,
        init: Expr,
        cond: Expr,
        step: Expr,
        result: Expr,
        second: str = "",
    ) -> None:
        super().__init__(at)
        self.over = over
        self.var = var
        self.second = second
        self.accu = accu
        self.init = init
        self.cond = cond
        self.step = step
        self.result = result


def children(expr: Expr) -> list[Expr]:
    """The nodes right below."""
    match expr:
        case Select():
            return [expr.operand]
        case Call():
            return [*([expr.target] if expr.target is not None else []), *expr.args]
        case List():
            return expr.items
        case Map():
            return [part for key, value, _ in expr.entries for part in (key, value)]
        case Struct():
            return [value for _, value, _, _ in expr.fields]
        case Comprehension():
            return [expr.over, expr.init, expr.cond, expr.step, expr.result]
    return []


def walk(expr: Expr) -> list[Expr]:
    """All nodes, the outer ones first."""
    found, at = [expr], 0
    while at < len(found):
        found += children(found[at])
        at += 1
    return found


def names(expr: Expr) -> set[str]:
    """Identifiers that are used, also those that loops bind."""
    return {node.name for node in walk(expr) if isinstance(node, Ident)}
