"""PATCH in its four forms, on an object or its status.

A patch is a read-modify-write inside the server, done again when another write came between, unless the
patch itself names a resourceVersion. Server-side apply may create.
"""

import orjson

from sympozium.localkube import events, metadata, negotiate
from sympozium.localkube.bodies import (
    LIMIT,
    Body,
    duplicate_keys,
    json_type,
    media_type,
    parse_yaml,
    wrong_type_field,
)
from sympozium.localkube.depth import compact
from sympozium.localkube.errors import (
    bad_request,
    conflict,
    invalid,
    not_found,
    too_large,
    unsupported_media_type,
)
from sympozium.localkube.handlers import pipeline, render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import write_options
from sympozium.localkube.handlers.pipeline import PATCH_TRIES, Write
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.store import Entry, ExistsError, StaleError
from sympozium.localkube.types import Cause, Object
from sympozium.localkube.wire import Answer, Request

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def accepted(resource: Resource) -> tuple[str, ...]:
    return (JSON_PATCH, MERGE, APPLY) if resource.custom else (JSON_PATCH, MERGE, STRATEGIC, APPLY)


async def patch(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    form = negotiate.choose(request.accept, table=True, partial=True)
    kind = media_type(request)
    if kind not in accepted(resource):
        raise unsupported_media_type(accepted(resource))
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
    operations, strict = _parse(write.request.body, kind)
    for _ in range(PATCH_TRIES):
        entry = backend.store.get(resource.bucket, write.namespace, target.name)
        if entry is None:
            raise not_found(resource.group, resource.plural, target.name)
        current = backend.presenter.fresh(entry, resource)
        patched = _transform(write, current, operations, kind)
        _check_patched(write, entry, patched)
        body = Body(operations if isinstance(operations, dict) else {}, strict)
        pipeline.check_strict(body, write, patched=patched, name=target.name)
        try:
            return await pipeline.update(write, entry, patched), False
        except StaleError:
            continue
    raise conflict(resource.group, resource.plural, target.name)


def _parse(raw: bytes, kind: str) -> tuple[Object | list[Object], list[str]]:
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    as_list = kind == JSON_PATCH
    if isinstance(parsed, list if as_list else dict):
        return parsed, duplicate_keys(raw, parsed)
    raise bad_request(
        f"error decoding patch: json: cannot unmarshal {json_type(parsed)} into Go value of type "
        f"{'jsonpatch.Patch' if as_list else 'map[string]interface {}'}"
    )


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


def _check_patched(write: Write, entry: Entry, patched: Object) -> None:
    """Type, name and revision of what the patch gave. Raises ApiError 400, 409."""
    resource = write.resource
    if wrong := wrong_type_field(patched):
        shown = orjson.dumps(orjson.dumps(patched).decode()).decode()
        why = f"Invalid value: {shown}: couldn't get version/kind; json parse error: {wrong}"
        raise invalid("", "", "", [Cause("patch", "FieldValueInvalid", why)])
    pipeline.check_type(patched, resource)
    meta = metadata.metadata_of(patched)
    metadata.check_shape(meta, resource.kind)
    if (meta.get("name") or entry.name) != entry.name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({entry.name})"
        )
    if meta.get("resourceVersion") not in {None, "", str(entry.rev)}:
        raise conflict(resource.group, resource.plural, entry.name)


async def _apply(write: Write, target: Target) -> tuple[Entry, bool]:
    resource, backend = write.resource, write.backend
    sent, strict = parse_yaml(write.request.body, resource.kind)
    if wrong_type_field(sent):
        version, kind = (v if isinstance(v, str) else "" for v in (sent.get("apiVersion"), sent.get("kind")))
        raise bad_request(f"invalid object type: {version if '/' in version else '/' + version}, Kind={kind}")
    meta = metadata.metadata_of(sent)
    metadata.check_shape(meta, resource.kind)
    pipeline.check_type(sent, resource)
    if (meta.setdefault("name", target.name) or target.name) != target.name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
        )
    if meta.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    pipeline.check_strict(Body(sent, strict), write)
    for _ in range(PATCH_TRIES):
        entry = backend.store.get(resource.bucket, write.namespace, target.name)
        try:
            if entry is None:
                return await _apply_new(write, orjson.loads(orjson.dumps(sent))), True
            return await _apply_to(write, entry, orjson.loads(orjson.dumps(sent))), False
        except (StaleError, ExistsError):
            continue
    raise conflict(resource.group, resource.plural, target.name)


async def _apply_new(write: Write, sent: Object) -> Entry:
    resource = write.resource
    if write.subresource:
        raise not_found(resource.group, resource.plural, sent["metadata"]["name"])
    if sent["metadata"].get("uid"):
        raise conflict(
            resource.group,
            resource.plural,
            sent["metadata"]["name"],
            f"uid mismatch: the provided object specified uid {sent['metadata']['uid']}, and no existing object was found",
        )
    sent["metadata"].pop("resourceVersion", None)
    created = write.backend.ownership.apply(write, None, sent)
    return await pipeline.create(write, created, applied=True)


async def _apply_to(write: Write, entry: Entry, sent: Object) -> Entry:
    resource, backend = write.resource, write.backend
    if sent["metadata"].get("resourceVersion") not in {None, "", str(entry.rev)}:
        raise conflict(resource.group, resource.plural, entry.name)
    sent["metadata"].pop("resourceVersion", None)
    current = backend.presenter.fresh(entry, resource)
    if resource.storage_group is not None:
        current, sent = events.to_core(current), events.to_core(sent)
    merged = backend.ownership.apply(write, current, sent)
    return await pipeline.update(write, entry, merged, applied=True)
