"""Custom resources: the `TypeInfo` of one version of a CustomResourceDefinition."""

from sympozium.localkube.errors import unsupported_media_type
from sympozium.localkube.schema.cel.rules import Rules
from sympozium.localkube.schema.defaulting import apply_defaults
from sympozium.localkube.schema.equality import same
from sympozium.localkube.schema.prune import prune, unknown_fields
from sympozium.localkube.schema.structural import compile_root
from sympozium.localkube.schema.validation import ABSENT, validate
from sympozium.localkube.types import Cause, Object

_NOT_CHECKED = Cause(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


class CustomType:
    """Made once for each CRD version; a changed CRD gives a new one."""

    custom = True

    def __init__(self, spec: Object, version: Object) -> None:
        self.group: str = spec["group"]
        self.version: str = version["name"]
        self.kind: str = spec["names"]["kind"]
        self.namespaced: bool = spec["scope"] == "Namespaced"
        self.status_subresource = "status" in (version.get("subresources") or {})
        self.schema: Object = version["schema"]["openAPIV3Schema"]
        self.node = compile_root(self.schema)
        self._rules = Rules(self.node)

    def unknown_fields(self, obj: Object) -> list[str]:
        return sorted(unknown_fields(obj, self.node))

    def type_errors(self, _obj: Object) -> list[str]:
        """None: wrong types in custom resources are causes of a 422."""
        return []

    def prune(self, obj: Object) -> Object:
        prune(obj, self.node)
        return obj

    def default(self, obj: Object) -> Object:
        apply_defaults(obj, self.node)
        return obj

    def prepare_create(self, obj: Object) -> Object:
        obj["metadata"]["generation"] = 1
        if self.status_subresource:
            obj.pop("status", None)
        return obj

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> Object:
        if subresource == "status":
            return self._status_only(obj, old)
        if self.status_subresource:
            obj.pop("status", None)
            if "status" in old:
                obj["status"] = old["status"]
        apart = {"metadata", "status"} if self.status_subresource else {"metadata"}
        if not same(_without(obj, apart), _without(old, apart)):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        return obj

    @staticmethod
    def _status_only(obj: Object, old: Object) -> Object:
        made = dict(old)
        made["metadata"] = dict(old["metadata"])
        if "managedFields" in obj["metadata"]:
            made["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
        if "status" in obj:
            made["status"] = obj["status"]
        else:
            made.pop("status", None)
        return made

    def validate(
        self,
        obj: Object,
        old: Object | None,
        subresource: str = "",  # noqa: ARG002  # all of the object is valid, whichever part was written
        *,
        quick: bool = False,
        warnings: list[str] | None = None,
    ) -> list[Cause]:
        """`quick` raises HeavyError (`cel.requests`) for rules that take long; `warnings` get what is let pass."""
        before = ABSENT if old is None else old
        causes = validate(obj, before, self.node)
        if causes:
            return [*causes, _NOT_CHECKED] if self._rules else causes
        causes, passed = self._rules.evaluate(obj, before, quick=quick)
        if warnings is not None:
            warnings += passed
        return causes

    def strategic_merge(self, current: Object, patch: Object) -> Object:  # noqa: ARG002  # refused whatever they are
        """Raises ApiError 415: the schema of a custom resource has no merge keys."""
        raise unsupported_media_type(
            ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
        )


def _without(obj: Object, keys: set[str]) -> Object:
    return {key: value for key, value in obj.items() if key not in keys}
