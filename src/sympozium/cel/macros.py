"""Macros: has, all, exists, exists_one, map, filter, the forms with two variables, and those of optionals.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros, and for two variables
https://pkg.go.dev/github.com/google/cel-go/ext#TwoVarComprehensions. They become the loops that cel-go makes of
them, since that is what costs are counted on.
"""

from collections.abc import Callable
from typing import Final

from sympozium.cel import ast
from sympozium.cel.ast import Call, Comprehension, Const, Expr, Ident
from sympozium.cel.source import Source

ACCU: Final = "@result"
UNUSED: Final = "#unused"
INSERT: Final = "cel.@mapInsert"
NOT_FALSE: Final = "@not_strictly_false"


def expand(source: Source, at: int, name: str, target: Expr | None, args: list[Expr]) -> Expr:
    """The loop for a macro, else the call itself."""
    if target is None:
        if name == "has" and len(args) == 1:
            return _has(source, at, args[0])
        return Call(at, name, args)
    one = _ONE.get((name, len(args)))
    if one is not None:
        var = _simple(source, args[0])
        return Call(at, name, args, target) if var is None else one(at, target, (var,), args[1:])
    two = _TWO.get((name, len(args)))
    if two is not None:
        first, second = _simple(source, args[0]), _simple(source, args[1])
        if first is None or second is None:
            return Call(at, name, args, target)
        if first == second:
            source.error(args[1].at, f"duplicate variable name: {first}")
        return two(at, target, (first, second), args[2:])
    if name == "sortBy" and len(args) == 2:
        return _sort_by(source, at, target, args)
    if name in {"optMap", "optFlatMap"} and len(args) == 2:
        return _optional_map(source, at, name, target, args)
    return Call(at, name, args, target)


def _simple(source: Source, arg: Expr) -> str | None:
    if isinstance(arg, Ident):
        return arg.name
    source.error(arg.at, "argument must be a simple name")
    return None


def _has(source: Source, at: int, arg: Expr) -> Expr:
    if isinstance(arg, ast.Select) and not arg.test:
        return ast.Select(at, arg.operand, arg.field, test=True)
    source.error(at if not isinstance(arg, Ident | Const) else arg.at, "invalid argument to has() macro")
    return Const(at, value=False)


Make = Callable[[int, Expr, tuple[str, ...], list[Expr]], Expr]


def _loop(
    at: int,
    over: Expr,
    names: tuple[str, ...],
    *,
    init: Expr,
    step: Expr,
    cond: Expr | None = None,
    result: Expr | None = None,
) -> Expr:
    return Comprehension(
        at,
        over=over,
        var=names[0],
        second=names[1] if len(names) > 1 else "",
        accu=ACCU,
        init=init,
        cond=Const(at, value=True) if cond is None else cond,
        step=step,
        result=Ident(at, ACCU) if result is None else result,
    )


def _all(at: int, over: Expr, names: tuple[str, ...], args: list[Expr]) -> Expr:
    accu = Ident(at, ACCU)
    step = Call(at, "_&&_", [accu, args[0]])
    return _loop(
        at, over, names, init=Const(at, value=True), cond=Call(at, NOT_FALSE, [Ident(at, ACCU)]), step=step
    )


def _exists(at: int, over: Expr, names: tuple[str, ...], args: list[Expr]) -> Expr:
    cond = Call(at, NOT_FALSE, [Call(at, "!_", [Ident(at, ACCU)])])
    step = Call(at, "_||_", [Ident(at, ACCU), args[0]])
    return _loop(at, over, names, init=Const(at, value=False), cond=cond, step=step)


def _exists_one(at: int, over: Expr, names: tuple[str, ...], args: list[Expr]) -> Expr:
    step = _when(at, args[0], Call(at, "_+_", [Ident(at, ACCU), Const(at, 1)]))
    result = Call(at, "_==_", [Ident(at, ACCU), Const(at, 1)])
    return _loop(at, over, names, init=Const(at, 0), step=step, result=result)


