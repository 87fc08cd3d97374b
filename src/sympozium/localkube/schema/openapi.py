"""/openapi/v3: an index, and one OpenAPI 3.0 document a group-version.

kubectl asks the index which group-versions there are and what hash each document has, and keeps documents
by hash. It reads schemas for `explain`, and from the PATCH operation of a kind whether `fieldValidation` and
`dryRun` are understood. Documents are made when they are asked for; they hold the descriptions, so only their
gzipped bytes are kept. /openapi/v2 (protobuf) is absent.
"""

import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import orjson

from sympozium.localkube.resources import Registry, Resource
from sympozium.localkube.schema.builtin import OBJECT_META, definitions, descriptions

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_LIST_META = _META + "ListMeta"
_REF = "#/components/schemas/"
Schema = dict[str, Any]


class CustomSchemas(Protocol):
    """Where schemas of custom kinds come from."""

    def custom_schema(self, group: str, version: str, kind: str) -> Schema | None: ...


class OpenAPI:
    """What is served under /openapi/v3. Everything follows the registry: a changed CRD changes a hash."""

    def __init__(self, registry: Registry, schemas: CustomSchemas) -> None:
        self._registry = registry
        self._schemas = schemas
        self._kept: dict[str, tuple[Any, bytes, str]] = {}

    def index(self) -> bytes:
        """`{"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=..."}}}`"""
        paths = {}
        for path, resources in self._group_versions():
            digest = self._digest(path, resources)
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return orjson.dumps({"paths": paths})

    def document(self, path: str) -> tuple[bytes, str] | None:
        """The document of `api/v1` or `apis/<group>/<version>` and its hash; None when it is not served."""
        for known, resources in self._group_versions():
            if known == path:
                stamp = self._stamp(resources)
                kept = self._kept.get(path)
                if kept is not None and kept[0] == stamp:
                    return gzip.decompress(kept[1]), kept[2]
                body = orjson.dumps(self._build(resources))
                digest = self._digest(path, resources)
                self._kept[path] = (stamp, gzip.compress(body, compresslevel=1), digest)
                return body, digest
        return None

    def _group_versions(self) -> Iterator[tuple[str, list[Resource]]]:
        for group in self._registry.groups():
            for version in self._registry.versions(group):
                path = f"apis/{group}/{version.name}" if group else f"api/{version.name}"
                yield path, list(version.resources.values())

    def _stamp(self, resources: list[Resource]) -> list[Any]:
        """What a document is made of: the served resources and the schemas of custom ones (by identity)."""
        return [(r, id(self._custom(r)) if r.custom else 0) for r in resources]

    def _custom(self, resource: Resource) -> Schema | None:
        return self._schemas.custom_schema(resource.group, resource.version, resource.kind)

    def _digest(self, path: str, resources: list[Resource]) -> str:
        stamp = self._stamp(resources)
        kept = self._kept.get("#" + path)
        if kept is None or kept[0] != stamp:
            parts = [path, *(repr(r) for r in resources)]
            parts += [orjson.dumps(self._custom(r)).decode() for r in resources if r.custom]
            digest = hashlib.sha256("\n".join(parts).encode()).hexdigest().upper()
            kept = self._kept["#" + path] = (stamp, b"", digest)
        return kept[2]

    def _build(self, resources: list[Resource]) -> Schema:
        schemas: dict[str, Schema] = {}
        paths: dict[str, Schema] = {}
        roots: list[str] = [OBJECT_META, _LIST_META, _META + "DeleteOptions", _META + "Status"]
        names: dict[str, str] = {}
        for resource in resources:
            name = _builtin_name(resource)
            if name is None:
                name = _custom_name(resource)
                custom = self._custom(resource) or {}
                schemas[name] = custom_document(custom, resource)
                schemas[name + "List"] = _list_schema(name, resource)
            else:
                roots.append(name)
                if (listed := _builtin_name(resource, resource.list_kind)) is not None:
                    roots.append(listed)
            names[resource.plural] = name
            paths.update(_paths(resource, name))
        schemas.update(_builtin_schemas(roots))
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "unversioned"},
            "paths": paths,
            "components": {"schemas": dict(sorted(schemas.items()))},
        }


def _builtin_name(resource: Resource, kind: str = "") -> str | None:
    return definitions().of_kind(resource.group, resource.version, kind or resource.kind)


def _custom_name(resource: Resource) -> str:
    """`dev.example.v1.Test` for example.dev."""
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _builtin_schemas(roots: Iterable[str]) -> dict[str, Schema]:
    """The definitions that `roots` reach, with their descriptions."""
    known, texts = definitions(), descriptions()
    names = set(known.names())
    todo, out = [root for root in roots if root in names], {}
    while todo:
        name = todo.pop()
        if name in out:
            continue
        raw = known.raw(name)
        out[name] = _described(raw, texts.get(name, {}), todo.append)
    return out


