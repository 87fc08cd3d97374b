"""POST to a collection."""

from sympozium.localkube import negotiate
from sympozium.localkube.bodies import read_object
from sympozium.localkube.errors import bad_request
from sympozium.localkube.handlers import pipeline, render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import write_options
from sympozium.localkube.handlers.pipeline import Write
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.wire import Answer, Request


async def create(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    form = negotiate.choose(request.accept, table=True, partial=True)
    if resource.namespaced and target.namespace is None:
        raise bad_request(
            "the namespace of the object must be in the URL: POST to /namespaces/<namespace>/..."
        )
    options = write_options(request, "CreateOptions")
    body = read_object(request, resource.kind, resource.api_version)
    pipeline.check_type(body.obj, resource)
    write = Write(
        backend=backend, resource=resource, request=request, options=options, namespace=target.namespace or ""
    )
    pipeline.check_strict(body, write)
    entry = await pipeline.create(write, body.obj)
    answer = render.one(entry, resource, backend.presenter, form, request)
    answer.status = 201
    return answer
