"""Reviews and TokenRequest: resources that are answered and not stored."""

from sympozium.localkube import negotiate
from sympozium.localkube.bodies import Body, read_object
from sympozium.localkube.errors import bad_request
from sympozium.localkube.handlers import pipeline, render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import WriteOptions, write_options
from sympozium.localkube.handlers.pipeline import Write
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.schema.builtin import definitions
from sympozium.localkube.schema.decoding import type_errors
from sympozium.localkube.schema.prune import unknown_fields
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


def _check_token_request(body: Body, options: WriteOptions, request: Request) -> None:
    """TokenRequest has no resource of its own, and so no type that the pipeline would find."""
    node = definitions().node("io.k8s.api.authentication.v1.TokenRequest")
    start = 'TokenRequest in version "v1" cannot be handled as a TokenRequest: '
    wrong = type_errors(body.obj, node, "TokenRequest")
    if wrong:
        raise bad_request(start + wrong[0])
    found = [*body.strict, *(f'unknown field "{path}"' for path in unknown_fields(body.obj, node))]
    if found and options.validation == "Strict":
        raise bad_request(f"{start}strict decoding error: {', '.join(found)}")
    if options.validation == "Warn":
        request.warnings += found


async def token(backend: Backend, target: Target, request: Request) -> Answer:
    """POST serviceaccounts/<name>/token."""
    form = negotiate.choose(request.accept)
    options = write_options(request, "CreateOptions")
    body = read_object(request, "TokenRequest", "authentication.k8s.io/v1")
    obj = body.obj
    kind, version = obj.get("kind") or "TokenRequest", obj.get("apiVersion") or "authentication.k8s.io/v1"
    if (kind, version) != ("TokenRequest", "authentication.k8s.io/v1"):
        raise bad_request(
            f'{kind} in version "{version.rpartition("/")[2]}" cannot be handled as a TokenRequest: '
            f"converting ({version}.{kind}) to (authentication.TokenRequest): unknown conversion"
        )
    _check_token_request(body, options, request)
    made = backend.reviews.token(target.namespace or "", target.name, obj, request.user)
    return render.encode(made, form, 201)
