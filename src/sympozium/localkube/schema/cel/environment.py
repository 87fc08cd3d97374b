"""Compiling and evaluating one expression.

`self` is declared with its type where it is a scalar, a list or a map; an object with named fields is a
map of anything to cel-cpp, and `fields` checks its fields. An expression that may see no old value gets
`oldSelf` as an optional, bound around it.
"""

import functools
from typing import Any

from sympozium.localkube.schema.cel.library import FUNCTIONS
from sympozium.localkube.schema.node import ARRAY, BOOLEAN, INTEGER, NUMBER, STRING, Node

_SCALARS = {BOOLEAN: "bool", INTEGER: "int", NUMBER: "double", STRING: "string"}
_FORMATS = {"date-time": "timestamp", "date": "timestamp", "duration": "duration", "byte": "bytes"}
_OPTIONAL = "cel.bind(oldSelf, hasOldSelf__ ? optional.of(oldSelf__) : optional.none(), {})"


class CelError(ValueError):
    """The expression does not compile, or could not be evaluated."""


def cel_type(node: Node) -> str:
    """The CEL type of a place, as text; objects and whatever may be null are `dyn`."""
    if node.nullable:
        return "dyn"
    if node.type == STRING:
        return _FORMATS.get(node.format, "string")
    if node.type == ARRAY and node.items is not None:
        inner = cel_type(node.items)
        return f"list<{inner}>"
    if node.additional is not None and not node.properties:
        return f"map<string,{cel_type(node.additional)}>"
    return _SCALARS.get(node.type, "dyn")


@functools.cache
def _api() -> Any:
    from cel_expr_python import cel

    return cel


def _type(text: str) -> Any:
    kinds = _api().Type
    named = {
        "list": kinds.List(kinds.DYN),
        "map": kinds.Map(kinds.STRING, kinds.DYN),
        "strings": kinds.List(kinds.STRING),
        "queries": kinds.Map(kinds.STRING, kinds.List(kinds.STRING)),
    }
    if text in named:
        return named[text]
    if text.startswith("list<"):
        return kinds.List(_type(text[5:-1]))
    if text.startswith("map<"):
        return kinds.Map(kinds.STRING, _type(text[len("map<string,") : -1]))
    return getattr(kinds, text.upper())


@functools.cache
def _functions() -> list[Any]:
    cel = _api()
    overloads: dict[str, list[Any]] = {}
    for name, result, parameters, member, implementation in FUNCTIONS:
        overloads.setdefault(name, []).append(
            cel.Overload(
                f"k8s_{name}_{'_'.join(parameters)}",
                _type(result),
                [_type(parameter) for parameter in parameters],
                member,
                implementation,
            )
        )
    return [cel.FunctionDecl(name, found) for name, found in overloads.items()]


@functools.lru_cache(maxsize=64)
def environment(self_type: str) -> Any:
    """The environment for rules at places of that type."""
    from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

    cel = _api()
    of_self = _type(self_type)
    return cel.NewEnv(
        variables={
            "self": of_self,
            "oldSelf": of_self,
            "oldSelf__": cel.Type.DYN,
            "hasOldSelf__": cel.Type.BOOL,
        },
        functions=_functions(),
        extensions=[
            ext_strings.ExtStrings(),
            ext_optional.ExtOptional(),
            ext_math.ExtMath(),
            ext_bindings.ExtBindings(),
        ],
    )


def compile_expression(text: str, node: Node, *, optional_old: bool = False) -> Any:
    """The compiled expression. Raises CelError with the compiler's text."""
    source = _OPTIONAL.format(text) if optional_old else text
    try:
        return environment(cel_type(node)).compile(source)
    except (RuntimeError, ValueError) as error:
        raise CelError(_first_line(str(error))) from error


def _first_line(text: str) -> str:
    """cel-cpp's message without its status word and drawing."""
    line = text.partition("\n")[0].removesuffix("[INVALID_ARGUMENT]").strip()
    return line.removeprefix("INVALID_ARGUMENT: ")


def result_type(expression: Any) -> str:
    """`bool`, `string`, `dyn`, ..."""
    return str(expression.return_type().name())


def evaluate(expression: Any, variables: dict[str, Any]) -> Any:
    """The value. Raises CelError when evaluation gives an error."""
    try:
        result = expression.eval(data=variables)
    except (RuntimeError, ValueError) as error:
        raise CelError(_first_line(str(error))) from error
    if result.type() == _api().Type.ERROR:
        raise CelError(_first_line(str(result.value())))
    return result.value()
