"""A Swagger 2.0 document as protobuf, in the messages of openapi.v2 (gnostic's OpenAPIv2.proto).

The only form that kubectl and Argo CD parse of /openapi/v2. Each message is a table from JSON key to field number
and kind of value; the numbers are protocol constants and never change. What a message has no field for is a
vendor extension (`x-...`), whose value travels as YAML text; JSON is YAML.
https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto
"""

import struct
from collections.abc import Callable
from typing import Any

import orjson

Encoder = Callable[[Any], bytes]

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def encode(document: dict[str, Any]) -> bytes:
    """The bytes of an openapi.v2.Document."""
    return _message(document, _DOCUMENT, 16)


def _varint(number: int) -> bytes:
    out = bytearray()
    number &= (1 << 64) - 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _text(value: Any) -> bytes:
    return str(value).encode()


def _any(value: Any) -> bytes:
    """Any: {2: yaml}."""
    return _bytes(2, orjson.dumps(value) + b"\n")


def _scalar(number: int, value: Any) -> bytes:
    """A bool, integer or double; proto3 leaves out zeros."""
    if not value:
        return b""
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    return _varint(number << 3) + _varint(int(value))


class _Field:
    """`encoder` None stands for a number or bool; `double` for one that is always a double."""

    def __init__(
        self, number: int, encoder: Encoder | None = None, *, many: bool = False, double: bool = False
    ) -> None:
        self.number = number
        self.encoder = encoder
        self.many = many
        self.double = double

    def encode(self, value: Any) -> bytes:
        if self.encoder is None:
            return _scalar(self.number, float(value) if self.double else value)
        if self.many:
            return b"".join(_bytes(self.number, self.encoder(item)) for item in value)
        return _bytes(self.number, self.encoder(value))


def _message(value: dict[str, Any], fields: dict[str, _Field], extensions: int) -> bytes:
    out = []
    for key, inner in value.items():
        field = fields.get(key)
        if field is not None:
            out.append(field.encode(inner))
        elif key.startswith("x-"):
            out.append(_bytes(extensions, _named(key, _any(inner))))
    return b"".join(out)


def _named(name: str, value: bytes) -> bytes:
    """NamedSchema, NamedAny and their like: {1: name, 2: value}."""
    return _bytes(1, name.encode()) + _bytes(2, value)


def _map(encoder: Encoder, number: int = 1) -> Encoder:
    """A message whose repeated field `number` holds named values."""
    return lambda value: b"".join(
        _bytes(number, _named(name, encoder(inner))) for name, inner in value.items()
    )


def _one_of(number: int, encoder: Encoder) -> Encoder:
    return lambda value: _bytes(number, encoder(value))


def _schema(value: dict[str, Any]) -> bytes:
    return _message(value, _SCHEMA, 31)


def _additional(value: Any) -> bytes:
    if isinstance(value, bool):
        # A chosen alternative is written even when it is false.
        return _varint(2 << 3) + _varint(int(value))
    return _bytes(1, _schema(value))


def _type(value: Any) -> bytes:
    return b"".join(_bytes(1, _text(word)) for word in (value if isinstance(value, list) else [value]))


_PRIMITIVE = {"type": _Field(1, _text), "format": _Field(2, _text)}
_SCHEMA: dict[str, _Field] = {
    "$ref": _Field(1, _text),
    "format": _Field(2, _text),
    "title": _Field(3, _text),
    "description": _Field(4, _text),
    "default": _Field(5, _any),
    "multipleOf": _Field(6, double=True),
    "maximum": _Field(7, double=True),
    "exclusiveMaximum": _Field(8),
    "minimum": _Field(9, double=True),
    "exclusiveMinimum": _Field(10),
    "maxLength": _Field(11),
    "minLength": _Field(12),
    "pattern": _Field(13, _text),
    "maxItems": _Field(14),
    "minItems": _Field(15),
    "uniqueItems": _Field(16),
    "maxProperties": _Field(17),
    "minProperties": _Field(18),
    "required": _Field(19, _text, many=True),
    "enum": _Field(20, _any, many=True),
    "additionalProperties": _Field(21, _additional),
    "type": _Field(22, _type),
    "items": _Field(23, _one_of(1, _schema)),
    "properties": _Field(25, _map(_schema)),
    "example": _Field(30, _any),
}
_BODY = {
    "description": _Field(1, _text),
    "name": _Field(2, _text),
    "in": _Field(3, _text),
    "required": _Field(4),
    "schema": _Field(5, _schema),
}
_QUERY = {
    "required": _Field(1),
    "in": _Field(2, _text),
    "description": _Field(3, _text),
    "name": _Field(4, _text),
    "type": _Field(6, _text),
    "format": _Field(7, _text),
    "items": _Field(8, lambda value: _message(value, _PRIMITIVE, 18)),
    "uniqueItems": _Field(20),
}
_PATH = {**_QUERY, "type": _Field(5, _text), "format": _Field(6, _text), "uniqueItems": _Field(19)}


def _parameter(value: dict[str, Any]) -> bytes:
    """ParametersItem{1: Parameter{1: body | 2: NonBodyParameter{3: query | 4: path}}}."""
    if value["in"] == "body":
        return _bytes(1, _bytes(1, _message(value, _BODY, 6)))
    if value["in"] == "path":
        return _bytes(1, _bytes(2, _bytes(4, _message(value, _PATH, 22))))
    return _bytes(1, _bytes(2, _bytes(3, _message(value, _QUERY, 23))))


_RESPONSE = {"description": _Field(1, _text), "schema": _Field(2, _one_of(1, _schema))}


def _response(value: dict[str, Any]) -> bytes:
    return _bytes(1, _message(value, _RESPONSE, 5))


_OPERATION = {
    "tags": _Field(1, _text, many=True),
    "description": _Field(3, _text),
    "operationId": _Field(5, _text),
    "produces": _Field(6, _text, many=True),
    "consumes": _Field(7, _text, many=True),
    "parameters": _Field(8, _parameter, many=True),
    "responses": _Field(9, _map(_response)),
    "schemes": _Field(10, _text, many=True),
}


def _operation(value: dict[str, Any]) -> bytes:
    return _message(value, _OPERATION, 13)


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}
_ITEM = {
    **{method: _Field(number, _operation) for method, number in _METHODS.items()},
    "parameters": _Field(9, _parameter, many=True),
}


def _item(value: dict[str, Any]) -> bytes:
    return _message(value, _ITEM, 10)


_API_KEY = {
    "type": _Field(1, _text),
    "name": _Field(2, _text),
    "in": _Field(3, _text),
    "description": _Field(4, _text),
}
_INFO = {"title": _Field(1, _text), "version": _Field(2, _text), "description": _Field(3, _text)}
_DOCUMENT = {
    "swagger": _Field(1, _text),
    "info": _Field(2, lambda value: _message(value, _INFO, 7)),
    "paths": _Field(8, _map(_item, 2)),
    "definitions": _Field(9, _map(_schema)),
    "security": _Field(12, _map(_type), many=True),
    "securityDefinitions": _Field(13, _map(_one_of(2, lambda value: _message(value, _API_KEY, 5)))),
}
