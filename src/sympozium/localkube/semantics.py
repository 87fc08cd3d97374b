"""What the handlers call of schemas, patches and defaults: the seam between HTTP and meaning.

`MutableTypes` has the kinds, `Managed` the patches and the owners of fields. Everything is pure but for
the clock that managedFields are stamped with.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.patch import managed
from sympozium.localkube.patch.jsonpatch import json_patch
from sympozium.localkube.patch.merge import merge_patch
from sympozium.localkube.resources import Registry
from sympozium.localkube.schema.custom import CustomType
from sympozium.localkube.schema.kinds import BuiltinType, builtin_type
from sympozium.localkube.schema.openapi import OpenAPI
from sympozium.localkube.types import Object

if TYPE_CHECKING:
    from sympozium.localkube.handlers.pipeline import Write

__all__ = ["Managed", "MutableTypes", "json_patch", "make_openapi", "make_types"]

_NAMESPACED = {(r.group, r.kind): r.namespaced for r in BUILTIN}


class MutableTypes:
    """All kinds. Built-in ones are made when first asked for; custom ones come and go with their CRDs."""

    def __init__(self) -> None:
        self._builtin: dict[tuple[str, str, str], BuiltinType | None] = {}
        self._custom: dict[tuple[str, str, str], CustomType] = {}

    def get(self, group: str, version: str, kind: str) -> BuiltinType | CustomType | None:
        key = (group, version, kind)
        custom = self._custom.get(key)
        if custom is not None:
            return custom
        if key not in self._builtin:
            namespaced = _NAMESPACED.get((group, kind))
            if namespaced is None:
                return None
            self._builtin[key] = builtin_type(group, version, kind, namespaced=namespaced)
        return self._builtin[key]

    def set_crd(self, crd: Object) -> None:
        """Serves the versions of a CRD that was validated. A version that did not change keeps its type."""
        spec = crd["spec"]
        versions = {version["name"]: version for version in spec["versions"] if version.get("served")}
        for key in [key for key in self._custom if key[::2] == (spec["group"], spec["names"]["kind"])]:
            if key[1] not in versions:
                del self._custom[key]
        for name, version in versions.items():
            key = (spec["group"], name, spec["names"]["kind"])
            known = self._custom.get(key)
            status = "status" in (version.get("subresources") or {})
            if (
                known is None
                or known.schema != version["schema"]["openAPIV3Schema"]
                or known.status_subresource != status
            ):
                self._custom[key] = CustomType(spec, version)

    def remove_crd(self, crd: Object) -> None:
        spec = crd["spec"]
        for version in spec["versions"]:
            self._custom.pop((spec["group"], version["name"], spec["names"]["kind"]), None)

    def custom_schema(self, group: str, version: str, kind: str) -> Object | None:
        """`openAPIV3Schema` of a served custom kind."""
        found = self._custom.get((group, version, kind))
        return None if found is None else found.schema


def make_types() -> MutableTypes:
    return MutableTypes()


def make_openapi(types: MutableTypes, registry: Registry) -> OpenAPI:
    return OpenAPI(registry, types)


class Managed:
    """`handlers.backend.Ownership`: managedFields for each kind of write, and the patches without a schema."""

    def record(self, write: "Write", obj: Object, old: Object | None) -> None:
        """Writes into `obj` who owns what this create, PUT or patch changed against `old`."""
        info = _type_of(write)
        managed.update(old, obj, info.node, _manager(write, info))

    def apply(self, write: "Write", current: Object | None, sent: Object) -> Object:
        """Server-side apply: the merged object with its managedFields. Raises ApiError 409."""
        info = _type_of(write)
        return managed.apply(current, sent, info.node, _manager(write, info), force=write.options.force)

    def json_patch(self, obj: Object, operations: list[Object]) -> Object:
        patched: Object = json_patch(obj, operations)
        return patched

    def merge_patch(self, obj: Object, patch: Object) -> Object:
        patched: Object = merge_patch(obj, patch)
        return patched


def _type_of(write: "Write") -> BuiltinType | CustomType:
    info = write.type_info
    assert isinstance(info, BuiltinType | CustomType)
    return info


def _manager(write: "Write", info: BuiltinType | CustomType) -> managed.Manager:
    reset: tuple[str, ...] = ()
    if write.subresource == "status":
        reset = ("spec", "metadata") if info.custom else ("spec",)
    elif info.status_subresource:
        reset = ("status",)
    return managed.Manager(
        name=write.options.manager,
        api_version=write.resource.api_version,
        time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        subresource=write.subresource,
        reset=reset,
    )
