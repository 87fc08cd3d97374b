"""JSON as CEL sees it: numbers of `number` fields are doubles, names that CEL cannot say are escaped.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-expression
Most schemas need no conversion; for those a value is passed as it is.
"""

import re
from collections.abc import Callable
from typing import Any

from sympozium.cel.library import times
from sympozium.cel.values import MapList, SetList, Timestamp
from sympozium.localkube.schema.node import ARRAY, MAP, NUMBER, SET, STRING, Node

Convert = Callable[[Any], Any]
KEYWORDS = frozenset(
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


def escaped(name: str) -> str | None:
    """The name of a field in an expression; None for one that has none."""
    if name in KEYWORDS:
        return f"__{name}__"
    for plain, word in _PARTS:
        name = name.replace(plain, word)
    return name if _IDENTIFIER.fullmatch(name) else None


def unescaped(name: str) -> str:
    if name.startswith("__") and name.endswith("__") and name[2:-2] in KEYWORDS:
        return name[2:-2]
    for plain, word in reversed(_PARTS):
        name = name.replace(word, plain)
    return name


def converter(node: Node) -> Convert | None:
    """The conversion of values at a place as `self`; None where there is nothing to convert."""
    return _inner(node, set())


def _inner(node: Node, above: set[int]) -> Convert | None:
    if id(node) in above:
        return None
    above = above | {id(node)}
    if node.type == STRING and node.format in _TIMED:
        made = _TIMED[node.format]
        return lambda value: made(value) if isinstance(value, str) else value
    if node.type == NUMBER:
        return lambda value: float(value) if type(value) is int else value
    if node.type == ARRAY and node.items is not None:
        return _list(node, above)
    if node.properties:
        return _fields(node, above)
    if node.additional is not None:
        of_value = _inner(node.additional, above)
        if of_value is not None:
            return lambda value: (
                {k: of_value(v) for k, v in value.items()} if isinstance(value, dict) else value
            )
    return None


def _list(node: Node, above: set[int]) -> Convert | None:
    """Lists whose order means nothing are compared and added up in their own way."""
    assert node.items is not None
    item = _inner(node.items, above)
    kind, keys = node.list_type, node.map_keys

    def convert(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        items = value if item is None else [item(one) for one in value]
        if kind == SET:
            return SetList(items)
        return MapList(items, keys) if kind == MAP else items

    return None if item is None and kind not in {SET, MAP} else convert


def _fields(node: Node, above: set[int]) -> Convert | None:
    inner = {key: _inner(child, above) for key, child in node.properties.items()}
    names = {key: escaped(key) or key for key in node.properties}
    if all(key == name for key, name in names.items()) and not any(inner.values()):
        return None

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        out = {}
        for key, item in value.items():
            change = inner.get(key)
            out[names.get(key, key)] = item if change is None else change(item)
            if key in KEYWORDS:
                out[key] = out[names.get(key, key)]
        return out

    return convert


def _date(text: str) -> Timestamp:
    return times.to_timestamp(f"{text}T00:00:00Z")


def _bytes(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


_TIMED: dict[str, Callable[[str], Any]] = {
    "date-time": times.to_timestamp,
    "date": _date,
    "duration": times.to_duration,
    "byte": _bytes,
}
