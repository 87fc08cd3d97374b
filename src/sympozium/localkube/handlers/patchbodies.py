"""What a patch says, and how a patch whose result is no object of the kind is refused.

The texts are the API server's: a JSON or merge patch is refused with the object that it gave, a strategic one
with the patch itself as Go prints a map.
"""

from typing import Any

import orjson

from sympozium.localkube.bodies import duplicate_keys, json_type, syntax_error
from sympozium.localkube.errors import ApiError, bad_request, invalid
from sympozium.localkube.patch.typecheck import plain
from sympozium.localkube.schema.node import ARRAY, BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, Node
from sympozium.localkube.types import Cause, Object

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

Patch = Object | list[Any]


def parse(raw: bytes, kind: str) -> tuple[Patch, list[str]]:
    """The patch, and what a strict decoder has against it. Raises ApiError 400."""
    start = "" if kind == STRATEGIC else "error decoding patch: "
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request(start + syntax_error(raw)) from error
    if kind == JSON_PATCH:
        return _operations(parsed, raw)
    if parsed is None and kind == STRATEGIC:
        return {}, []
    if parsed is None:
        raise bad_request("Invalid JSON Patch")
    if isinstance(parsed, dict):
        return parsed, duplicate_keys(raw, parsed)
    raise bad_request(
        f"{start}json: cannot unmarshal {json_type(parsed)} into Go value of type map[string]interface {{}}"
    )


_FIELDS = ("op", "path", "from")


def _operations(parsed: Any, raw: bytes) -> tuple[list[Any], list[str]]:
    if parsed is None:
        return [], []
    if not isinstance(parsed, list):
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {json_type(parsed)} into Go value of type "
            "[]handlers.jsonPatchOp"
        )
    strict = [f"json patch {text}" for text in duplicate_keys(raw, parsed)]
    for index, operation in enumerate(parsed):
        if not isinstance(operation, dict):
            raise bad_request(
                f"error decoding patch: json: cannot unmarshal {json_type(operation)} into Go value of type "
                "handlers.jsonPatchOp"
            )
        for key, value in operation.items():
            if key in _FIELDS and not isinstance(value, str | None):
                raise bad_request(
                    f"error decoding patch: json: cannot unmarshal {json_type(value)} into Go struct field "
                    f"jsonPatchOp.{key} of type string"
                )
            if key not in _FIELDS and key != "value":
                strict.append(f'json patch unknown field "[{index}].{key}"')
    return parsed, strict


def refused(kind: str, patch: Patch, patched: Object, why: str) -> ApiError:
    """422 for a patch that gave what is no object of its kind."""
    # The patched document is a Go map at the top, whose keys are sorted.
    document = dict(sorted(patched.items()))
    shown = plain(patch) if kind == STRATEGIC else orjson.dumps(document).decode()
    text = f"Invalid value: {orjson.dumps(shown).decode()}: {why}"
    return invalid("", "", "", [Cause("patch", "FieldValueInvalid", text)])


_GO = {str: "string", int: "int64", float: "float64", bool: "bool", list: "slice", dict: "map"}


def unrestorable(value: Any, node: Node, go: str = "") -> str:
    """Why a strategic patch's result cannot be put into Go's types; empty when it can."""
    if value is None:
        return ""
    found = _GO[type(value)]
    if node.type == OBJECT:
        if not isinstance(value, dict):
            return f"cannot restore {'map from' if node.is_map else 'struct from:'} {found}"
        shape = node.shape
        for key, inner in value.items():
            child = node.child(key)
            if child is not None and (
                why := unrestorable(inner, child, shape.types.get(key, "") if shape is not None else "")
            ):
                return why
        return ""
    if node.type == ARRAY:
        if not isinstance(value, list):
            return f"cannot restore slice from {found}"
        whys = (unrestorable(item, node.items) for item in value) if node.items is not None else ()
        return next((why for why in whys if why), "")
    if _convertible(value, node):
        return ""
    wanted = go or {STRING: "string", BOOLEAN: "bool", INTEGER: node.format or "int64"}.get(
        node.type, "float64"
    )
    return f"cannot convert {found} to {wanted}"


def _convertible(value: Any, node: Node) -> bool:
    if node.type == STRING:
        return isinstance(value, str) or bool(node.format)
    if node.type == BOOLEAN:
        return isinstance(value, bool)
    if node.type in {INTEGER, NUMBER}:
        return type(value) in {int, float}
    return True