def _described(raw: Schema, texts: dict[str, str], needs: Callable[[str], None]) -> Schema:
    made = _published(raw, needs)
    if "" in texts:
        made["description"] = texts[""]
    for key, schema in made.get("properties", {}).items():
        if key in texts:
            if "$ref" in schema:
                # A reference with neighbours has to be wrapped in OpenAPI 3.0.
                reference = {"$ref": schema.pop("$ref")}
                schema["allOf"] = [reference]
            schema["description"] = texts[key]
    return made


def _published(raw: Schema, needs: Callable[[str], None]) -> Schema:
    """A packaged schema as OpenAPI has it."""
    out: Schema = {}
    for key, value in raw.items():
        if key == "$ref":
            needs(value)
            out[key] = _REF + value
        elif key == "properties":
            out[key] = {name: _published(inner, needs) for name, inner in value.items()}
        elif key in {"items", "additionalProperties"}:
            out[key] = _published(value, needs)
        elif key == "format" and value == "quantity":
            continue
        elif key == "format" and value == "micro-time":
            out[key] = "date-time"
        elif key == "x-kubernetes-preserve-unknown-fields":
            continue
        else:
            out[key] = value
    return out


def custom_document(schema: Schema, resource: Resource) -> Schema:
    """The schema of a custom resource as clients see it: with apiVersion, kind and metadata."""
    out = {key: value for key, value in schema.items() if key != "x-kubernetes-validations"}
    properties = dict(schema.get("properties") or {})
    texts = descriptions()[OBJECT_META.replace("ObjectMeta", "Status")]
    for key in ("apiVersion", "kind"):
        properties[key] = {"type": "string", "description": texts[key]}
    properties["metadata"] = {
        "allOf": [{"$ref": _REF + OBJECT_META}],
        "description": "Standard object's metadata.",
    }
    out["type"] = "object"
    out["properties"] = properties
    out["x-kubernetes-group-version-kind"] = [_gvk(resource, resource.kind)]
    return out


def _list_schema(item: str, resource: Resource) -> Schema:
    return {
        "description": f"{resource.list_kind} is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "items": {"type": "array", "items": {"$ref": _REF + item}},
            "metadata": {"allOf": [{"$ref": _REF + _LIST_META}]},
        },
        "x-kubernetes-group-version-kind": [_gvk(resource, resource.list_kind)],
    }


def _gvk(resource: Resource, kind: str) -> dict[str, str]:
    return {"group": resource.group, "kind": kind, "version": resource.version}


_ACTIONS = {
    "create": "post",
    "delete": "delete",
    "get": "get",
    "list": "list",
    "patch": "patch",
    "update": "put",
}
_STRATEGIC = "application/strategic-merge-patch+json"
_PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    _STRATEGIC,
)
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


def _paths(resource: Resource, name: str) -> dict[str, Schema]:
    """The collection, the object and its subresources, each with its operations."""
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    collection, item = f"{base}{scope}/{resource.plural}", f"{base}{scope}/{resource.plural}/{{name}}"
    verbs = set(resource.verbs)
    found: dict[str, Schema] = {
        collection: _operations(resource, name, verbs & {"create", "list", "deletecollection"}),
        item: _operations(resource, name, verbs & {"get", "update", "patch", "delete"}),
    }
    if resource.namespaced and "list" in verbs:
        found[f"{base}/{resource.plural}"] = _operations(resource, name, {"list"})
    for sub in resource.subresources:
        kind = sub.kind if sub.kind == resource.kind else ""
        found[f"{item}/{sub.name}"] = _operations(resource, name if kind else "", set(sub.verbs))
    return {path: operations for path, operations in found.items() if operations}


def _operations(resource: Resource, name: str, verbs: set[str]) -> Schema:
    methods = {"create": "post", "get": "get", "list": "get", "update": "put", "patch": "patch"}
    methods |= {"delete": "delete", "deletecollection": "delete"}
    return {methods[verb]: _operation(resource, name, verb) for verb in sorted(verbs) if verb in methods}


def _operation(resource: Resource, name: str, verb: str) -> Schema:
    content = {"application/json": {"schema": {"$ref": _REF + name}}} if name else {}
    out: Schema = {
        "operationId": f"{verb}{resource.version.capitalize()}{resource.kind}",
        "responses": {"200": {"description": "OK", **({"content": content} if content else {})}},
        "x-kubernetes-action": _ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": _gvk(resource, resource.kind),
    }
    if verb in {"create", "update", "patch"}:
        out["parameters"] = [_parameter(key) for key in _WRITE_PARAMETERS]
    if verb == "patch":
        out["parameters"].append({"in": "query", "name": "force", "schema": {"type": "boolean"}})
        # kubectl takes from here whether it may send a strategic merge; a custom resource answers 415 to one.
        accepted = [key for key in _PATCHES if not (resource.custom and key == _STRATEGIC)]
        out["requestBody"] = {"content": {key: {"schema": {"type": "object"}} for key in accepted}}
    elif verb in {"create", "update"} and content:
        out["requestBody"] = {"content": content, "required": True}
    return out


def _parameter(name: str) -> Schema:
    return {"in": "query", "name": name, "schema": {"type": "string", "uniqueItems": True}}
