"""The descriptions of fields, read from the sources of the models.

The text under a field is its description everywhere: in the CRD (`kubectl explain`) and in the reference. It is read
with `ast` when something is generated, so that a running process pays nothing for it.
"""

import ast
import inspect
from functools import cache
from textwrap import dedent

from sympozium.api.base import Model


def of_class(model: type[Model]) -> str | None:
    """The docstring of a model itself, not that of a base class, as one paragraph."""
    return _flat(model.__doc__) if model.__doc__ else None


def of_field(model: type[Model], field: str) -> str | None:
    """The text under a field (its Python name), in the model or in the base that declares it."""
    for base in model.__mro__:
        if issubclass(base, Model) and field in inspect.get_annotations(base):
            return _fields(base).get(field)
    return None


@cache
def _fields(model: type[Model]) -> dict[str, str]:
    tree = ast.parse(dedent(inspect.getsource(model)))
    body = tree.body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[statement.target.id] = _flat(following.value.value)
    return found


def _flat(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split())
