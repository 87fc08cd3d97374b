r"""Decodes the protobuf bodies that typed Go clients send (KUBE-API.md T2); nothing is ever encoded.

The wire is a `k8s\0` prefix and a runtime.Unknown: 1 TypeMeta {1 apiVersion, 2 kind}, 2 the object's
own message, 3 contentEncoding, 4 contentType. The field numbers are data (`protobuf_fields.txt`, made by
`scripts/protobuf_fields.py`), parsed when the first such body arrives.

Go always writes fields that are not pointers, so a zero there means "not set" and is dropped, while a zero
behind a pointer (`replicas: 0`) was meant and is kept.
"""

import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import orjson

from sympozium.localkube.types import Object

MAGIC = b"k8s\x00"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"

Value = int | bytes


class ProtobufError(ValueError):
    """The body is not what a Kubernetes client writes; the text says where."""


@dataclass(frozen=True, slots=True)
class Field:
    """`code` is s, i, b, y, d or the name of a message; an empty `name` puts its fields into the parent."""

    name: str
    code: str
    pointer: bool
    repeated: bool
    mapping: bool


@cache
def _messages() -> dict[str, str]:
    text = resources.files("sympozium.localkube").joinpath("protobuf_fields.txt").read_text()
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, fields = line.partition(" ")
        found[name] = fields
    return found


@cache
def _fields(message: str) -> dict[int, Field]:
    found: dict[int, Field] = {}
    for item in _messages()[message].split():
        number, name, code = item.split(":", 2)
        code = code.removeprefix("~")
        pointer = code.startswith("*")
        code = code.removeprefix("*")
        mapping = code.startswith("{}")
        repeated = code.startswith("[]")
        code = code.removeprefix("{}").removeprefix("[]").removeprefix("*")
        found[int(number)] = Field(name, code, pointer, repeated, mapping)
    return found


def decode(body: bytes, *, default_type: tuple[str, str] = ("", "")) -> Object:
    """The object, with `kind` and `apiVersion` first. `default_type` is (apiVersion, kind) for bodies
    that do not say. Raises ProtobufError.
    """
    if not body.startswith(MAGIC):
        raise ProtobufError("the body does not begin with the Kubernetes protobuf prefix k8s\\0")
    api_version, kind, raw = default_type[0], default_type[1], b""
    for number, value in _wire(body[len(MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            type_meta = {key: text for key, text in _wire(value) if isinstance(text, bytes) and text}
            api_version = type_meta.get(1, api_version.encode()).decode()
            kind = type_meta.get(2, kind.encode()).decode()
        elif number == 2 and isinstance(value, bytes):
            raw = value
    message = _message_name(api_version, kind)
    if message not in _messages():
        raise ProtobufError(f"no protobuf decoder for {api_version} {kind}: send it as JSON")
    return {"kind": kind, "apiVersion": api_version, **_decode(message, raw)}


def _message_name(api_version: str, kind: str) -> str:
    if kind in {"DeleteOptions", "Status"}:
        return f"meta/v1.{kind}"
    group, _, version = api_version.rpartition("/")
    return f"{group.partition('.')[0] or 'core'}/{version}.{kind}"


def _wire(data: bytes) -> Iterator[tuple[int, Value]]:
    """Field numbers and values: integers for varints and fixed widths, bytes for the rest."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind == 2:
            size, at = _varint(data, at)
            if at + size > end:
                raise ProtobufError(f"field {number} ends beyond the message")
            yield number, data[at : at + size]
            at += size
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
            yield number, int.from_bytes(data[at : at + size], "little")
            at += size
        else:
            raise ProtobufError(f"field {number} has wire type {kind}, which Kubernetes does not use")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ProtobufError("a number is cut short")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result, at
        shift += 7


def _decode(message: str, data: bytes) -> Object:
    fields = _fields(message)
    out: Object = {}
    for number, value in _wire(data):
        field = fields.get(number)
        if field is None:
            # A newer client writes its new fields even when they are empty; a value must not be lost.
            if value in (0, b""):
                continue
            raise ProtobufError(f"{message} has no field {number} that this server knows: send it as JSON")
        if field.mapping:
            key, item = _entry(field, value)
            out.setdefault(field.name, {})[key] = item
        elif field.repeated:
            out.setdefault(field.name, []).append(_value(field.code, value))
        else:
            decoded = _value(field.code, value)
            if not field.name:
                out.update(decoded or {})
            elif field.pointer or decoded not in (None, "", 0, False, {}):
                out[field.name] = decoded
    return out


def _entry(field: Field, value: Value) -> tuple[str, Any]:
    if not isinstance(value, bytes):
        raise ProtobufError(f"{field.name} is not a map entry")
    parts = dict(_wire(value))
    key = parts.get(1, b"")
    default: Value = 0 if field.code in {"i", "b", "d"} else b""
    return _text(key), _value(field.code, parts.get(2, default))


def _text(value: Value) -> str:
    if not isinstance(value, bytes):
        raise ProtobufError("a number stands where text is expected")
    return value.decode()


def _value(code: str, value: Value) -> Any:
    special = _SPECIAL.get(code)
    if special is not None:
        return special(value)
    if not isinstance(value, bytes):
        raise ProtobufError(f"a number stands where {code} is expected")
    if _messages()[code].startswith("1:!:"):
        return [_value(_fields(code)[1].code, item) for _, item in _wire(value)]
    return _decode(code, value)


def _signed(value: Value) -> int:
    number = int(value) if isinstance(value, int) else 0
    return number - (1 << 64) if number >= 1 << 63 else number


def _time(value: Value, *, micro: bool = False) -> str | None:
    parts = dict(_wire(value)) if isinstance(value, bytes) else {}
    if not parts:
        return None
    at = datetime.fromtimestamp(_signed(parts.get(1, 0)), UTC)
    text = at.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{_signed(parts.get(2, 0)) // 1000:06d}Z" if micro else f"{text}Z"


def _micro_time(value: Value) -> str | None:
    return _time(value, micro=True)


def _quantity(value: Value) -> str:
    return _text(dict(_wire(value)).get(1, b"")) if isinstance(value, bytes) else ""


def _int_or_string(value: Value) -> int | str:
    parts = dict(_wire(value)) if isinstance(value, bytes) else {}
    if parts.get(1, 0):
        return _text(parts.get(3, b""))
    return _signed(parts.get(2, 0))


def _raw(value: Value) -> Any:
    raw = dict(_wire(value)).get(1) if isinstance(value, bytes) else None
    return orjson.loads(raw) if raw and isinstance(raw, bytes) else None


def _double(value: Value) -> float:
    number: float = (
        struct.unpack("<d", int(value).to_bytes(8, "little"))[0] if isinstance(value, int) else 0.0
    )
    return number


def _bytes(value: Value) -> str:
    return b64encode(value).decode() if isinstance(value, bytes) else ""


_SPECIAL: dict[str, Callable[[Value], Any]] = {
    "s": _text,
    "i": _signed,
    "b": bool,
    "y": _bytes,
    "d": _double,
    "Time": _time,
    "MicroTime": _micro_time,
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "FieldsV1": _raw,
    "RawExtension": _raw,
}