def _when(at: int, condition: Expr, step: Expr) -> Expr:
    return Call(at, "_?_:_", [condition, step, Ident(at, ACCU)])


def _append(at: int, item: Expr) -> Expr:
    return Call(at, "_+_", [Ident(at, ACCU), ast.List(at, [item])])


def _map(at: int, over: Expr, names: tuple[str, ...], args: list[Expr]) -> Expr:
    step = _append(at, args[-1])
    if len(args) == 2:
        step = _when(at, args[0], step)
    return _loop(at, over, names, init=ast.List(at, []), step=step)


def _filter(at: int, over: Expr, names: tuple[str, ...], args: list[Expr]) -> Expr:
    step = _when(at, args[0], _append(at, Ident(at, names[0])))
    return _loop(at, over, names, init=ast.List(at, []), step=step)


def _transform_map(at: int, over: Expr, names: tuple[str, ...], args: list[Expr]) -> Expr:
    step: Expr = Call(at, INSERT, [Ident(at, ACCU), Ident(at, names[0]), args[-1]])
    if len(args) == 2:
        step = _when(at, args[0], step)
    return _loop(at, over, names, init=ast.Map(at, []), step=step)


def _transform_entry(at: int, over: Expr, names: tuple[str, ...], args: list[Expr]) -> Expr:
    step: Expr = Call(at, INSERT, [Ident(at, ACCU), args[-1]])
    if len(args) == 2:
        step = _when(at, args[0], step)
    return _loop(at, over, names, init=ast.Map(at, []), step=step)


def _optional_map(source: Source, at: int, name: str, target: Expr, args: list[Expr]) -> Expr:
    if not isinstance(args[0], Ident):
        source.error(args[0].at, f"{name}() variable name must be a simple identifier")
        return Call(at, name, args, target)
    var = args[0].name
    bound: Expr = Comprehension(
        at,
        over=ast.List(at, []),
        var=UNUSED,
        accu=var,
        init=Call(at, "value", [], target),
        cond=Const(at, value=False),
        step=Ident(at, var),
        result=args[1],
    )
    if name == "optMap":
        bound = Call(at, "optional.of", [bound])
    return Call(at, "_?_:_", [Call(at, "hasValue", [], target), bound, Call(at, "optional.none", [])])


def _sort_by(source: Source, at: int, target: Expr, args: list[Expr]) -> Expr:
    """`list.sortBy(x, key)`: the list with the keys of its items."""
    if not isinstance(args[0], Ident):
        source.error(args[0].at, "argument must be a simple name")
        return Call(at, "sortBy", args, target)
    if not isinstance(target, ast.List | Ident | ast.Select | Call | Comprehension):
        source.error(
            at, "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
        )
    keys = _map(at, target, (args[0].name,), [args[1]])
    return Call(at, "@sortByAssociatedKeys", [keys], target)


def is_bind(loop: Comprehension) -> bool:
    """Whether it only names a value: a loop over nothing."""
    return loop.var == UNUSED


_ONE: Final[dict[tuple[str, int], Make]] = {
    ("all", 2): _all,
    ("exists", 2): _exists,
    ("exists_one", 2): _exists_one,
    ("existsOne", 2): _exists_one,
    ("map", 2): _map,
    ("map", 3): _map,
    ("filter", 2): _filter,
}
_TWO: Final[dict[tuple[str, int], Make]] = {
    ("all", 3): _all,
    ("exists", 3): _exists,
    ("exists_one", 3): _exists_one,
    ("existsOne", 3): _exists_one,
    ("transformList", 3): _map,
    ("transformList", 4): _map,
    ("transformMap", 3): _transform_map,
    ("transformMap", 4): _transform_map,
    ("transformMapEntry", 3): _transform_entry,
    ("transformMapEntry", 4): _transform_entry,
}
