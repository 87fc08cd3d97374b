"""/openapi: an index with one OpenAPI 3.0 document a group-version (v3), and all of it as Swagger 2.0 (v2).

kubectl asks the index which group-versions there are and what hash each document has, and keeps documents
by hash. It reads schemas for `explain`, and from the PATCH operation of a kind whether `fieldValidation` and
`dryRun` are understood. Documents are made when they are asked for; they hold the descriptions, so only their
gzipped bytes are kept.
"""

import gzip
import hashlib
from collections.abc import Iterator
from typing import Any, Protocol

import orjson

from sympozium.localkube.resources import Registry, Resource
from sympozium.localkube.schema import gnostic
from sympozium.localkube.schema.builtin import OBJECT_META, RELEASE, definitions
from sympozium.localkube.schema.openapipaths import paths
from sympozium.localkube.schema.openapischemas import (
    LIST_META,
    META,
    builtin_schemas,
    custom_list,
    custom_name,
    custom_schema,
)
from sympozium.localkube.schema.swagger import swagger

_COMMON = (OBJECT_META, LIST_META, META + "DeleteOptions", META + "Patch", META + "Status")
Schema = dict[str, Any]


class CustomSchemas(Protocol):
    """Where schemas of custom kinds come from."""

    def custom_schema(self, group: str, version: str, kind: str) -> Schema | None: ...


class OpenAPI:
    """What is served under /openapi. Everything follows the registry: a changed CRD changes a hash."""

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

    def swagger(self, *, protobuf: bool) -> tuple[bytes, str]:
        """The one document of /openapi/v2 and its hash, the same for both of its encodings."""
        listed = list(self._group_versions())
        digest = hashlib.sha256("".join(self._digest(*item) for item in listed).encode()).hexdigest().upper()
        key = "v2 protobuf" if protobuf else "v2 json"
        kept = self._kept.get(key)
        if kept is not None and kept[2] == digest:
            return gzip.decompress(kept[1]), digest
        document = swagger((self._build(resources) for _, resources in listed), f"v{RELEASE}")
        body = gnostic.encode(document) if protobuf else orjson.dumps(document)
        self._kept[key] = (None, gzip.compress(body, compresslevel=1), digest)
        return body, digest

    def _build(self, resources: list[Resource]) -> Schema:
        schemas: dict[str, Schema] = {}
        found: dict[str, Schema] = {}
        roots = list(_COMMON)
        for resource in resources:
            name = _builtin_name(resource)
            if name is None:
                name = custom_name(resource)
                schemas[name] = custom_schema(self._custom(resource) or {}, resource)
                listed = name.removesuffix(resource.kind) + resource.list_kind
                schemas[listed] = custom_list(name, resource)
            else:
                roots.append(name)
                if (of_list := _builtin_name(resource, resource.list_kind)) is not None:
                    roots.append(of_list)
            subs = _of_subresources(resource)
            roots += subs.values()
            found.update(paths(resource, name, subs))
        schemas.update(builtin_schemas(roots, resources[0].group))
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": RELEASE.rpartition(".")[0]},
            "paths": dict(sorted(found.items())),
            "components": {
                "schemas": dict(sorted(schemas.items())),
                "securitySchemes": {
                    "BearerToken": {
                        "type": "apiKey",
                        "description": "Bearer Token authentication",
                        "name": "authorization",
                        "in": "header",
                    }
                },
            },
        }


def _builtin_name(resource: Resource, kind: str = "") -> str | None:
    return definitions().of_kind(resource.group, resource.version, kind or resource.kind)


def _of_subresources(resource: Resource) -> dict[tuple[str, str, str], str]:
    """The schemas of Scale, Eviction, TokenRequest and other bodies of subresources."""
    found = {}
    for sub in resource.subresources:
        group = resource.group if sub.group is None else sub.group
        gvk = (group, sub.version or resource.version, sub.kind)
        name = None if sub.name == "log" else definitions().of_kind(*gvk)
        if name is not None:
            found[gvk] = name
    return found
