"""Nodes of built-in kinds, made when a kind is first used.

The packaged data (scripts/builtin_schemas.py) is kept as one byte string with an index; a definition is
parsed when something reaches it, and its simple leaves are shared. Descriptions are in a second file, which
only OpenAPI reads.
"""

import functools
import gzip
from importlib import resources
from typing import Any

import orjson

from sympozium.localkube.schema.node import (
    ARRAY,
    ATOMIC,
    INT_OR_STRING,
    INTEGER,
    MAP,
    OBJECT,
    QUANTITY,
    STRING,
    Node,
)
from sympozium.localkube.schema.shapes import Shape, shapes

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
OBJECT_META = _META + "ObjectMeta"
RELEASE = "1.36.0"
"""The Kubernetes release whose schemas are packaged, and which this server says it is."""
_FORMATS = {"int-or-string": INT_OR_STRING, "quantity": QUANTITY}


def _load(name: str) -> bytes:
    data = resources.files("sympozium.localkube.schema").joinpath("data", name).read_bytes()
    return gzip.decompress(data)


class Definitions:
    """All packaged definitions, and the nodes made so far."""

    def __init__(self) -> None:
        self._text = _load("builtin.jsonl.gz")
        self._index: dict[str, tuple[int, int]] = {}
        self._nodes: dict[str, Node] = {}
        self._leaves: dict[bytes, Node] = {}
        self._kinds: dict[tuple[str, str, str], str] | None = None
        start = 0
        for line in self._text.split(b"\n"):
            if line:
                tab = line.index(b"\t")
                self._index[line[:tab].decode()] = (start + tab + 1, start + len(line))
            start += len(line) + 1

    def raw(self, name: str) -> dict[str, Any]:
        """The JSON schema of a definition, parsed anew. Raises KeyError."""
        start, end = self._index[name]
        parsed: dict[str, Any] = orjson.loads(self._text[start:end])
        return parsed

    def names(self) -> list[str]:
        return list(self._index)

    def of_kind(self, group: str, version: str, kind: str) -> str | None:
        """The name of the definition of a kind."""
        if self._kinds is None:
            self._kinds = {}
            for name, (start, end) in self._index.items():
                if b"x-kubernetes-group-version-kind" not in self._text[start:end]:
                    continue
                for gvk in self.raw(name)["x-kubernetes-group-version-kind"]:
                    self._kinds[gvk["group"], gvk["version"], gvk["kind"]] = name
        return self._kinds.get((group, version, kind))

    def node(self, name: str) -> Node:
        """The node of a definition. Raises KeyError."""
        found = self._nodes.get(name)
        if found is None:
            raw = self.raw(name)
            found = Node(_type(raw), raw=raw)
            # Known before it is filled: definitions may contain themselves.
            self._nodes[name] = found
            found.name = _go_name(name)
            self._fill(found, raw)
            line = shapes().get(name)
            if line is not None and found.properties:
                found.shape = Shape(line, found.properties)
        return found

    def _fill(self, node: Node, raw: dict[str, Any]) -> None:
        node.format = raw.get("format", "")
        node.nullable = True
        node.required = tuple(raw.get("required", ()))
        node.preserve = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
        for key, inner in raw.get("properties", {}).items():
            node.properties[key] = self._place(inner)
        if isinstance(raw.get("additionalProperties"), dict):
            node.additional = self._place(raw["additionalProperties"])
        if isinstance(raw.get("items"), dict):
            node.items = self._place(raw["items"])
        self._merging(node, raw)

    def _place(self, raw: dict[str, Any]) -> Node:
        if set(raw) == {"$ref"}:
            return self.node(raw["$ref"])
        if "$ref" in raw:
            node = self.node(raw["$ref"]).copy()
            self._merging(node, raw)
            return node
        if raw.get("type") in {OBJECT, ARRAY}:
            node = Node(_type(raw), raw=raw)
            self._fill(node, raw)
            return node
        key = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
        leaf = self._leaves.get(key)
        if leaf is None:
            leaf = self._leaves[key] = Node(_type(raw), raw=raw)
            self._fill(leaf, raw)
        return leaf

    @staticmethod
    def _merging(node: Node, raw: dict[str, Any]) -> None:
        if "x-kubernetes-list-type" in raw:
            node.list_type = raw["x-kubernetes-list-type"]
            node.map_keys = tuple(raw.get("x-kubernetes-list-map-keys", ()))
        if node.list_type == MAP and not node.map_keys:
            node.list_type = ATOMIC
        if "x-kubernetes-map-type" in raw:
            node.map_type = raw["x-kubernetes-map-type"]
        node.merge_key = raw.get("x-kubernetes-patch-merge-key", node.merge_key)
        if "x-kubernetes-patch-strategy" in raw:
            node.strategies = tuple(raw["x-kubernetes-patch-strategy"].split(","))


def _type(raw: dict[str, Any]) -> str:
    """`integer` and the like; quantities and int-or-string have types of their own."""
    if raw.get("type") == STRING:
        return _FORMATS.get(raw.get("format", ""), STRING)
    found = raw.get("type", "")
    return INTEGER if found == INTEGER else str(found)


def _go_name(definition: str) -> str:
    """`v1.PodSpec` of `io.k8s.api.core.v1.PodSpec`."""
    return ".".join(definition.split(".")[-2:])


@functools.cache
def definitions() -> Definitions:
    """The packaged definitions, loaded at the first call (about 150 kB)."""
    return Definitions()


def descriptions() -> dict[str, dict[str, str]]:
    """Definition -> {"" or property: text}. Read from the package at each call: few need it."""
    return _lines("descriptions.jsonl.gz")


def published() -> dict[str, dict[str, Any]]:
    """Definition -> {"" or path: what OpenAPI says more: `default`, `enum`, `oneOf`, and `text` about the enum}."""
    return _lines("published.jsonl.gz")


def _lines(file: str) -> dict[str, dict[str, Any]]:
    found = {}
    for line in _load(file).split(b"\n"):
        if line:
            name, _, text = line.partition(b"\t")
            found[name.decode()] = orjson.loads(text)
    return found
