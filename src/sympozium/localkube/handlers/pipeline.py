"""What every write passes on its way to the store.

decode -> strict errors -> prune -> default -> admission mutates -> prune, default -> validate -> admission
validates -> store. The order is the API server's (KUBE-API.md 2); the parts belong to `schema`,
`defaults`, `patch` and `admission`. A write that changes nothing is not stored and gives no event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import orjson

from sympozium.cel.requests import decided
from sympozium.localkube import events, metadata
from sympozium.localkube.bodies import Body, unrecognized
from sympozium.localkube.defaults.eventrules import new_causes
from sympozium.localkube.errors import (
    ApiError,
    already_exists,
    bad_request,
    conflict,
    internal,
    invalid,
    not_found,
)
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import WriteOptions
from sympozium.localkube.resources import Resource
from sympozium.localkube.schema.builtin import definitions
from sympozium.localkube.store import Entry, ExistsError, MissingError
from sympozium.localkube.types import AdmissionRequest, Cause, Object, TypeInfo
from sympozium.localkube.wire import Request

GENERATE_TRIES = 8
PATCH_TRIES = 6
CRD = "CustomResourceDefinition"


@dataclass(slots=True, kw_only=True)
class Write:
    """One write: who, to what, with which options. `namespace` is "" for cluster-scoped objects."""

    backend: Backend
    resource: Resource
    request: Request
    options: WriteOptions
    namespace: str
    subresource: str = ""
    manager_subresource: str = ""
    """The subresource that managedFields name when it is another one (scale writes the object itself)."""

    @property
    def type_info(self) -> TypeInfo:
        return self.backend.presenter.type_of(self.resource)

    @property
    def view_info(self) -> TypeInfo:
        """The type as the client sees it; `type_info` is of what is stored."""
        return self.backend.presenter.view_of(self.resource)

    def admission(
        self, operation: str, name: str, obj: Object | None, old: Object | None, options: Object | None = None
    ) -> AdmissionRequest:
        return AdmissionRequest(
            user=self.request.user,
            operation=operation,
            group=self.resource.group,
            version=self.resource.version,
            kind=self.resource.kind,
            resource=self.resource.plural,
            subresource=self.subresource,
            namespace=self.namespace,
            name=name,
            obj=obj,
            old=old,
            options=self.options.as_object() if options is None else options,
            dry_run=self.options.dry_run,
        )


def check_type(obj: Object, resource: Resource, refuse: Callable[[str], ApiError] | None = None) -> None:
    """Kind and apiVersion of a body against the URL. Raises ApiError 400.

    `refuse` words what is no kind at all, where the object came of a patch.

    Built-in kinds may leave them out; custom resources may not.
    """
    kind, version = obj.get("kind") or "", obj.get("apiVersion") or ""
    if resource.custom and not (kind and version):
        missing = "Object 'Kind' is missing" if not kind else "Object 'apiVersion' is missing"
        raise bad_request(f"{missing} in '{orjson.dumps(obj).decode()[:200]}'")
    if version.count("/") > 1:
        raise unrecognized(resource.kind, f"unexpected GroupVersion string: {version}", orjson.dumps(obj))
    version, kind = version or resource.api_version, kind or resource.kind
    if (version, kind) != (resource.api_version, resource.kind):
        if resource.custom and kind == resource.kind:
            raise _wrong_version(version, resource)
        raise _cannot_handle(kind, version, resource, refuse)
    obj["kind"], obj["apiVersion"] = resource.kind, resource.api_version


def _wrong_version(version: str, resource: Resource) -> Exception:
    return bad_request(
        f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
    )


def _cannot_handle(
    kind: str, version: str, resource: Resource, refuse: Callable[[str], ApiError] | None
) -> Exception:
    """Another kind: one that the server knows cannot be converted, others it does not know at all."""
    group, _, number = version.rpartition("/")
    if resource.custom:
        why = f"converting ({version}.{kind}) to ({resource.api_version}.{resource.kind}): unknown conversion"
    elif definitions().of_kind(group, number, kind) is None:
        why = f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
        if refuse is not None:
            return refuse(why)
    elif kind == resource.kind:
        return _wrong_version(version, resource)
    else:
        # Go's names: the package of a versioned type is its version, that of an internal one its group.
        internal = (resource.group if resource.storage_group is None else "").partition(".")[0] or "core"
        why = f"converting ({number}.{kind}) to ({internal}.{resource.kind}): unknown conversion"
    return bad_request(f'{kind} in version "{number}" cannot be handled as a {resource.kind}: {why}')


def check_strict(
    body: Body,
    write: Write,
    *,
    patched: Object | None = None,
    refuse: Callable[[str], ApiError] | None = None,
) -> None:
    """Types and unknown or duplicate fields: refuses, warns or is silent, as fieldValidation says.

    `patched` is the object that a patch gave, and `refuse` words the error about it.
    """
    resource, type_info = write.resource, write.view_info
    obj = body.obj if patched is None else patched
    if refuse is None:
        refuse = partial(_unreadable, resource)
    wrong = type_info.type_errors(obj)
    if wrong:
        raise refuse(", ".join(wrong))
    if write.options.validation == "Ignore":
        return
    unknown = [f'unknown field "{path}"' for path in type_info.unknown_fields(obj)]
    found = [*body.strict, *unknown]
    if not found:
        return
    if write.options.validation == "Warn":
        write.request.warnings.extend(found)
        return
    if body.yaml and body.strict:
        found = ["\n  ".join(["yaml: unmarshal errors:", *body.strict]), *unknown]
    raise refuse("strict decoding error: " + ", ".join(found))


def _unreadable(resource: Resource, why: str) -> ApiError:
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
    )


def check_name(meta: Object, name: str) -> None:
    """The name in an object against the URL's. Raises ApiError 400."""
    if not meta.get("name"):
        raise bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if meta["name"] != name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )


