"""Reviews and TokenRequest: resources that are answered and not stored."""

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

GROUPS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


async def create(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    form = negotiate.choose(request.accept)
    options = write_options(request, "CreateOptions")
    body = read_object(request, resource.kind, resource.api_version)
    pipeline.check_type(body.obj, resource)
    namespace = target.namespace or ""
    pipeline.check_strict(
        body,
        Write(backend=backend, resource=resource, request=request, options=options, namespace=namespace),
    )
    answered = backend.reviews.create(resource.plural, namespace, body.obj, request.user)
    return render.encode(answered, form, 201)


async def token(backend: Backend, target: Target, request: Request) -> Answer:
    """POST serviceaccounts/<name>/token."""
    form = negotiate.choose(request.accept)
    obj = read_object(request, "TokenRequest", "authentication.k8s.io/v1").obj
    if obj.get("kind") not in {None, "", "TokenRequest"}:
        raise bad_request(
            f"the object provided is unrecognized (must be of type TokenRequest): got {obj['kind']}"
        )
    made = backend.reviews.token(target.namespace or "", target.name, obj, request.user)
    return render.encode(made, form, 201)
