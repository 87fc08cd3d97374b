"""Request bodies: bytes and a content type to an object, with what a strict decoder would complain about.

Duplicate keys are found in a second, slower pass, made only when the compact form of what was read
does not have the length of what was sent (white space also causes it, wrongly but harmlessly).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from sympozium.localkube.depth import compact
from sympozium.localkube.errors import ApiError, bad_request, too_large, unsupported_media_type
from sympozium.localkube.protobuf import CONTENT_TYPE as PROTOBUF
from sympozium.localkube.types import Object
from sympozium.localkube.wire import Request

JSON = "application/json"
YAML = "application/yaml"
LIMIT = 3 * 1024 * 1024
ACCEPTED = (JSON, YAML, PROTOBUF)


@dataclass(slots=True)
class Body:
    """`strict` has messages such as `duplicate field "data.a"`; those of a YAML body are about lines."""

    obj: Object
    strict: list[str] = field(default_factory=list)
    yaml: bool = False


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_object(request: Request, kind: str, api_version: str) -> Body:
    """The object of a POST or PUT. Raises ApiError 400, 413, 415.

    `kind` and `api_version` word the error, and are the type of a protobuf body that has none.
    """
    if len(request.body) > LIMIT:
        raise too_large(LIMIT)
    sent = media_type(request) or JSON
    if sent == JSON:
        return _json(request.body, kind)
    if sent in {YAML, "application/x-yaml", "text/yaml"}:
        return _yaml(request.body, kind)
    if sent == PROTOBUF:
        return Body(_protobuf(request.body, kind, api_version))
    raise unsupported_media_type(ACCEPTED)


def read_options(request: Request) -> Object:
    """The DeleteOptions of a DELETE; an empty body is no options."""
    if not request.body.strip():
        return {}
    return read_object(request, "DeleteOptions", "v1").obj


def unrecognized(kind: str, why: str, raw: bytes) -> ApiError:
    """400 for a body that is no object of any kind."""
    if kind == "DeleteOptions":
        return bad_request(why)
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind}): {why} ({_summary(raw)})"
    )


_SHOWN = 30


def _summary(raw: bytes) -> str:
    """The beginning of a body: as text when it looks like JSON, else in hexadecimal."""
    if not raw:
        return "<empty>"
    start = raw[:_SHOWN]
    text = start.decode("utf-8", "replace") if raw.startswith(b"{") else start.hex()
    return f"{text} ..." if len(raw) > _SHOWN else text


_TYPE_META = (
    r'json: cannot unmarshal {} into Go value of type struct {{ APIVersion string "json:\"apiVersion,omitempty\""; '
    r'Kind string "json:\"kind,omitempty\"" }}'
)


def _json(raw: bytes, kind: str) -> Body:
    try:
        obj = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        why = f"couldn't get version/kind; json parse error: {syntax_error(raw)}"
        raise unrecognized(kind, why, raw) from error
    if obj is None:
        obj = {}
    if not isinstance(obj, dict):
        why = f"couldn't get version/kind; json parse error: {_TYPE_META.format(json_type(obj))}"
        raise unrecognized(kind, why, raw)
    if wrong := wrong_type_field(obj):
        raise unrecognized(kind, f"couldn't get version/kind; json parse error: {wrong}", raw)
    return Body(obj, duplicate_keys(raw, obj))


def wrong_type_field(obj: Object) -> str:
    """What Go says about an apiVersion or a kind that is no text; empty when both are."""
    for key in ("apiVersion", "kind"):
        if not isinstance(obj.get(key), str | None):
            return f"json: cannot unmarshal {json_type(obj[key])} into Go struct field .{key} of type string"
    return ""


_SYNTAX = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
}


def syntax_error(raw: bytes) -> str:
    """What Go's decoder says about a text that is no JSON."""
    import json

    text = raw.decode("utf-8", "replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        at = error.pos
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at >= len(text) or error.msg.startswith("Unterminated string"):
            return "unexpected end of JSON input"
        where = _SYNTAX.get(error.msg, "in string escape code")
        if error.msg == "Expecting ',' delimiter":
            where = "after object key:value pair" if _inside_object(text[:at]) else "after array element"
        return f"invalid character {text[at]!r} {where}"
    except RecursionError:
        return "exceeded max depth"
    except ValueError:
        return "number out of range"  # of more digits than Python reads
    return "invalid character in JSON text"  # what Python takes and JSON has not: NaN, a lone surrogate


def _inside_object(text: str) -> bool:
    """Whether the innermost bracket that is open at the end of `text` is a brace."""
    open_: list[str] = []
    inside = escaped = False
    for char in text:
        if inside:
            inside = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            inside, escaped = True, False
        elif char in "{[":
            open_.append(char)
        elif char in "}]" and open_:
            open_.pop()
    return bool(open_) and open_[-1] == "{"


def _protobuf(raw: bytes, kind: str, api_version: str) -> Object:
    from sympozium.localkube import protobuf

    try:
        obj = protobuf.decode(raw, default_type=(api_version, kind))
    except (protobuf.ProtobufError, ValueError, RecursionError) as error:
        raise unrecognized(kind, str(error), raw) from error
    compact(obj)
    return obj


def _yaml(raw: bytes, kind: str) -> Body:
    from sympozium.localkube import yamlbody

    try:
        obj, duplicates = yamlbody.load(raw)
    except yamlbody.YAMLBodyError as error:
        raise unrecognized(kind, str(error), raw) from error
    if obj is None:
        obj = {}
    if not isinstance(obj, dict):
        why = f"couldn't get version/kind; json parse error: {_TYPE_META.format(json_type(obj))}"
        raise unrecognized(kind, why, raw)
    if wrong := wrong_type_field(obj):
        raise unrecognized(kind, f"couldn't get version/kind; json parse error: {wrong}", raw)
    return Body(obj, [f'line {line}: key "{key}" already set in map' for key, line in duplicates], yaml=True)


def read_applied(raw: bytes) -> tuple[Object, list[tuple[str, int]]]:
    """The body of a server-side apply, and the keys that it has twice, with their lines. Raises ApiError 400."""
    from sympozium.localkube import yamlbody

    try:
        obj, duplicates = yamlbody.load(raw)
    except yamlbody.YAMLBodyError as error:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from error
    if obj is None:
        obj = {}
    if not isinstance(obj, dict):
        raise bad_request(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: "
            f"json: cannot unmarshal {json_type(obj)} into Go value of type map[string]interface {{}}"
        )
    return obj, duplicates


_TYPES = {list: "array", str: "string", int: "number", float: "number", bool: "bool", type(None): "null", dict: "object"}  # fmt: skip


def json_type(value: Any) -> str:
    return _TYPES[type(value)]


def duplicate_keys(raw: bytes, obj: Any) -> list[str]:
    """`duplicate field "data.a"` for each key that a JSON text has twice in one object.

    Raises ApiError 400 when it is too deep.
    """
    if len(compact(obj)) == len(raw):
        return []
    import json

    twice: dict[int, list[str]] = {}
    kept: list[Object] = []  # ids are only unique among objects that are alive

    def build(pairs: list[tuple[str, Any]]) -> Object:
        made = dict(pairs)
        if len(made) != len(pairs):
            kept.append(made)
            seen: set[str] = set()
            twice[id(made)] = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
        return made

    tree = json.loads(raw, object_pairs_hook=build)
    if not twice:
        return []
    return [f'duplicate field "{path}"' for path in dict.fromkeys(_paths(tree, "", twice))]


def _paths(node: Any, path: str, twice: dict[int, list[str]]) -> Iterator[str]:
    if isinstance(node, dict):
        for key in twice.get(id(node), ()):
            yield f"{path}.{key}" if path else key
        for key, value in node.items():
            yield from _paths(value, f"{path}.{key}" if path else key, twice)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _paths(value, f"{path}[{index}]", twice)
