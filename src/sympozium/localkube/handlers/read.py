"""GET of one object."""

from sympozium.localkube import negotiate
from sympozium.localkube.errors import not_found
from sympozium.localkube.handlers import render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.listing import reach
from sympozium.localkube.handlers.options import revision
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.store import Entry
from sympozium.localkube.wire import Answer, Request


def find(backend: Backend, resource: Resource, target: Target) -> Entry:
    """The stored object that a URL names. Raises ApiError 404."""
    entry = backend.store.get(resource.bucket, target.namespace or "", target.name)
    if entry is None:
        raise not_found(resource.group, resource.plural, target.name)
    return entry


async def get(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    form = negotiate.choose(request.accept, table=True, partial=True)
    at = revision(request.query.get("resourceVersion", ""))
    if at:
        await reach(backend.store, at)
    return render.one(find(backend, resource, target), resource, backend.presenter, form, request)
