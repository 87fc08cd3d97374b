"""PUT of an object or of its status or finalizers."""

from sympozium.localkube import metadata, negotiate
from sympozium.localkube.bodies import read_object
from sympozium.localkube.errors import conflict
from sympozium.localkube.handlers import pipeline, render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import write_options
from sympozium.localkube.handlers.pipeline import PATCH_TRIES, Write
from sympozium.localkube.handlers.read import find
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.store import StaleError
from sympozium.localkube.types import Object
from sympozium.localkube.wire import Answer, Request


async def update(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    form = negotiate.choose(request.accept, table=True, partial=True)
    options = write_options(request, "UpdateOptions")
    body = read_object(request, resource.kind, resource.api_version)
    pipeline.check_type(body.obj, resource)
    write = Write(
        backend=backend,
        resource=resource,
        request=request,
        options=options,
        namespace=target.namespace or "",
        subresource=target.subresource,
    )
    pipeline.check_strict(body, write)
    meta = metadata.metadata_of(body.obj)
    metadata.check_shape(meta, resource.kind)
    pipeline.check_name(meta, target.name)
    missing = backend.store.get(resource.bucket, write.namespace, target.name) is None
    if missing and resource.create_on_update and not target.subresource:
        return await _create(write, body.obj, target, form)
    for _ in range(PATCH_TRIES):
        entry = find(backend, resource, target)
        pipeline.check_revision(write, entry, body.obj)
        try:
            entry = await pipeline.update(write, entry, _copy(body.obj))
        except StaleError:
            continue  # with a resourceVersion the next round refuses, without one it writes over
        return render.one(entry, resource, backend.presenter, form, request)
    raise conflict(resource.group, resource.plural, target.name)


def _copy(obj: Object) -> Object:
    import orjson

    copied: Object = orjson.loads(orjson.dumps(obj))
    return copied


async def _create(write: Write, obj: Object, target: Target, form: negotiate.Form) -> Answer:
    """PUT of what does not exist yet, for the kinds that allow it (Lease)."""
    obj["metadata"]["name"] = target.name
    obj["metadata"].pop("resourceVersion", None)
    entry = await pipeline.create(write, obj)
    answer = render.one(entry, write.resource, write.backend.presenter, form, write.request)
    answer.status = 201
    return answer
