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
    """`strict` has messages such as `duplicate field "data.a"`."""

    obj: Object
    strict: list[str] = field(default_factory=list)


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
        return Body(*parse_yaml(request.body, kind))
    if sent == PROTOBUF:
        return Body(_protobuf(request.body, kind, api_version))
    raise unsupported_media_type(ACCEPTED)


def read_options(request: Request) -> Object:
    """The DeleteOptions of a DELETE; an empty body is no options."""
    if not request.body.strip():
        return {}
    return read_object(request, "DeleteOptions", "v1").obj


def _unrecognized(kind: str, why: str) -> ApiError:
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
        f"json parse error: {why}"
    )


def _json(raw: bytes, kind: str) -> Body:
    try:
        obj = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _unrecognized(kind, str(error)) from error
    if not isinstance(obj, dict):
        raise _unrecognized(kind, f"expected an object, got {json_type(obj)}")
    return Body(obj, duplicate_keys(raw, obj))


def _protobuf(raw: bytes, kind: str, api_version: str) -> Object:
    from sympozium.localkube import protobuf

    try:
        obj = protobuf.decode(raw, default_type=(api_version, kind))
    except (protobuf.ProtobufError, ValueError, RecursionError) as error:
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): {error}") from error
    compact(obj)
    return obj


def parse_yaml(raw: bytes, kind: str) -> tuple[Object, list[str]]:
    """A YAML mapping and its duplicate keys. Raises ApiError 400."""
    from sympozium.localkube import yamlbody

    try:
        obj, duplicates = yamlbody.load(raw)
    except yamlbody.YAMLBodyError as error:
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): {error}") from error
    if not isinstance(obj, dict):
        raise _unrecognized(kind, f"expected an object, got {json_type(obj)}")
    return obj, [f'duplicate field "{path}"' for path in duplicates]


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
