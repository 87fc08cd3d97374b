"""The seam to schemas, patches and field ownership: what the handlers call, over what those packages offer."""

from collections.abc import Iterable
from typing import Protocol, cast

from sympozium.localkube import events, metadata
from sympozium.localkube.errors import bad_request
from sympozium.localkube.handlers.patchbodies import unrestorable
from sympozium.localkube.handlers.pipeline import Write
from sympozium.localkube.patch import jsonpatch, managed, merge
from sympozium.localkube.patch.managed import Manager
from sympozium.localkube.patch.typecheck import joined, typed_errors
from sympozium.localkube.patch.typed import UntypedError
from sympozium.localkube.resources import Resource
from sympozium.localkube.schema.custom import CustomType
from sympozium.localkube.schema.kinds import BuiltinType, builtin_type
from sympozium.localkube.schema.node import Node
from sympozium.localkube.types import Object, TypeInfo

Kind = tuple[str, str, str]


class MutableTypes:
    """All kinds that are served now. Implements `types.Types`.

    A built-in kind is made when it is first asked for. The types of a CRD stay the same objects while its
    spec does, so what was derived from them stays good.
    """

    def __init__(self, builtin: Iterable[Resource]) -> None:
        self._namespaced = {(r.group, r.version, r.kind): r.namespaced for r in builtin}
        self._builtin: dict[Kind, BuiltinType] = {}
        self._custom: dict[Kind, CustomType] = {}
        self._crds: dict[str, Object] = {}

    def get(self, group: str, version: str, kind: str) -> TypeInfo | None:
        key = (group, version, kind)
        found: TypeInfo | None = self._custom.get(key) or self._builtin.get(key)
        if found is None and key in self._namespaced:
            made = builtin_type(group, version, kind, namespaced=self._namespaced[key])
            if made is not None:
                found = self._builtin[key] = made
        return found

    def set_crd(self, crd: Object) -> None:
        """Makes the types of the served versions. Raises ValueError for a schema that cannot be compiled."""
        name, spec = crd["metadata"]["name"], crd["spec"]
        if self._crds.get(name) == spec:
            return
        made = [CustomType(spec, version) for version in spec["versions"] if version.get("served")]
        self.remove_crd(name)
        self._crds[name] = spec
        for custom in made:
            self._custom[custom.group, custom.version, custom.kind] = custom

    def custom_schema(self, group: str, version: str, kind: str) -> Object | None:
        """The `openAPIV3Schema` of a custom kind; the same object for as long as it holds."""
        found = self._custom.get((group, version, kind))
        return None if found is None else found.schema

    def remove_crd(self, name: str) -> None:
        """Forgets the types of a CRD; an unknown one is no error."""
        spec = self._crds.pop(name, None)
        if spec is None:
            return
        for version in spec["versions"]:
            self._custom.pop((spec["group"], version["name"], spec["names"]["kind"]), None)


class _Typed(Protocol):
    """What both sorts of types have beside `TypeInfo`."""

    node: Node


class Managed:
    """managedFields and patches. Implements `handlers.backend.Ownership`."""

    def record(self, write: Write, obj: Object, old: Object | None) -> None:
        if write.resource.storage_group is not None:
            # Who owns what is said of the fields that the writer sees; the metadata are the same.
            old, obj = None if old is None else events.to_new(old), events.to_new(obj)
        managed.update(old, obj, _node(write), _manager(write, obj))

    def apply(self, write: Write, current: Object | None, sent: Object) -> Object:
        try:
            return managed.apply(
                current, sent, _node(write), _manager(write, sent), force=write.options.force
            )
        except UntypedError as error:
            raise bad_request(f"failed to create typed live object: {error}") from error

    def applied_errors(self, write: Write, sent: Object) -> str:
        wrong = typed_errors(sent, _node(write))
        return joined(wrong) if wrong else ""

    def unrestorable(self, write: Write, patched: Object) -> str:
        return unrestorable(patched, _node(write))

    def json_patch(self, obj: Object, operations: list[Object]) -> Object:
        patched: Object = jsonpatch.json_patch(obj, operations)
        return patched

    def merge_patch(self, obj: Object, patch: Object) -> Object:
        merged: Object = merge.merge_patch(obj, patch)
        return merged


def _node(write: Write) -> Node:
    return cast("_Typed", write.view_info).node


def _manager(write: Write, obj: Object) -> Manager:
    """Main writes never own the status where it is a subresource, and status writes own nothing else."""
    resource = write.resource
    reset: tuple[str, ...] = ()
    if write.subresource == "status":
        reset = tuple(key for key in obj if key not in {"status", "metadata"})
        if resource.custom:
            reset = (*reset, "metadata")
    elif write.type_info.status_subresource:
        reset = ("status",)
    scale = write.manager_subresource == "scale"
    return Manager(
        name=write.options.manager,
        api_version=resource.api_version,
        time="" if scale else metadata.now(),
        view="autoscaling/v1" if scale else "",
        subresource=write.manager_subresource or write.subresource,
        reset=reset,
    )
