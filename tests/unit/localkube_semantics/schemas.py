"""A CRD and small helpers that the tests of this package share."""

from typing import Any

import orjson

from sympozium.localkube.schema.custom import CustomType
from sympozium.localkube.schema.kinds import BuiltinType, builtin_type
from sympozium.localkube.types import Cause

STRING = {"type": "string"}
INTEGER = {"type": "integer"}


def spec_schema(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """openAPIV3Schema of an object whose spec has these properties."""
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties, **more}}}


def custom(schema: dict[str, Any], *, status: bool = False) -> CustomType:
    version: dict[str, Any] = {"name": "v1", "schema": {"openAPIV3Schema": schema}}
    if status:
        version["subresources"] = {"status": {}}
    spec = {"group": "example.dev", "scope": "Namespaced", "names": {"kind": "Test", "plural": "tests"}}
    return CustomType(spec, version)


def resource(spec: Any = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"apiVersion": "example.dev/v1", "kind": "Test", "metadata": {"name": "a"}}
    if spec is not None:
        made["spec"] = spec
    return {**made, **more}


def crd(*versions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "tests.example.dev"},
        "spec": {
            "group": "example.dev",
            "scope": "Namespaced",
            "names": {"plural": "tests", "kind": "Test"},
            "versions": list(versions),
            **more,
        },
    }


def version(schema: dict[str, Any], name: str = "v1", *, storage: bool = True, **more: Any) -> dict[str, Any]:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def kind(group: str, version: str, name: str) -> BuiltinType:
    found = builtin_type(group, version, name, namespaced=True)
    assert found is not None
    return found


def created(info: BuiltinType | CustomType, obj: dict[str, Any]) -> dict[str, Any]:
    """What is stored of a new object, as the handlers call it."""
    obj = copy(obj)
    obj.setdefault("metadata", {}).setdefault("uid", "u-1")
    return info.prepare_create(info.default(info.prune(obj)))


def updated(
    info: BuiltinType | CustomType, obj: dict[str, Any], old: dict[str, Any], sub: str = ""
) -> dict[str, Any]:
    return info.prepare_update(info.default(info.prune(copy(obj))), copy(old), sub)


def copy(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


def told(causes: list[Cause]) -> list[str]:
    """`field: message` of each cause."""
    return [f"{cause.field}: {cause.message}" for cause in causes]
