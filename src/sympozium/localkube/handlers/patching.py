"""PATCH in its four forms, on an object or its status.

A patch is a read-modify-write inside the server, done again when another write came between, unless the
patch itself names a resourceVersion. Server-side apply may create.
"""

from collections.abc import Callable
from functools import partial

import orjson

from sympozium.localkube import metadata, negotiate
from sympozium.localkube.bodies import (
    LIMIT,
    Body,
    media_type,
    read_applied,
    wrong_type_field,
)
from sympozium.localkube.depth import compact
from sympozium.localkube.errors import (
    ApiError,
    bad_request,
    conflict,
    not_found,
    too_large,
    unknown_media_type,
    unsupported_media_type,
)
from sympozium.localkube.handlers import patchbodies, pipeline, render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import write_options
from sympozium.localkube.handlers.patchbodies import APPLY, JSON_PATCH, MERGE, STRATEGIC
from sympozium.localkube.handlers.pipeline import PATCH_TRIES, Write
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.store import Entry, ExistsError, StaleError
from sympozium.localkube.types import Object
from sympozium.localkube.wire import Answer, Request


def accepted(resource: Resource) -> tuple[str, ...]:
    return (JSON_PATCH, MERGE, APPLY) if resource.custom else (JSON_PATCH, MERGE, STRATEGIC, APPLY)


