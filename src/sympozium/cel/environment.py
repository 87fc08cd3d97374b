"""Compiling: text -> `Program`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sympozium.cel import ast, program
from sympozium.cel.activation import PER_CALL, SECONDS
from sympozium.cel.checker import Checker
from sympozium.cel.declarations import Functions
from sympozium.cel.errors import CompileError
from sympozium.cel.literals import check_literals
from sympozium.cel.parser import parse
from sympozium.cel.source import Source
from sympozium.cel.types import Type


@cache
def kubernetes_functions() -> Functions:
    """All functions, loaded when the first expression is compiled."""
    from sympozium.cel.library import (
        authorization,
        collections,
        conversions,
        formats,
        formatting,
        networks,
        operators,
        optionals,
        quantities,
        semver,
        texts,
        times,
        urls,
    )

    parts = (
        operators, conversions, optionals, times, texts, formatting, collections, quantities, networks, urls,
        semver, formats, authorization,
    )  # fmt: skip
    return Functions([*(overload for part in parts for overload in part.OVERLOADS), *texts.JSON_PATCH])


class Program:
    """A compiled expression: `type` of its result, `tree`, the `names` that it uses."""

    __slots__ = ("_step", "names", "text", "tree", "type")

    def __init__(self, text: str, tree: ast.Expr, kind: Type) -> None:
        self.text = text
        self.tree = tree
        self.type = kind
        self.names = ast.names(tree)
        self._step = program.compile_tree(tree)

    def evaluate(
        self, variables: Mapping[str, Any], limit: int = PER_CALL, seconds: float = SECONDS
    ) -> tuple[Any, int]:
        """(value, cost). Raises EvaluationError, and CostError when it would cost more than `limit`."""
        return program.run(self._step, variables, limit, seconds)


class Environment:
    """Variables with their types; `structs` are the names that may be constructed."""

    def __init__(self, variables: Mapping[str, Type], structs: Mapping[str, Type] | None = None) -> None:
        self.variables = dict(variables)
        self.structs = dict(structs or {})

    def compile(self, text: str) -> Program:
        """Raises CompileError with all that is wrong."""
        source = Source(text)
        try:
            tree = parse(source)
            kind = Checker(source, self.variables, kubernetes_functions(), self.structs).check(tree)
            source.check()
            check_literals(tree, source)
            source.check()
            return Program(text, tree, kind)
        except RecursionError:
            raise CompileError("ERROR: <input>:-1:0: max recursion depth exceeded") from None
