"""Functions: their overloads, as the checker, the estimator and the evaluator know them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sympozium.cel.errors import NoOverloadError
from sympozium.cel.types import Type
from sympozium.cel.values import type_name

Implementation = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class Overload:
    """One signature; for a method the first parameter is the target. `strict` ones check their arguments
    themselves, for the others `accepts` is asked where the checker could not know the types.
    """

    function: str
    params: tuple[Type, ...]
    result: Type
    call: Implementation
    method: bool = False
    strict: bool = False

    @property
    def id(self) -> str:
        """Tells overloads of a function apart in the estimator: the kinds of the parameters."""
        return "_".join(
            param.name if param.kind in {"object", "opaque"} else param.kind for param in self.params
        )

    def accepts(self, args: tuple[Any, ...]) -> bool:
        return all(_fits(arg, param) for arg, param in zip(args, self.params, strict=True))


_KINDS: Final = {
    "null": "null_type",
    "bool": "bool",
    "int": "int",
    "uint": "uint",
    "double": "double",
    "string": "string",
    "bytes": "bytes",
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
    "list": "list",
    "map": "map",
    "type": "type",
}


def _fits(value: Any, param: Type) -> bool:
    if param.kind in {"dyn", "param"}:
        return True
    if param.kind == "list" and param.params[0].kind not in {"dyn", "param"}:
        # Lists of overloads such as list(int).sum() are told apart by their first item.
        return isinstance(value, list) and (not value or _fits(value[0], param.params[0]))
    return type_name(value) == _KINDS.get(param.kind, param.name)


class Functions:
    """All overloads by function name, in the order of declaration."""

    def __init__(self, overloads: Iterable[Overload] = ()) -> None:
        self._found: dict[str, list[Overload]] = {}
        for overload in overloads:
            self._found.setdefault(overload.function, []).append(overload)

    def get(self, name: str) -> list[Overload]:
        return self._found.get(name, [])

    def __contains__(self, name: str) -> bool:
        return name in self._found


def function(
    name: str, params: tuple[Type, ...], result: Type, call: Implementation, *, strict: bool = False
) -> Overload:
    return Overload(name, params, result, call, strict=strict)


def method(
    name: str, params: tuple[Type, ...], result: Type, call: Implementation, *, strict: bool = False
) -> Overload:
    return Overload(name, params, result, call, method=True, strict=strict)


def dispatch(overloads: list[Overload], name: str) -> Implementation:
    """One callable that chooses by the types of its arguments. Raises NoOverloadError when called with others."""
    calls = {overload.call for overload in overloads}
    if len(calls) == 1 and all(overload.strict for overload in overloads):
        return overloads[0].call
    choices = tuple(overloads)

    def choose(*args: Any) -> Any:
        for overload in choices:
            if len(args) == len(overload.params) and overload.accepts(args):
                return overload.call(*args)
        raise NoOverloadError(_said(name, args))

    return choose


_CONVERSIONS = frozenset({"string", "int", "uint", "double", "bytes", "bool", "timestamp", "duration"})


def _said(name: str, args: tuple[Any, ...]) -> str:
    if name in _CONVERSIONS and len(args) == 1:
        return f"no such overload: {name}({type_name(args[0])})"
    return f"no such overload: {name}" if name == "size" else "no such overload"