async def patch(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    form = negotiate.choose(request.accept, table=True, partial=True)
    kind = media_type(request)
    if kind not in accepted(resource):
        # The routes of built-in kinds refuse other types before a handler sees them.
        raise unsupported_media_type(accepted(resource)) if resource.custom else unknown_media_type()
    if len(request.body) > LIMIT:
        raise too_large(LIMIT)
    options = write_options(request, "PatchOptions", apply=kind == APPLY)
    write = Write(
        backend=backend,
        resource=resource,
        request=request,
        options=options,
        namespace=target.namespace or "",
        subresource=target.subresource,
    )
    entry, created = await (_apply(write, target) if kind == APPLY else _patch(write, target, kind))
    answer = render.one(entry, resource, backend.presenter, form, request)
    answer.status = 201 if created else 200
    return answer


async def _patch(write: Write, target: Target, kind: str) -> tuple[Entry, bool]:
    resource, backend = write.resource, write.backend
    operations, strict = patchbodies.parse(write.request.body, kind)
    for _ in range(PATCH_TRIES):
        entry = backend.store.get(resource.bucket, write.namespace, target.name)
        if entry is None:
            raise not_found(resource.group, resource.plural, target.name)
        current = backend.presenter.fresh(entry, resource)
        patched = _transform(write, current, operations, kind)
        refuse = partial(patchbodies.refused, kind, operations, patched)
        if kind == STRATEGIC and (why := write.backend.ownership.unrestorable(write, patched)):
            raise refuse(why)
        _check_patched(write, entry, patched, refuse)
        pipeline.check_strict(Body({}, strict), write, patched=patched, refuse=refuse)
        try:
            return await pipeline.update(write, entry, patched), False
        except StaleError:
            continue
    raise conflict(resource.group, resource.plural, target.name)


def _transform(write: Write, current: Object, operations: Object | list[Object], kind: str) -> Object:
    if isinstance(operations, list):
        patched = write.backend.ownership.json_patch(current, operations)
        compact(patched)  # operations can put one value into another, deeper than each is
    elif kind == MERGE:
        patched = write.backend.ownership.merge_patch(current, operations)
    else:
        patched = write.type_info.strategic_merge(current, operations)
    if not isinstance(patched, dict):
        raise bad_request("error decoding patch: the patched object is not a JSON object")
    return patched


def _check_patched(write: Write, entry: Entry, patched: Object, refuse: Callable[[str], ApiError]) -> None:
    """Type, name and revision of what the patch gave. Raises ApiError 400, 409, 422."""
    resource = write.resource
    if wrong := wrong_type_field(patched):
        raise refuse(f"couldn't get version/kind; json parse error: {wrong}")
    pipeline.check_type(patched, resource, refuse)
    meta = metadata.metadata_of(patched)
    metadata.check_shape(meta, resource.kind)
    pipeline.check_name(meta, entry.name)
    if meta.get("resourceVersion") not in {None, "", str(entry.rev)}:
        raise conflict(resource.group, resource.plural, entry.name)


async def _apply(write: Write, target: Target) -> tuple[Entry, bool]:
    resource, backend = write.resource, write.backend
    sent = _applied(write)
    for _ in range(PATCH_TRIES):
        entry = backend.store.get(resource.bucket, write.namespace, target.name)
        try:
            if entry is None:
                return await _apply_new(write, target, orjson.loads(orjson.dumps(sent))), True
            return await _apply_to(write, entry, orjson.loads(orjson.dumps(sent))), False
        except (StaleError, ExistsError):
            continue
    raise conflict(resource.group, resource.plural, target.name)


def _applied(write: Write) -> Object:
    """The body of an apply: typed by the schema alone. Raises ApiError 400.

    The API server answers 500 for what does not fit its schema; here that is the client's mistake as well.
    """
    resource, options = write.resource, write.options
    sent, duplicates = read_applied(write.request.body)
    version, kind = (v if isinstance(v, str) else "" for v in (sent.get("apiVersion"), sent.get("kind")))
    if (version, kind) != (resource.api_version, resource.kind):
        raise bad_request(f"invalid object type: {_gvk(version, kind)}")
    meta = sent.get("metadata")
    if isinstance(meta, dict) and meta.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    wrong = write.backend.ownership.applied_errors(write, sent)
    if wrong:
        raise bad_request(f"failed to create typed patch object ({_whose(sent)}): {wrong}")
    if duplicates and options.validation != "Ignore":
        lines = [f'line {line}: key "{key}" already set in map' for key, line in duplicates]
        if options.validation == "Strict":
            text = "\n  ".join(["error converting YAML to JSON: yaml: unmarshal errors:", *lines])
            raise bad_request(f"error strict decoding YAML: {text}")
        write.request.warnings += lines
    return sent


def _gvk(version: str, kind: str) -> str:
    return f"{version if '/' in version else '/' + version}, Kind={kind}"


def _whose(sent: Object) -> str:
    meta = sent.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    where = f"{meta.get('namespace') or ''}/{meta.get('name') or ''}"
    return f"{where}; {_gvk(str(sent['apiVersion']), str(sent['kind']))}"


def _no_such_uid(write: Write, sent: Object, name: str) -> ApiError:
    return conflict(
        write.resource.group,
        write.resource.plural,
        name,
        f"uid mismatch: the provided object specified uid {sent['metadata']['uid']}, and no existing object was found",
    )


def _convert(write: Write, sent: Object, merged: Object) -> None:
    """Raises ApiError 400 for what the schema takes and a decoder does not (base64, times, quantities)."""
    wrong = write.view_info.type_errors(merged)
    if wrong:
        gvk = _gvk(write.resource.api_version, write.resource.kind)
        raise bad_request(
            f"failed to convert new object ({_whose(sent)}) to proper version: unable to convert unstructured object "
            f"to {gvk}: error decoding from json: {wrong[0]}"
        )


def _shaped(write: Write, sent: Object) -> Object:
    meta = metadata.metadata_of(sent)
    metadata.check_shape(meta, write.resource.kind)
    return meta


async def _apply_new(write: Write, target: Target, sent: Object) -> Entry:
    resource = write.resource
    if write.subresource:
        raise not_found(resource.group, resource.plural, target.name)
    if metadata.metadata_of(sent).get("uid"):
        raise _no_such_uid(write, sent, target.name)
    pipeline.check_name(_shaped(write, sent), target.name)
    sent["metadata"].pop("resourceVersion", None)
    created = write.backend.ownership.apply(write, None, sent)
    _convert(write, sent, created)
    return await pipeline.create(write, created, applied=True)


async def _apply_to(write: Write, entry: Entry, sent: Object) -> Entry:
    resource, backend = write.resource, write.backend
    meta = _shaped(write, sent)
    if meta.setdefault("name", entry.name) != entry.name:  # what is merged has the name of what is there
        pipeline.check_name(meta, entry.name)
    if sent["metadata"].get("resourceVersion") not in {None, "", str(entry.rev)}:
        raise conflict(resource.group, resource.plural, entry.name)
    sent["metadata"].pop("resourceVersion", None)
    current = backend.presenter.fresh(entry, resource)
    merged = backend.ownership.apply(write, current, sent)
    _convert(write, sent, merged)
    return await pipeline.update(write, entry, merged, applied=True)
