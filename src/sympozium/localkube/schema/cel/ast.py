"""The syntax tree of a compiled expression.

cel-expr-python shows it as a serialized `cel.expr.CheckedExpr` only; this reads the few messages of
https://github.com/google/cel-spec/blob/master/proto/cel/expr/syntax.proto that a walk over fields needs.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Expr:
    """`kind` is const, ident, select, call, list, struct or comprehension."""

    kind: str
    name: str = ""
    """Name of an identifier, field or function; type of a constant."""
    value: Any = None
    target: "Expr | None" = None
    args: list["Expr"] = field(default_factory=list)
    test_only: bool = False
    iter_var: str = ""
    accu_var: str = ""


_Message = dict[int, list[Any]]
_CONSTANTS = {1: "null", 2: "bool", 3: "int", 4: "uint", 5: "double", 6: "string", 7: "bytes"}


def parse(serialized: bytes) -> Expr:
    """The tree of `Expression.serialize()` (an Any that holds a CheckedExpr, whose field 4 is the tree)."""
    checked = _message(_message(serialized)[2][0])
    return _expr(checked[4][0])


def walk(expr: Expr) -> Iterator[Expr]:
    yield expr
    for child in (expr.target, *expr.args):
        if child is not None:
            yield from walk(child)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7


def _message(data: bytes) -> _Message:
    """Field number -> values in order: integers, doubles (wire type 1), bytes."""
    out: _Message = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 1:
            value = struct.unpack_from("<d", data, at)[0]
            at += 8
        elif wire == 2:
            length, at = _varint(data, at)
            value = data[at : at + length]
            at += length
        else:
            raise ValueError(f"wire type {wire} is not in a CheckedExpr")
        out.setdefault(number, []).append(value)
    return out


def _text(message: _Message, number: int) -> str:
    return str(message[number][0].decode()) if number in message else ""


def _child(message: _Message, number: int) -> Expr | None:
    return _expr(message[number][0]) if number in message else None


def _expr(data: bytes) -> Expr:
    message = _message(data)
    for number, make in _KINDS.items():
        if number in message:
            return make(_message(message[number][0]))
    return Expr("const", "null")


def _constant(message: _Message) -> Expr:
    for number, name in _CONSTANTS.items():
        if number in message:
            value = message[number][0]
            return Expr("const", name, value.decode() if name == "string" else value)
    return Expr("const", "null")


def _ident(message: _Message) -> Expr:
    return Expr("ident", _text(message, 1).lstrip("."))


def _select(message: _Message) -> Expr:
    return Expr(
        "select", _text(message, 2), target=_child(message, 1), test_only=bool(message.get(3, [0])[0])
    )


def _call(message: _Message) -> Expr:
    return Expr(
        "call", _text(message, 2), target=_child(message, 1), args=[_expr(arg) for arg in message.get(3, ())]
    )


def _list(message: _Message) -> Expr:
    return Expr("list", args=[_expr(item) for item in message.get(1, ())])


def _struct(message: _Message) -> Expr:
    args = []
    for entry in message.get(2, ()):
        parts = _message(entry)
        args += [_expr(parts[number][0]) for number in (3, 4) if number in parts]
    return Expr("struct", args=args)


def _comprehension(message: _Message) -> Expr:
    """`target` is the range; `args` are initial value, condition, step and result."""
    return Expr(
        "comprehension",
        target=_child(message, 2),
        iter_var=_text(message, 1),
        accu_var=_text(message, 3),
        args=[_expr(message[number][0]) for number in (4, 5, 6, 7)],
    )


_KINDS = {
    3: _constant,
    4: _ident,
    5: _select,
    6: _call,
    7: _list,
    8: _struct,
    9: _comprehension,
}
