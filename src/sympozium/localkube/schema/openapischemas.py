"""The schemas of an OpenAPI document: packaged ones of built-in kinds, and those of custom resources.

Defaults and enumerations are in a packaged file of their own (`published.jsonl.gz`, recorded from a real
server by `scripts/published_schemas.py`): only readers of OpenAPI want them, validation has its own rules.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from sympozium.localkube.resources import Resource
from sympozium.localkube.schema.builtin import OBJECT_META, definitions, descriptions, published

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
LIST_META = META + "ListMeta"
REF = "#/components/schemas/"
Schema = dict[str, Any]
_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"


def builtin_schemas(roots: Iterable[str], group: str) -> dict[str, Schema]:
    """The definitions that `roots` reach, with their descriptions, defaults and enumerations.

    DeleteOptions is a kind of every group; it is shown as one of `group` and of the core.
    """
    known, texts, more = definitions(), descriptions(), published()
    names = set(known.names())
    todo, out = [root for root in roots if root in names], {}
    while todo:
        name = todo.pop()
        if name not in out:
            made = _described(known.raw(name), texts.get(name, {}), more.get(name, {}), todo.append)
            if name == META + "DeleteOptions":
                kinds = made["x-kubernetes-group-version-kind"]
                made["x-kubernetes-group-version-kind"] = [
                    kind for kind in kinds if kind["group"] in {"", group} and kind["version"] == "v1"
                ]
            out[name] = made
    return out


def _described(raw: Schema, texts: dict[str, str], more: Schema, needs: Callable[[str], None]) -> Schema:
    made = _published(raw, needs)
    if "" in texts:
        made["description"] = texts[""]
    made |= more.get("", {})
    if "oneOf" in made:
        # An IntOrString or Quantity: one of two types.
        made.pop("type", None)
    for key, schema in made.get("properties", {}).items():
        if key in texts:
            schema["description"] = texts[key]
        _complete(schema, more, key)
    return made


def _complete(schema: Schema, more: Schema, path: str) -> None:
    found = dict(more.get(path, {}))
    text = found.pop("text", "")
    if text:
        schema["description"] = schema.get("description", "") + text
    schema |= found
    if "$ref" in schema and len(schema) > 1:
        # A reference with neighbours has to be wrapped in OpenAPI 3.0.
        schema["allOf"] = [{"$ref": schema.pop("$ref")}]
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            _complete(schema[key], more, f"{path}/{key}")


def _published(raw: Schema, needs: Callable[[str], None]) -> Schema:
    """A packaged schema as OpenAPI has it."""
    out: Schema = {}
    for key, value in raw.items():
        if key == "$ref":
            needs(value)
            out[key] = REF + value
        elif key == "properties":
            out[key] = {name: _published(inner, needs) for name, inner in value.items()}
        elif key in {"items", "additionalProperties"}:
            out[key] = _published(value, needs)
        elif key == "format" and value == "micro-time":
            out[key] = "date-time"
        elif (key == "format" and value == "quantity") or key in {
            "x-kubernetes-preserve-unknown-fields",
            "default",
        }:
            continue
        else:
            out[key] = value
    return out


def custom_name(resource: Resource) -> str:
    """`dev.example.v1.Test` for example.dev."""
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def custom_schema(schema: Schema, resource: Resource) -> Schema:
    """The schema of a custom resource as clients see it: with apiVersion, kind and metadata."""
    out = _embedded(schema)
    out["type"] = "object"
    if schema:
        out["properties"] = {**(out.get("properties") or {}), **_own()}
    out["x-kubernetes-group-version-kind"] = [_gvk(resource, resource.kind)]
    return out | _selectable(resource)


@functools.cache
def _type_texts() -> tuple[str, str]:
    """The descriptions of apiVersion and kind; the file they are in is too large to read for each schema."""
    texts = descriptions()[META + "Status"]
    return texts["apiVersion"], texts["kind"]


def _own() -> Schema:
    api_version, kind = _type_texts()
    return {
        "apiVersion": {"type": "string", "description": api_version},
        "kind": {"type": "string", "description": kind},
        "metadata": _metadata("object", "metadata"),
    }


def _metadata(what: str, anchor: str) -> Schema:
    name = OBJECT_META if what == "object" else LIST_META
    lead = "Standard object's metadata." if what == "object" else "Standard list metadata."
    return {"description": f"{lead} More info: {_CONVENTIONS}#{anchor}", "allOf": [{"$ref": REF + name}]}


def _embedded(schema: Schema) -> Schema:
    """A copy in which embedded resources show what every object has."""
    out = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = _embedded(out[key])
    if "properties" in out:
        out["properties"] = {name: _embedded(inner) for name, inner in out["properties"].items()}
    if out.get("x-kubernetes-embedded-resource"):
        out["properties"] = {**(out.get("properties") or {}), **_own()}
        out["required"] = list(dict.fromkeys([*(out.get("required") or ()), "kind", "apiVersion"]))
    return out


def custom_list(item: str, resource: Resource) -> Schema:
    own = _own()
    text = f"List of {resource.plural}. More info: {_CONVENTIONS}"
    return {
        "description": f"{resource.list_kind} is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": own["apiVersion"],
            "items": {"description": text, "type": "array", "items": {"$ref": REF + item}},
            "kind": own["kind"],
            "metadata": _metadata("list", "types-kinds"),
        },
        "x-kubernetes-group-version-kind": [_gvk(resource, resource.list_kind)],
    } | _selectable(resource)


def _selectable(resource: Resource) -> Schema:
    paths = [{"fieldPath": path} for path in resource.selectable]
    return {"x-kubernetes-selectable-fields": paths} if paths else {}


def _gvk(resource: Resource, kind: str) -> dict[str, str]:
    return {"group": resource.group, "kind": kind, "version": resource.version}
