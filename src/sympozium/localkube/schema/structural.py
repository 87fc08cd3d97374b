"""Nodes of a custom resource's schema.

The CRD was checked when it was stored (`crdcheck`), so this trusts its shape. At the root and at embedded
resources, apiVersion, kind and metadata exist whether the schema names them or not, and what the schema
says about metadata is only validation: it is neither pruned nor defaulted by it.
"""

from typing import Any

import orjson

from sympozium.localkube.schema.builtin import OBJECT_META, definitions
from sympozium.localkube.schema.checks import compile_checks
from sympozium.localkube.schema.node import ANY, ATOMIC, GRANULAR, INT_OR_STRING, OBJECT, STRING, Node

Schema = dict[str, Any]


def compile_root(schema: Schema) -> Node:
    """The node of a whole custom resource from `schema.openAPIV3Schema`."""
    return _compile({**schema, "type": OBJECT}, resource=True)


def compile_value(schema: Schema) -> Node:
    """The node of one place, to look at a default."""
    return _compile(schema)


def _compile(schema: Schema, *, resource: bool = False) -> Node:
    node = Node(_type(schema), raw=schema)
    node.format = schema.get("format", "")
    node.nullable = bool(schema.get("nullable"))
    node.preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    node.embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    node.required = tuple(schema.get("required") or ())
    node.list_type = schema.get("x-kubernetes-list-type", ATOMIC)
    node.map_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    node.map_type = schema.get("x-kubernetes-map-type", GRANULAR)
    if "default" in schema:
        node.default = orjson.dumps(schema["default"])
    for key, inner in (schema.get("properties") or {}).items():
        node.properties[key] = _compile(inner)
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        node.additional = _compile(additional)
    elif additional is True:
        node.additional = Node(ANY)
    if isinstance(schema.get("items"), dict):
        node.items = _compile(schema["items"])
    if resource or node.embedded:
        _own(node, root=resource)
    node.checks = compile_checks(schema, node.type)
    node.fills = any(child.default is not None or child.fills for child in _children(node))
    return node


def _own(node: Node, *, root: bool) -> None:
    """What every resource has."""
    for key in ("apiVersion", "kind"):
        node.properties.setdefault(key, Node(STRING, raw={"type": STRING}))
    declared = node.properties.get("metadata")
    meta = definitions().node(OBJECT_META).copy()
    if declared is not None:
        # The schema may restrict name and generateName; its defaults do not count.
        meta.raw = declared.raw
        meta.checks = declared.checks
        meta.properties = {**meta.properties}
        for key in ("name", "generateName"):
            if key in declared.properties:
                meta.properties[key] = declared.properties[key]
    node.properties["metadata"] = meta
    if not root:
        node.required = tuple(dict.fromkeys((*node.required, "apiVersion", "kind")))


def _children(node: Node) -> list[Node]:
    found = list(node.properties.values())
    return found + [child for child in (node.additional, node.items) if child is not None]


def _type(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    return str(schema.get("type", ANY))
