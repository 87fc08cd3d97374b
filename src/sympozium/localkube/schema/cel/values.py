"""JSON as CEL sees it: numbers of `number` fields are doubles, names that CEL cannot say are escaped.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-expression
Most schemas need no conversion; for those a value is passed as it is.
"""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from sympozium.localkube.schema.node import ARRAY, NUMBER, STRING, Node

Convert = Callable[[Any], Any]
_KEYWORDS = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_PARTS = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def escaped(name: str) -> str:
    """The name of a field in an expression."""
    if name in _KEYWORDS:
        return f"__{name}__"
    for plain, word in _PARTS:
        name = name.replace(plain, word)
    return name


def unescaped(name: str) -> str:
    if name.startswith("__") and name.endswith("__") and name[2:-2] in _KEYWORDS:
        return name[2:-2]
    for plain, word in reversed(_PARTS):
        name = name.replace(word, plain)
    return name


def converter(node: Node) -> Convert | None:
    """The conversion of values at a place as `self`; None where there is nothing to convert."""
    if node.type == STRING and not node.nullable:
        return {"date-time": _timestamp, "date": _date, "duration": _duration, "byte": _bytes}.get(
            node.format
        )
    return _inner(node, set())


def _inner(node: Node, above: set[int]) -> Convert | None:
    if id(node) in above:
        return None
    above = above | {id(node)}
    if node.type == NUMBER:
        return lambda value: float(value) if isinstance(value, int) else value
    if node.type == ARRAY and node.items is not None:
        timed = converter(node.items) if node.items.type == STRING and not node.nullable else None
        item = timed or _inner(node.items, above)
        return (
            None
            if item is None
            else lambda value: [item(v) for v in value] if isinstance(value, list) else value
        )
    if node.properties:
        return _fields(node, above)
    if node.additional is not None:
        of_value = _inner(node.additional, above)
        if of_value is not None:
            return lambda value: (
                {k: of_value(v) for k, v in value.items()} if isinstance(value, dict) else value
            )
    return None


def _fields(node: Node, above: set[int]) -> Convert | None:
    inner = {key: _inner(child, above) for key, child in node.properties.items()}
    names = {key: escaped(key) for key in node.properties}
    if all(key == name for key, name in names.items()) and not any(inner.values()):
        return None

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        out = {}
        for key, item in value.items():
            change = inner.get(key)
            out[names.get(key, key)] = item if change is None else change(item)
        return out

    return convert


def _timestamp(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.replace("z", "Z").replace("t", "T"))


def _date(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def _duration(text: str) -> dt.timedelta:
    seconds = sum(
        float(number) * _SECONDS[unit] for number, unit in re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", text)
    )
    return dt.timedelta(seconds=-seconds if text.startswith("-") else seconds)


def _bytes(text: str) -> bytes:
    import base64

    return base64.b64decode(text)