def to_storage(obj: Object, resource: Resource) -> Object:
    """The form that is stored: the storage version, kind and apiVersion first."""
    if resource.storage_group is not None:
        obj = events.to_core(obj)
        version = resource.storage_version
    elif resource.custom:
        version = f"{resource.group}/{resource.storage_version}"
    else:
        version = resource.api_version
    rest = {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
    return {"kind": resource.kind, "apiVersion": version, **rest}


async def create(write: Write, obj: Object, *, applied: bool = False) -> Entry:
    """Stores a new object whose metadata is not yet the server's. Raises ApiError.

    `applied` says that managedFields are already those of a server-side apply.
    """
    resource, type_info = write.resource, write.type_info
    if resource.storage_group is not None:
        obj = events.to_core(obj)
    obj = type_info.prune(obj)
    namespace = write.namespace if resource.namespaced else None
    metadata.prepare_create(obj, resource, namespace, dry_run=write.options.dry_run)
    write.request.warnings += metadata.unify_owners(obj, late=applied)
    generated = not obj["metadata"].get("name") or _is_generated(obj["metadata"])
    obj = type_info.default(obj)
    if not applied:
        write.backend.ownership.record(write, obj, None)
    obj = await _admit(write, "CREATE", type_info.prepare_create(obj), None)
    await _validate(write, obj, None)
    write.request.warnings += await write.backend.admission.validate(
        write.admission("CREATE", obj["metadata"]["name"], obj, None)
    )
    write.request.warnings += metadata.finalizer_warnings(obj)
    if resource.kind == CRD:
        obj = write.backend.customs.complete(obj)
    return await _store_new(write, obj, generated=generated)


def _is_generated(meta: Object) -> bool:
    prefix = str(meta.get("generateName") or "")[:58]
    name = str(meta["name"])
    return bool(prefix) and name.startswith(prefix) and len(name) == len(prefix) + 5


async def _store_new(write: Write, obj: Object, *, generated: bool) -> Entry:
    resource, store = write.resource, write.backend.store
    for _ in range(GENERATE_TRIES if generated else 1):
        name = obj["metadata"]["name"]
        stored = to_storage(obj, resource) if resource.storage_group is None else obj
        if write.options.dry_run:
            if store.get(resource.bucket, write.namespace, name) is not None:
                raise already_exists(resource.group, resource.plural, name)
            return Entry(write.namespace, name, 0, orjson.dumps(stored))
        try:
            return await store.create(resource.bucket, write.namespace, name, stored)
        except ExistsError:
            if generated:
                obj["metadata"]["name"] = metadata.generated(obj["metadata"]["generateName"])
    raise already_exists(resource.group, resource.plural, obj["metadata"]["name"])


async def update(write: Write, entry: Entry, obj: Object, *, applied: bool = False) -> Entry:
    """Replaces `entry` by `obj`, which came from a client. Raises ApiError, StaleError.

    `applied` says that managedFields are already those of a server-side apply.
    """
    resource, type_info, backend = write.resource, write.type_info, write.backend
    old = entry.object if resource.storage_group is not None else backend.presenter.fresh(entry, resource)
    if resource.storage_group is not None:
        obj = events.to_core(obj)
    obj = type_info.prune(obj)
    namespace = write.namespace if resource.namespaced else None
    patched = write.request.method == "PATCH"
    metadata.prepare_update(obj, old, resource, entry.name, namespace, patched=patched)
    obj["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    write.request.warnings += metadata.unify_owners(obj, late=patched)
    obj = type_info.default(obj)
    if not applied:
        backend.ownership.record(write, obj, old)
    obj = await _admit(write, "UPDATE", type_info.prepare_update(obj, old, write.subresource), old)
    await _validate(write, obj, old)
    write.request.warnings += await backend.admission.validate(
        write.admission("UPDATE", entry.name, obj, old)
    )
    if resource.kind == CRD:
        obj = backend.customs.complete(obj)
    if unchanged(obj, old):
        return entry
    return await _store_changed(write, entry, obj)


async def _store_changed(write: Write, entry: Entry, obj: Object) -> Entry:
    resource, store = write.resource, write.backend.store
    stored = to_storage(obj, resource) if resource.storage_group is None else obj
    if write.options.dry_run:
        return Entry(entry.namespace, entry.name, entry.rev, orjson.dumps(stored))
    try:
        if may_vanish(stored):
            return await store.delete(
                resource.bucket, entry.namespace, entry.name, expect=entry.rev, last=stored
            )
        return await store.update(resource.bucket, entry.namespace, entry.name, stored, expect=entry.rev)
    except MissingError as error:
        raise not_found(resource.group, resource.plural, entry.name) from error


def may_vanish(obj: Object) -> bool:
    """An object that is being deleted goes with the update that takes its last finalizer."""
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return False
    return not (obj["kind"] == "Namespace" and obj.get("spec", {}).get("finalizers"))


def unchanged(obj: Object, old: Object) -> bool:
    """Whether nothing but the time in managedFields differs; `obj` then gets the old times."""
    new_fields, old_fields = obj["metadata"].get("managedFields"), old["metadata"].get("managedFields")
    if new_fields != old_fields:
        if _timeless(new_fields) != _timeless(old_fields):
            return False
        obj["metadata"]["managedFields"] = old_fields
    return obj == old


def _timeless(entries: Any) -> Any:
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries or ()]


async def _admit(write: Write, operation: str, obj: Object, old: Object | None) -> Object:
    """The mutating half of admission; what it changed is pruned and defaulted again.

    Nobody owns what plugins and webhooks change, as on the real server.
    """
    type_info = write.type_info
    before = orjson.dumps(obj)
    result = await write.backend.admission.mutate(
        write.admission(operation, obj["metadata"].get("name", ""), obj, old)
    )
    write.request.warnings += result.warnings
    obj = obj if result.obj is None else result.obj
    if orjson.dumps(obj) == before:
        return obj
    _check_mutated(write, obj, orjson.loads(before))
    obj = type_info.default(type_info.prune(obj))
    if old is None:
        obj = type_info.prepare_create(obj)
    else:
        obj = type_info.prepare_update(obj, old, write.subresource)
    metadata.tidy(obj)
    return obj


def _check_mutated(write: Write, obj: Object, before: Object) -> None:
    """What plugins, policies and webhooks must not do. Raises ApiError: 500 for other types, 400 for another place."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict):
        raise internal("admission left an object without metadata")
    wrong = write.type_info.type_errors(obj)
    if wrong:
        raise internal(", ".join(wrong))
    if write.resource.namespaced and (meta.get("namespace") or write.namespace) != write.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    # These are the server's: whatever was written over them does not count.
    for key in (
        "uid",
        "creationTimestamp",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ):
        if key in before["metadata"]:
            meta[key] = before["metadata"][key]
        else:
            meta.pop(key, None)
    metadata.check_shape(meta, write.resource.kind)
    obj["kind"], obj["apiVersion"] = before["kind"], before["apiVersion"]


class _Custom(Protocol):
    """What the types of custom resources have beside `TypeInfo`: rules, which may take long."""

    def validate(
        self, obj: Object, old: Object | None, subresource: str, *, quick: bool, warnings: list[str]
    ) -> list[Cause]: ...


class _Builtin(Protocol):
    """What built-in kinds have beside `TypeInfo`: things that they warn of."""

    def warnings(self, obj: Object, old: Object | None, subresource: str) -> list[str]: ...


async def _validate(write: Write, obj: Object, old: Object | None) -> None:
    causes = metadata.validate(obj, old, write.resource)
    if write.type_info.custom:
        custom = cast("_Custom", write.type_info)
        warnings: list[str] = []

        def held(quick: bool) -> list[Cause]:
            warnings.clear()
            return custom.validate(obj, old, write.subresource, quick=quick, warnings=warnings)

        causes += await decided(held)
        write.request.warnings += warnings
    else:
        causes += (
            write.type_info.validate(obj, old, write.subresource)
            if write.resource.storage_group is None
            else new_causes(obj, old)
        )
    metadata.refuse(obj, write.resource, causes)
    if not write.type_info.custom:
        builtin = cast("_Builtin", write.type_info)
        write.request.warnings += builtin.warnings(obj, old, write.subresource)


def check_revision(write: Write, entry: Entry, obj: Object) -> None:
    """The resourceVersion of an update. Raises ApiError 409, and 422 where one is needed."""
    resource = write.resource
    sent = metadata.metadata_of(obj).get("resourceVersion") or ""
    if not sent or sent == "0":
        if not resource.unconditional_update:
            raise invalid(
                resource.group,
                resource.plural,  # the API server's registry knows no kind here
                entry.name,
                [
                    Cause(
                        "metadata.resourceVersion",
                        "FieldValueInvalid",
                        "Invalid value: 0: must be specified for an update",
                    )
                ],
            )
    elif sent != str(entry.rev):
        raise conflict(resource.group, resource.plural, entry.name)
