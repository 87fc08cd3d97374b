"""DELETE of one object and of a collection.

Admission, then preconditions, then grace (pods on a node), then finalizers. An object with finalizers or a
grace period stays, marked; the garbage collector, the node or whoever owns the finalizer takes it away
later (KUBE-API.md 2, "Deletion").
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sympozium.localkube import metadata, negotiate
from sympozium.localkube.bodies import read_options
from sympozium.localkube.errors import (
    bad_request,
    conflict,
    details_of,
    invalid_options,
    not_found,
    success,
)
from sympozium.localkube.handlers import render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import WriteOptions, dry_run_causes, list_options, whole_number
from sympozium.localkube.handlers.pipeline import PATCH_TRIES, Write, to_storage
from sympozium.localkube.handlers.read import find
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.schema.builtin import definitions
from sympozium.localkube.schema.decoding import type_errors
from sympozium.localkube.store import Entry, MissingError, StaleError
from sympozium.localkube.types import Cause, Object
from sympozium.localkube.wire import Answer, Request

POLICIES = ("Foreground", "Background", "Orphan")
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
JOB_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set"
    " propagationPolicy=Orphan to suppress this warning"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """`policy` and `grace` are None where the client did not say."""

    policy: str | None
    grace: int | None
    uid: str | None
    revision: str | None
    dry_run: bool
    raw: Object


def delete_options(request: Request) -> DeleteOptions:
    """From the body and the query; the body wins. Raises ApiError 400, 422."""
    body = read_options(request)
    # A body, even an empty object, is all: the query then says nothing.
    query = {} if request.body.strip() else request.query
    kind, version = body.get("kind") or "DeleteOptions", body.get("apiVersion") or "v1"
    if kind != "DeleteOptions":
        raise bad_request(
            f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
        )
    wrong = type_errors(body, definitions().node(_DELETE_OPTIONS), "DeleteOptions")
    if wrong:
        raise bad_request(wrong[0])
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    policy = body.get("propagationPolicy", query.get("propagationPolicy"))
    orphan = body.get("orphanDependents", query.get("orphanDependents"))
    dry_run = body.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    causes = [cause for value in dry_run for cause in dry_run_causes(value)]
    if policy is not None and orphan is not None:
        causes.append(
            Cause(
                "propagationPolicy",
                "FieldValueInvalid",
                f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set',
            )
        )
    if policy is not None and policy not in POLICIES:
        supported = ", ".join(f'"{word}"' for word in (*POLICIES, "nil"))
        causes.append(
            Cause(
                "propagationPolicy",
                "FieldValueNotSupported",
                f'Unsupported value: "{policy}": supported values: {supported}',
            )
        )
    if causes:
        raise invalid_options("DeleteOptions", causes)
    if orphan is not None:
        policy = "Orphan" if orphan in {True, "true", "1"} else "Background"
    preconditions = body.get("preconditions") or {}
    return DeleteOptions(
        policy=policy,
        grace=_seconds(grace),
        uid=preconditions.get("uid"),
        revision=preconditions.get("resourceVersion"),
        dry_run=bool(dry_run),
        raw={"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", **{k: v for k, v in body.items() if k not in {"kind", "apiVersion"}}},
    )  # fmt: skip


_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"


def _seconds(value: object) -> int | None:
    if value is None:
        return None
    number = whole_number(str(value))
    if number is None:
        raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    return max(number, 0)


async def delete(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    form = negotiate.choose(request.accept, table=True, partial=True)
    options = delete_options(request)
    write = _write(backend, resource, request, target.namespace or "", options)
    for _ in range(PATCH_TRIES):
        entry = find(backend, resource, target)
        try:
            left = await _delete(write, entry, options)
        except StaleError:
            continue
        except MissingError as error:
            raise not_found(resource.group, resource.plural, target.name) from error
        if left is not None:
            return render.one(left, resource, backend.presenter, form, request)
        uid = entry.object["metadata"]["uid"]
        details = details_of(resource.group, resource.plural, target.name, uid)
        return render.encode(success(details=details), replace(form, form="object"))
    raise conflict(resource.group, resource.plural, target.name)


def _write(
    backend: Backend, resource: Resource, request: Request, namespace: str, options: DeleteOptions
) -> Write:
    plain = WriteOptions(
        kind="DeleteOptions", dry_run=options.dry_run, manager="", validation="Ignore", force=False
    )
    return Write(backend=backend, resource=resource, request=request, options=plain, namespace=namespace)


async def delete_collection(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    """Deletes what matches the selectors, one by one; answers with the list of what was there."""
    form = negotiate.choose(request.accept, table=True, partial=True)
    options = delete_options(request)
    chosen = list_options(request, resource, watch=False)
    presenter, store = backend.presenter, backend.store
    found = [
        entry
        for entry in store.scan(resource.bucket, target.namespace)
        if not chosen.selective or chosen.matches(presenter.shared(entry, resource))
    ]
    for first in found:
        entry: Entry | None = first
        write = _write(backend, resource, request, first.namespace, options)
        while entry is not None:
            try:
                await _delete(write, entry, options)
            except StaleError:
                entry = store.get(resource.bucket, first.namespace, first.name)
                continue
            except MissingError:
                pass  # somebody else was faster: it is gone, which is what was asked
            break
    return await render.many(
        found, {"resourceVersion": str(store.revision)}, resource, presenter, form, request
    )


async def _delete(write: Write, entry: Entry, options: DeleteOptions) -> Entry | None:
    """None when the object is gone, else the state in which it stays. Raises StaleError, MissingError."""
    resource, backend = write.resource, write.backend
    obj = backend.presenter.fresh(entry, resource)
    _preconditions(obj, resource, options)
    asked = write.admission("DELETE", entry.name, None, obj, options.raw)
    write.request.warnings += (await backend.admission.mutate(asked)).warnings
    write.request.warnings += await backend.admission.validate(asked)
    if resource.kind == "Namespace" and resource.group == "":
        changed = _mark_namespace(obj)
    else:
        changed = _mark(obj, write, options)
    meta = obj["metadata"]
    if meta.get("finalizers") or meta.get("deletionGracePeriodSeconds") or _namespace_waits(obj):
        if not changed:
            return entry
        return await _keep(write, entry, obj)
    if not options.dry_run:
        await backend.store.delete(resource.bucket, entry.namespace, entry.name, expect=entry.rev)
    return None


async def _keep(write: Write, entry: Entry, obj: Object) -> Entry:
    import orjson

    stored = to_storage(obj, write.resource)
    if write.options.dry_run:
        return Entry(entry.namespace, entry.name, entry.rev, orjson.dumps(stored))
    return await write.backend.store.update(
        write.resource.bucket, entry.namespace, entry.name, stored, expect=entry.rev
    )


def _preconditions(obj: Object, resource: Resource, options: DeleteOptions) -> None:
    meta = obj["metadata"]
    why = ""
    if options.uid is not None and options.uid != meta["uid"]:
        why = f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). The object might have been deleted and then recreated"
    elif options.revision is not None and options.revision != meta["resourceVersion"]:
        why = f"the ResourceVersion in the precondition ({options.revision}) does not match the ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified"
    if why:
        raise conflict(resource.group, resource.kind, meta["name"], why)


def _mark(obj: Object, write: Write, options: DeleteOptions) -> bool:
    """Sets deletionTimestamp, grace and the propagation finalizers; whether anything changed."""
    meta = obj["metadata"]
    before = (meta.get("finalizers"), meta.get("deletionTimestamp"), meta.get("deletionGracePeriodSeconds"))
    finalizers = _finalizers(obj, write, options)
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    grace = _grace(obj, write.resource, options)
    first = not meta.get("deletionTimestamp")
    if first or grace < meta.get("deletionGracePeriodSeconds", 0):
        meta["deletionTimestamp"] = _later(meta, grace, first=first)
        meta["deletionGracePeriodSeconds"] = grace
    if first and "generation" in meta:
        meta["generation"] += 1
    return before != (
        meta.get("finalizers"),
        meta.get("deletionTimestamp"),
        meta.get("deletionGracePeriodSeconds"),
    )


def _later(meta: Object, grace: int, *, first: bool) -> str:
    start = datetime.now(UTC)
    if not first:
        # A shorter grace counts from when the deletion began.
        begun = datetime.fromisoformat(meta["deletionTimestamp"])
        start = begun - timedelta(seconds=meta.get("deletionGracePeriodSeconds", 0))
    return (start + timedelta(seconds=grace)).strftime("%Y-%m-%dT%H:%M:%SZ")


MAX_GRACE = 2**31 - 1
"""Seconds; a date must still be one that can be written."""


def _grace(obj: Object, resource: Resource, options: DeleteOptions) -> int:
    """Seconds that a pod on a node has to end; everything else goes at once."""
    if resource.kind != "Pod" or resource.group:
        return 0
    if not obj.get("spec", {}).get("nodeName") or obj.get("status", {}).get("phase") in {
        "Succeeded",
        "Failed",
    }:
        return 0
    if options.grace is not None:
        return min(options.grace, MAX_GRACE)
    already = obj["metadata"].get("deletionGracePeriodSeconds")
    if already is not None:
        return int(already)
    return min(int(obj["spec"].get("terminationGracePeriodSeconds", 30)), MAX_GRACE)


def _finalizers(obj: Object, write: Write, options: DeleteOptions) -> list[str]:
    """What keeps the object: its own finalizers, and one for orphaning or foreground deletion."""
    resource = write.resource
    current: list[str] = list(obj["metadata"].get("finalizers") or [])
    policy = options.policy
    if policy is None and resource.kind == "Job" and resource.group == "batch" and not current:
        policy = "Orphan"
        write.request.warnings.append(JOB_WARNING)
    if policy is not None:
        current = [name for name in current if name not in {ORPHAN, FOREGROUND}]
        wanted = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(policy)
        if wanted:
            current.append(wanted)
    begins = not obj["metadata"].get("deletionTimestamp")
    if resource.kind == "CustomResourceDefinition" and begins and CRD_FINALIZER not in current:
        current.append(CRD_FINALIZER)
    return current


def _mark_namespace(obj: Object) -> bool:
    """A namespace is Terminating until its contents are gone and it is finalized."""
    meta = obj["metadata"]
    if meta.get("deletionTimestamp"):
        return False
    meta["deletionTimestamp"] = metadata.now()
    meta["deletionGracePeriodSeconds"] = 0
    obj.setdefault("status", {})["phase"] = "Terminating"
    return True


def _namespace_waits(obj: Object) -> bool:
    return obj["kind"] == "Namespace" and bool(obj.get("spec", {}).get("finalizers"))
