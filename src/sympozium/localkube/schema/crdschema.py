"""Whether a CRD's schema is one that objects can be held to: structural, with sound defaults and rules.

Structural: every field has a type, and logical junctors only restrict what is specified outside them.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from dataclasses import replace
from typing import Any

import orjson

from sympozium import goregex
from sympozium.localkube.schema import gotext
from sympozium.localkube.schema.cel.check import check_rules
from sympozium.localkube.schema.node import MAP, SET
from sympozium.localkube.schema.prune import unknown_fields
from sympozium.localkube.schema.structural import compile_root, compile_value
from sympozium.localkube.schema.validation import ABSENT, validate
from sympozium.localkube.types import Cause

Schema = dict[str, Any]
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_SCALARS = ("boolean", "integer", "number", "string")
_FORBIDDEN = {
    "$ref": "$ref is not supported",
    "additionalItems": "additionalItems is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "id": "id is not supported",
    "patternProperties": "patternProperties is not supported",
}
_STRUCTURE_ONLY = (
    "additionalProperties",
    "default",
    "description",
    "nullable",
    "title",
    "type",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
)
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_NOT_STRUCTURAL = "must be empty to be structural"


def check_schema(schema: Schema, path: str) -> list[Cause]:
    """Causes for `openAPIV3Schema`. Rules and defaults are looked at when the structure is sound."""
    causes: list[Cause] = []
    if not schema.get("type"):
        causes.append(gotext.required(f"{path}.type", "must not be empty at the root"))
    elif schema["type"] != "object":
        causes.append(gotext.invalid(f"{path}.type", schema["type"], "must be object at the root"))
    if schema.get("nullable"):
        causes.append(gotext.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    _place(schema, path, causes)
    _metadata(schema, path, causes)
    _type_meta(schema, path, causes)
    if causes:
        return causes
    try:
        compile_root(schema)
    except ValueError as error:
        return [gotext.invalid(path, "", str(error))]
    _defaults(schema, path, causes)
    return causes + check_rules(schema, path)


def _place(schema: Schema, path: str, causes: list[Cause]) -> None:
    """One structural place and what is below it."""
    for key, why in _FORBIDDEN.items():
        if schema.get(key):
            causes.append(gotext.forbidden(f"{path}.{key}", why))
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(gotext.forbidden(f"{path}.uniqueItems", why))
    kind = schema.get("type", "")
    if kind and kind not in _TYPES:
        causes.append(gotext.unsupported(f"{path}.type", kind, _TYPES))
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        at = f"{path}.x-kubernetes-preserve-unknown-fields"
        causes.append(gotext.invalid(at, False, "must be true or undefined"))
    if schema.get("pattern"):
        try:
            goregex.compiled(schema["pattern"])
        except ValueError as error:
            why = f"must be a valid regular expression, but isn't: {error}"
            causes.append(gotext.invalid(f"{path}.pattern", schema["pattern"], why))
    if schema.get("x-kubernetes-embedded-resource"):
        _embedded(schema, kind, path, causes)
    _object(schema, path, causes)
    _array(schema, kind, path, causes)
    for key in _JUNCTORS:
        for index, inner in enumerate(schema.get(key) or ()):
            _junctor(inner, schema, f"{path}.{key}[{index}]", causes)
    if schema.get("not"):
        _junctor(schema["not"], schema, f"{path}.not", causes)


def _embedded(schema: Schema, kind: str, path: str, causes: list[Cause]) -> None:
    if kind != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        causes.append(gotext.invalid(f"{path}.type", kind, why))
    if not schema.get("x-kubernetes-preserve-unknown-fields") and not schema.get("properties"):
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        causes.append(gotext.required(f"{path}.properties", why))


def _may_lack_type(schema: Schema) -> bool:
    return bool(
        schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    )


def _typed_child(schema: Any, path: str, what: str, causes: list[Cause]) -> None:
    _place(schema, path, causes)
    if not schema.get("type") and not schema.get("$ref") and not _may_lack_type(schema):
        causes.append(gotext.required(f"{path}.type", f"must not be empty for specified {what}"))


def _object(schema: Schema, path: str, causes: list[Cause]) -> None:
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    if additional is not None and properties:
        why = "additionalProperties and properties are mutual exclusive"
        causes.append(gotext.forbidden(f"{path}.additionalProperties", why))
    for key, inner in properties.items():
        _typed_child(inner, f"{path}.properties[{key}]", "object fields", causes)
    if isinstance(additional, dict):
        _typed_child(additional, f"{path}.additionalProperties", "object fields", causes)
    map_type = schema.get("x-kubernetes-map-type")
    if map_type not in {None, "granular", "atomic"}:
        supported = ("atomic", "granular")
        causes.append(gotext.unsupported(f"{path}.x-kubernetes-map-type", map_type, supported))


def _array(schema: Schema, kind: str, path: str, causes: list[Cause]) -> None:
    items, list_type = schema.get("items"), schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if isinstance(items, list):
        why = "items must be a schema object and not an array"
        causes.append(gotext.forbidden(f"{path}.items", why))
        return
    if kind == "array" and items is None:
        causes.append(gotext.required(f"{path}.items", "must be specified"))
    if isinstance(items, dict):
        _typed_child(items, f"{path}.items", "array items", causes)
    if list_type is None:
        if keys:
            why = "must be map if x-kubernetes-list-map-keys is non-empty"
            causes.append(gotext.required(f"{path}.x-kubernetes-list-type", why))
        return
    at = f"{path}.x-kubernetes-list-type"
    if list_type not in {"atomic", SET, MAP}:
        causes.append(gotext.unsupported(at, list_type, ("atomic", "set", "map")))
    elif kind != "array":
        causes.append(
            gotext.invalid(f"{path}.type", kind, "must be array if x-kubernetes-list-type is specified")
        )
    elif list_type == MAP:
        _map_list(items or {}, keys, path, causes)
    elif list_type == SET and isinstance(items, dict):
        atomic = (
            items.get("x-kubernetes-map-type") == "atomic" or items.get("x-kubernetes-list-type") == "atomic"
        )
        if items.get("type") not in _SCALARS and not items.get("x-kubernetes-int-or-string") and not atomic:
            which = "list" if items.get("type") == "array" else "map"
            place = f"{path}.items.x-kubernetes-{which}-type"
            found = items.get(f"x-kubernetes-{which}-type")
            why = "must be atomic as item of a list with x-kubernetes-list-type=set"
            causes.append(gotext.invalid(place, found, why))


def _map_list(items: Schema, keys: list[str], path: str, causes: list[Cause]) -> None:
    at = f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        why = "must not be empty if x-kubernetes-list-type is map"
        causes.append(gotext.required(at, why))
    if items.get("type") != "object":
        why = "must be object if parent array's x-kubernetes-list-type is map"
        causes.append(gotext.invalid(f"{path}.items.type", items.get("type", ""), why))
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        place = f"{path}.items.properties[{key}]"
        if key in keys[:index]:
            causes.append(gotext.duplicate(f"{at}[{index}]", key))
        if key not in properties:
            causes.append(gotext.invalid(at, keys, "entries must all be names of item properties"))
            continue
        inner = properties[key]
        if inner.get("type") not in _SCALARS and not inner.get("x-kubernetes-int-or-string"):
            why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            causes.append(gotext.invalid(f"{place}.type", inner.get("type", ""), why))
        if key not in (items.get("required") or ()) and "default" not in inner:
            why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            causes.append(gotext.required(f"{place}.default", why))
        if inner.get("nullable"):
            why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            causes.append(gotext.forbidden(f"{place}.nullable", why))


def _junctor(schema: Schema, outer: Schema | None, path: str, causes: list[Cause]) -> None:
    """A schema that may only restrict; what it names must be specified outside."""
    int_or_string = bool((outer or {}).get("x-kubernetes-int-or-string"))
    for key in _STRUCTURE_ONLY:
        if schema.get(key) not in (None, "", False, [], {}):
            if key == "type" and int_or_string:
                continue  # anyOf: [{type: integer}, {type: string}], the one form that is allowed
            causes.append(gotext.forbidden(f"{path}.{key}", _NOT_STRUCTURAL))
    if schema.get("pattern"):
        try:
            goregex.compiled(schema["pattern"])
        except ValueError as error:
            why = f"must be a valid regular expression, but isn't: {error}"
            causes.append(gotext.invalid(f"{path}.pattern", schema["pattern"], why))
    outside = (outer or {}).get("properties") or {}
    for key, inner in (schema.get("properties") or {}).items():
        if outer is not None and key not in outside and not (outer.get("additionalProperties")):
            at = path.rpartition(".")[0]
            why = f"because it is defined in {path}.properties[{key}]"
            causes.append(gotext.required(f"{at}.properties[{key}]", why))
        _junctor(inner, outside.get(key), f"{path}.properties[{key}]", causes)
    if isinstance(schema.get("items"), dict):
        items = (outer or {}).get("items")
        _junctor(schema["items"], items if isinstance(items, dict) else None, f"{path}.items", causes)
    for key in _JUNCTORS:
        for index, inner in enumerate(schema.get(key) or ()):
            _junctor(inner, outer, f"{path}.{key}[{index}]", causes)
    if schema.get("not"):
        _junctor(schema["not"], outer, f"{path}.not", causes)


def _type_meta(schema: Schema, path: str, causes: list[Cause]) -> None:
    """ApiVersion and kind may be described, as the strings that they are."""
    for key in ("apiVersion", "kind"):
        found = ((schema.get("properties") or {}).get(key) or {}).get("type", "string")
        if found not in {"", "string"}:
            at = f"{path}.properties[{key}].type"
            causes.append(gotext.invalid(at, found, "must be string"))


def _metadata(schema: Schema, path: str, causes: list[Cause]) -> None:
    """The schema may say what names look like; everything else in metadata is the API server's."""
    metadata = (schema.get("properties") or {}).get("metadata")
    if not isinstance(metadata, dict):
        return
    extra = set(metadata) - {"type", "properties", "description", "x-kubernetes-preserve-unknown-fields"}
    names = set(metadata.get("properties") or {}) - {"name", "generateName"}
    if extra or names:
        why = (
            "must not specify anything other than name and generateName, but metadata is implicitly specified"
        )
        causes.append(gotext.forbidden(f"{path}.properties[metadata]", why))


def _defaults(schema: Schema, path: str, causes: list[Cause]) -> None:
    """Each default must be valid, and have no fields that would be pruned."""
    if "default" in schema:
        node = compile_value(schema)
        default = orjson.loads(orjson.dumps(schema["default"]))
        at = f"{path}.default"
        if unknown_fields(default, node):
            causes.append(gotext.invalid(at, schema["default"], "must not have unknown fields"))
        causes += [
            replace(cause, field=at if cause.field in {"", "<nil>"} else f"{at}.{cause.field}")
            for cause in validate(default, ABSENT, node)
        ]
    for key, inner in (schema.get("properties") or {}).items():
        _defaults(inner, f"{path}.properties[{key}]", causes)
    if isinstance(schema.get("additionalProperties"), dict):
        _defaults(schema["additionalProperties"], f"{path}.additionalProperties", causes)
    if isinstance(schema.get("items"), dict):
        _defaults(schema["items"], f"{path}.items", causes)
