"""Comprehensions: all(), map() and the others, as loops that look at the budget in each round."""

from collections.abc import Callable
from typing import Any

from sympozium.cel import ast, macros
from sympozium.cel.access import MISSING, rounds_of
from sympozium.cel.activation import Activation, Step
from sympozium.cel.ast import Expr
from sympozium.cel.costs import CREATE_LIST
from sympozium.cel.errors import EvaluationError, NoOverloadError
from sympozium.cel.values import key_of, unkeyed

Compile = Callable[[Expr], Step]


def loop(expr: ast.Comprehension, compile_: Compile) -> Step:
    if macros.is_bind(expr):
        return _bind(expr, compile_)
    over, init, cond = compile_(expr.over), compile_(expr.init), compile_(expr.cond)
    step, result = _step(expr.step, compile_), compile_(expr.result)
    fresh = {ast.List: list, ast.Map: dict}.get(type(expr.init))
    unconditional = isinstance(expr.cond, ast.Const)
    # What all() and exists() look for makes up for an error in another round, and ends the loop.
    deciding = isinstance(expr.init, ast.Const) and expr.init.value is False
    waiting = 3 if deciding else 2
    accu, names = expr.accu, (expr.accu, expr.var, *([expr.second] if expr.second else []))

    def run(a: Activation) -> Any:
        rounds = rounds_of(over(a), expr.var, expr.second)
        known, shadowed = a.vars, {name: a.vars[name] for name in names if name in a.vars}
        known[accu] = init(a) if fresh is None else fresh()
        failed: EvaluationError | None = None
        try:
            for bound in rounds:
                known.update(bound)
                if failed is not None:
                    a.cost += waiting
                elif not unconditional and cond(a) is False:
                    break
                try:
                    value = step(a)
                    if failed is None or value is deciding:
                        known[accu], failed = value, None
                except EvaluationError as error:
                    if unconditional:
                        raise
                    failed = error
                a.check()
            if failed is not None:
                raise failed
            return result(a)
        finally:
            for name in names:
                known.pop(name, None)
            known.update(shadowed)

    return run


def _step(expr: Expr, compile_: Compile) -> Step:
    """One round. What is gathered is added in place: nobody else has seen the list yet."""
    if isinstance(expr, ast.Call):
        if expr.name == "_?_:_" and _is_accu(expr.args[2]):
            condition, step = compile_(expr.args[0]), _step(expr.args[1], compile_)

            def maybe(a: Activation) -> Any:
                value = condition(a)
                if value is True:
                    return step(a)
                if value is False:
                    return a.vars[macros.ACCU]
                raise NoOverloadError

            return maybe
        if expr.name == "_+_" and _is_accu(expr.args[0]) and isinstance(expr.args[1], ast.List):
            return _gather(
                compile_(expr.args[1].items[0]), constant=isinstance(expr.args[1].items[0], ast.Const)
            )
        if expr.name == macros.INSERT:
            return _insert([compile_(arg) for arg in expr.args[1:]])
    return compile_(expr)


def _is_accu(expr: Expr) -> bool:
    return isinstance(expr, ast.Ident) and expr.name == macros.ACCU


def _gather(item: Step, *, constant: bool) -> Step:
    cost = 2 if constant else CREATE_LIST + 2

    def add(a: Activation) -> Any:
        gathered = a.vars[macros.ACCU]
        value = item(a)
        # A loop inside the item has had its own list under that name, and has put this one back.
        gathered.append(value)
        a.cost += cost
        return gathered

    return add


def _insert(parts: list[Step]) -> Step:
    def add(a: Activation) -> Any:
        gathered = a.vars[macros.ACCU]
        values = [part(a) for part in parts]
        pairs = list(values[0].items()) if len(values) == 1 else [(key_of(values[0]), values[1])]
        for key, value in pairs:
            if key in gathered:
                raise EvaluationError(f"insert failed: key {unkeyed(key)} already exists")
            gathered[key] = value
        a.cost += 2
        return gathered

    return add


def _bind(expr: ast.Comprehension, compile_: Compile) -> Step:
    init, result, name = compile_(expr.init), compile_(expr.result), expr.accu

    def bind(a: Activation) -> Any:
        value = init(a)
        before = a.vars.get(name, MISSING)
        a.vars[name] = value
        try:
            return result(a)
        finally:
            if before is MISSING:
                del a.vars[name]
            else:
                a.vars[name] = before

    return bind
