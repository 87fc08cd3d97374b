"""Constants that can be seen to be wrong: patterns, times and formats that are written out."""

from sympozium.cel import ast, types
from sympozium.cel.ast import Expr
from sympozium.cel.errors import CelError, EvaluationError
from sympozium.cel.library import formatting, texts, times
from sympozium.cel.source import Source
from sympozium.cel.values import Duration


def check_literals(tree: Expr, source: Source) -> None:
    """Writes what is wrong into the source."""
    _one_type(tree, source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if node.name == "format" and node.target is not None:
            _format(node, source)
            continue
        arg = node.args[-1] if node.args else None
        if not isinstance(arg, ast.Const) or not isinstance(arg.value, str):
            continue
        try:
            if node.name == "matches":
                texts.pattern(arg.value)
            elif node.name == "timestamp":
                times.to_timestamp(arg.value)
            elif node.name == "duration":
                times.to_duration(arg.value)
        except CelError:
            source.error(arg.at, f"invalid {node.name} argument")


def _one_type(expr: Expr, source: Source) -> None:
    """Elements of a list or map have one type, except in the arguments of format()."""
    if isinstance(expr, ast.List):
        _same(expr.items, source)
    elif isinstance(expr, ast.Map):
        _same([key for key, _, _ in expr.entries], source)
        _same([value for _, value, _ in expr.entries], source)
    formats = isinstance(expr, ast.Call) and expr.name == "format"
    for child in (
        [expr.target] if formats and isinstance(expr, ast.Call) and expr.target else ast.children(expr)
    ):
        _one_type(child, source)


def _same(items: list[Expr], source: Source) -> None:
    for item in items[1:]:
        first, given = _inner(items[0].type), _inner(item.type)
        if not types.same(first, given):
            source.error(item.at, f"expected type '{first}' but found '{given}'")
            return


def _inner(kind: types.Type) -> types.Type:
    return kind.params[0] if types.is_optional(kind) else kind


_EXAMPLES = {
    "int": 1,
    "uint": 1,
    "double": 1.0,
    "string": "a",
    "bytes": b"a",
    "bool": True,
    "duration": Duration(0),
}


def _format(node: ast.Call, source: Source) -> None:
    """A constant format is tried with a value of the type of each argument."""
    template, args = node.target, node.args[0]
    if not isinstance(template, ast.Const) or not isinstance(args, ast.List):
        return
    clauses = [match for match in formatting._CLAUSE.finditer(template.value) if match[0] != "%%"]  # noqa: SLF001  # two halves of one thing
    for index, match in enumerate(clauses):
        if index >= len(args.items):
            source.error(node.at, f"index {index} out of range")
            return
        item = args.items[index]
        if item.type.kind not in _EXAMPLES and match[2] in "sdfebxXo":
            continue
        try:
            formatting.clause(match[2], match[1], _EXAMPLES.get(item.type.kind))
        except EvaluationError as error:
            source.error(item.at if match[2] in "sdfebxXo" else node.at, str(error))
            return
