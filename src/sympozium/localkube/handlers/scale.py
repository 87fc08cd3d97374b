"""The scale subresource: an autoscaling/v1 Scale as a view on two fields of an object."""

from typing import Any

import orjson

from sympozium.localkube import negotiate
from sympozium.localkube.bodies import LIMIT, json_type, media_type, read_applied, read_object
from sympozium.localkube.depth import compact
from sympozium.localkube.errors import (
    ApiError,
    bad_request,
    conflict,
    invalid,
    too_large,
    unsupported_media_type,
)
from sympozium.localkube.handlers import pipeline, render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import write_options
from sympozium.localkube.handlers.patchbodies import APPLY, JSON_PATCH, MERGE, STRATEGIC
from sympozium.localkube.handlers.pipeline import PATCH_TRIES, Write
from sympozium.localkube.handlers.read import find
from sympozium.localkube.patch.typecheck import joined, typed_errors
from sympozium.localkube.resources import Resource, ScalePaths
from sympozium.localkube.routes import Target
from sympozium.localkube.schema.builtin import definitions
from sympozium.localkube.selectors import lookup
from sympozium.localkube.store import StaleError
from sympozium.localkube.types import Cause, Object
from sympozium.localkube.wire import Answer, Request


def scale_of(obj: Object, paths: ScalePaths) -> Object:
    """The Scale object. The selector of built-in kinds is written out as text."""
    meta = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = lookup(obj, paths.selector) if paths.selector else None
    status: Object = {"replicas": lookup(obj, paths.status) or 0}
    if selector:
        status["selector"] = selector if isinstance(selector, str) else _text(selector)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": lookup(obj, paths.spec) or 0},
        "status": status,
    }


def _text(selector: Any) -> str:
    labels = selector.get("matchLabels", selector) if isinstance(selector, dict) else {}
    return ",".join(
        f"{key}={value}" for key, value in sorted((labels or {}).items()) if isinstance(value, str)
    )


async def get(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    assert resource.scale is not None
    form = negotiate.choose(request.accept)
    obj = backend.presenter.shared(find(backend, resource, target), resource)
    return render.encode(scale_of(obj, resource.scale), form)


async def change(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    """PUT and PATCH."""
    assert resource.scale is not None
    form = negotiate.choose(request.accept)
    apply = request.method == "PATCH" and media_type(request) == APPLY
    kind = "PatchOptions" if request.method == "PATCH" else "UpdateOptions"
    options = write_options(request, kind, apply=apply)
    write = Write(
        backend=backend,
        resource=resource,
        request=request,
        options=options,
        namespace=target.namespace or "",
        manager_subresource="scale",
    )
    for _ in range(PATCH_TRIES):
        entry = find(backend, resource, target)
        obj = backend.presenter.fresh(entry, resource)
        wanted = _wanted(scale_of(obj, resource.scale), request, write)
        sent = (wanted.get("metadata") or {}).get("resourceVersion")
        if sent not in {None, "", str(entry.rev)}:
            raise conflict(resource.group, resource.plural, target.name)
        replicas = _replicas(wanted, target.name)
        if apply:
            applied: Object = {"apiVersion": resource.api_version, "kind": resource.kind}
            if (wanted.get("spec") or {}).get("replicas") is not None:
                _set(applied, resource.scale.spec, replicas)
            obj = backend.ownership.apply(write, obj, applied)
        else:
            _set(obj, resource.scale.spec, replicas)
        try:
            entry = await pipeline.update(write, entry, obj, applied=apply)
        except StaleError:
            continue
        return render.encode(scale_of(backend.presenter.shared(entry, resource), resource.scale), form)
    raise conflict(resource.group, resource.plural, target.name)


def _wanted(current: Object, request: Request, write: Write) -> Object:
    """The Scale that the client wants."""
    if request.method == "PUT":
        return _checked(read_object(request, "Scale", "autoscaling/v1").obj)
    kind = media_type(request)
    if len(request.body) > LIMIT:
        raise too_large(LIMIT)
    if kind == APPLY:
        return _applied(request.body, write)
    if kind not in {JSON_PATCH, MERGE, STRATEGIC}:
        raise unsupported_media_type((JSON_PATCH, MERGE, STRATEGIC, APPLY))
    try:
        patch = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    compact(patch)
    if kind == JSON_PATCH and isinstance(patch, list):
        return _checked(write.backend.ownership.json_patch(current, patch))
    if kind != JSON_PATCH and isinstance(patch, dict):
        # A Scale has no lists, so a strategic merge is a merge.
        return _checked(write.backend.ownership.merge_patch(current, patch))
    raise bad_request("error decoding patch: it does not have the JSON type that its content type says")


def _applied(raw: bytes, write: Write) -> Object:
    """The Scale of an apply, which says its type and nothing that a Scale has not."""
    sent, _ = read_applied(raw)
    if (sent.get("apiVersion"), sent.get("kind")) != ("autoscaling/v1", "Scale"):
        version, kind = str(sent.get("apiVersion") or ""), str(sent.get("kind") or "")
        raise bad_request(f"invalid object type: {version if '/' in version else '/' + version}, Kind={kind}")
    wrong = typed_errors(sent, definitions().node("io.k8s.api.autoscaling.v1.Scale"))
    if wrong:
        raise bad_request(
            f"failed to create typed patch object ({write.namespace}/{(sent.get('metadata') or {}).get('name', '')}; "
            f"autoscaling/v1, Kind=Scale): {joined(wrong)}"
        )
    return _checked(sent)


def _checked(scale: Any) -> Object:
    """A Scale of the types that it must have. Raises ApiError 400."""
    if not isinstance(scale, dict):
        raise bad_request("error decoding patch: the patched object is not a JSON object")
    version, kind = scale.get("apiVersion") or "autoscaling/v1", scale.get("kind") or "Scale"
    if (version, kind) != ("autoscaling/v1", "Scale"):
        raise bad_request(
            f"the API version in the data ({version}, Kind={kind}) does not match the expected API version "
            "(autoscaling/v1, Kind=Scale)"
        )
    for field in ("metadata", "spec"):
        if not isinstance(scale.get(field, {}), dict | None):
            raise _wrong_type(
                scale[field], f"Scale.{field}", "v1.ScaleSpec" if field == "spec" else "v1.ObjectMeta"
            )
    replicas = (scale.get("spec") or {}).get("replicas")
    if replicas is not None and (type(replicas) is not int or not -(2**31) <= replicas < 2**31):
        raise _wrong_type(replicas, "ScaleSpec.spec.replicas", "int32")
    return scale


def _wrong_type(value: Any, field: str, wanted: str) -> ApiError:
    shown = f"number {value}" if type(value) in {int, float} else json_type(value)
    return bad_request(
        f'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal {shown} into Go struct '
        f"field {field} of type {wanted}"
    )


def _replicas(scale: Object, name: str) -> int:
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid("autoscaling", "Scale", name, [Cause("spec.replicas", "FieldValueInvalid", text)])
    return replicas


def _set(obj: Object, path: str, value: int) -> None:
    *parents, last = path.split(".")
    for part in parents:
        obj = obj.setdefault(part, {})
    obj[last] = value
