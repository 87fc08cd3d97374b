"""GET (WebSocket) and POST (SPDY) of pods/exec, pods/attach and pods/portforward.

In kube-apiserver's order: parameters, admission (operation CONNECT), the right to *create* the subresource (a
WebSocket's GET asks for `get` alone, which would let readers run commands), pod, container, node, upgrade.
"""

from urllib.parse import quote

from sympozium.localkube import errors
from sympozium.localkube.errors import ApiError, bad_request, not_found
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.logs import NodeLogs, endpoint
from sympozium.localkube.handlers.read import find
from sympozium.localkube.handlers.streams import options
from sympozium.localkube.handlers.streams.options import StreamOptions
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target, attributes
from sympozium.localkube.types import AdmissionRequest, Object
from sympozium.localkube.wire import Answer, Request, Tunnel

PATHS = {"exec": "exec", "attach": "attach", "portforward": "portForward"}


async def connect(
    backend: Backend, nodes: NodeLogs, resource: Resource, target: Target, request: Request
) -> Answer | Tunnel:
    """Raises ApiError."""
    asked = options.parse(target.subresource, request.query_string)
    await _admit(backend, target, request, asked)
    _authorize(backend, target, request)
    pod = backend.presenter.shared(find(backend, resource, target), resource)
    path = f"/{PATHS[target.subresource]}/{quote(target.namespace or '')}/{quote(target.name)}"
    if target.subresource != "portforward":
        path += f"/{quote(_container(pod, asked.container))}"
    node = pod["spec"].get("nodeName")
    if not node:
        raise bad_request(f"pod {target.name} does not have a host assigned")
    entry = backend.store.get("/nodes", "", node)
    if entry is None:
        raise not_found("", "pods", node)  # as kube-apiserver words it: the request is about pods
    if not _wants_upgrade(request):
        raise bad_request("Upgrade request required")
    host, port = endpoint(entry.object, node)
    try:
        streams = await nodes.connect(host, port)
    except (OSError, TimeoutError) as exc:
        why = exc.strerror or str(exc) or "i/o timeout"
        raise ApiError(
            500, f"error dialing backend: dial tcp {host}:{port}: connect: {why.lower()}", reason=""
        ) from exc
    query = asked.kubelet_query()
    return await nodes.tunnels.open(
        streams, request.method, f"{path}?{query}" if query else path, request.headers
    )


async def _admit(backend: Backend, target: Target, request: Request, asked: StreamOptions) -> None:
    def review() -> AdmissionRequest:
        return AdmissionRequest(
            user=request.user, operation="CONNECT", group="", version="v1", kind=asked.kind, resource="pods",
            subresource=target.subresource, namespace=target.namespace or "", name=target.name,
            obj=asked.as_object(), old=None, options={}, dry_run=False,
        )  # fmt: skip

    request.warnings += (await backend.admission.mutate(review())).warnings
    request.warnings += await backend.admission.validate(review())


def _authorize(backend: Backend, target: Target, request: Request) -> None:
    if target.verb == "create":
        return
    from dataclasses import replace

    decision = backend.authorizer.authorize(replace(attributes(target, request, request.user), verb="create"))
    if not decision.allowed:
        raise errors.forbidden("", "pods", target.name, decision.reason)


def _container(pod: Object, asked: str) -> str:
    """The container that is meant. The annotation with a default is the client's affair. Raises ApiError 400."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    main = [container["name"] for container in spec.get("containers") or ()]
    others = [container["name"] for container in spec.get("initContainers") or ()]
    every = [*others, *main, *(container["name"] for container in spec.get("ephemeralContainers") or ())]
    if asked:
        if asked not in every:
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(main) == 1:
        return str(main[0])
    raise bad_request(
        f"a container name must be specified for pod {name}, choose one of: [{' '.join(every)}]"
    )


def _wants_upgrade(request: Request) -> bool:
    tokens = {token.strip().lower() for token in request.headers.get("connection", "").split(",")}
    return "upgrade" in tokens and bool(request.headers.get("upgrade"))
