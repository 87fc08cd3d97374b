"""The type of a place in a schema, with the most elements that a request of 3 MiB can hold there.

Sizes are Kubernetes': what a schema does not bound is bounded by the request, divided by the least that an
element takes in JSON.
"""

from dataclasses import dataclass
from typing import Any, Final

from sympozium.cel.types import STRING, Type, list_of, map_of, object_of
from sympozium.localkube.schema.cel.values import KEYWORDS, escaped

REQUEST: Final = 3 * 1024 * 1024
SELF: Final = "selfType1"
_TIMES: Final = {
    "duration": ("duration", 32, 3),
    "date": ("timestamp", 12, 12),
    "date-time": ("timestamp", 32, 21),
}
_SCALARS: Final = {"boolean": ("bool", 4), "number": ("double", 1), "integer": ("int", 1)}
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Declared:
    """`least` are the bytes that a value takes in JSON."""

    type: Type
    least: int


def declare(schema: Schema, *, root: bool = False, name: str = SELF) -> Declared | None:
    """None for a place that rules cannot see: its schema says nothing. `root` has apiVersion, kind and names."""
    if schema.get("x-kubernetes-int-or-string"):
        most = 4 * max(schema["maxLength"], 0) if "maxLength" in schema else REQUEST - 2
        return Declared(Type("dyn", "dyn", most=most), 1)
    kind = schema.get("type")
    if kind in _SCALARS:
        word, least = _SCALARS[kind]
        return Declared(Type(word, word, most=0), least)
    if kind == "string":
        return _text(schema)
    if kind == "array":
        return _list(schema, name)
    if kind == "object":
        additional = schema.get("additionalProperties")
        if isinstance(additional, dict):
            return _map(schema, additional, name)
        return _object(with_meta(schema) if root else schema, name)
    return None


def _inner(schema: Any, name: str) -> Declared | None:
    if not isinstance(schema, dict):
        return None
    return declare(schema, root=bool(schema.get("x-kubernetes-embedded-resource")), name=name)


def _text(schema: Schema) -> Declared:
    form = schema.get("format", "")
    if form in _TIMES:
        kind, most, least = _TIMES[form]
        return Declared(Type(kind, kind, most=most), least)
    if form == "byte":
        most = max(schema["maxLength"], 0) if "maxLength" in schema else REQUEST - 2
        return Declared(Type("bytes", "bytes", most=most), 2)
    if "maxLength" in schema:
        most = 4 * max(schema["maxLength"], 0)
    elif schema.get("enum"):
        most = max((len(value.encode()) for value in schema["enum"] if isinstance(value, str)), default=0)
    else:
        most = REQUEST - 2
    return Declared(Type("string", "string", most=most), 2)


def _list(schema: Schema, name: str) -> Declared | None:
    items = _inner(schema.get("items"), f"{name}.@idx")
    if items is None:
        return None
    most = max(schema["maxItems"], 0) if "maxItems" in schema else (REQUEST - 2) // (items.least + 1)
    return Declared(list_of(items.type, most), 2)


def _map(schema: Schema, additional: Schema, name: str) -> Declared | None:
    values = _inner(additional, f"{name}.@elem")
    if values is None:
        return None
    most = (
        max(schema["maxProperties"], 0) if "maxProperties" in schema else (REQUEST - 2) // (values.least + 6)
    )
    return Declared(map_of(Type(STRING.kind, STRING.name, most=0), values.type, most), 2)


def _object(schema: Schema, name: str) -> Declared:
    fields: dict[str, Type] = {}
    least, required = 2, set(schema.get("required") or ())
    for key, inner in (schema.get("properties") or {}).items():
        made = _inner(inner, f"{name}.{key}")
        if made is None:
            continue
        known = escaped(key)
        if known is not None:
            fields[known] = made.type
            if key in KEYWORDS:
                fields[key] = made.type  # `self.namespace` is understood as well as `self.__namespace__`
        if key in required and "default" not in inner:
            least += len(key.encode()) + made.least + 4
    kind = object_of(name, fields)
    return Declared(Type("object", name, (), kind.fields, most=0), least)


def with_meta(schema: Schema) -> Schema:
    """What rules may read of every object, whether the schema names it or not."""
    text = {"type": "string"}
    names = {"type": "object", "properties": {"name": text, "generateName": text}}
    properties = {**(schema.get("properties") or {}), "kind": text, "apiVersion": text, "metadata": names}
    return {**schema, "properties": properties}
