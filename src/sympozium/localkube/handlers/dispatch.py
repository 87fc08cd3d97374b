"""Which handler a request goes to: resource verbs, subresources, and the paths that are no resources."""

from collections.abc import Awaitable, Callable

from sympozium.localkube.errors import ApiError, method_not_allowed, no_such_resource
from sympozium.localkube.handlers import (
    create,
    deletion,
    eviction,
    health,
    listing,
    openapi,
    patching,
    podsubresources,
    read,
    reviews,
    scale,
    update,
    watching,
)
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.discovery import Discovery, not_found_in, page_not_found
from sympozium.localkube.handlers.health import Counters
from sympozium.localkube.handlers.logs import NodeLogs, log
from sympozium.localkube.handlers.options import check_timeout
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.wire import Answer, Request, Stream, Tunnel

Handler = Callable[[Backend, Resource, Target, Request], Awaitable[Answer | Stream]]

VERBS: dict[str, Handler] = {
    "get": read.get,
    "list": listing.list_,
    "watch": watching.watch,
    "create": create.create,
    "update": update.update,
    "patch": patching.patch,
    "delete": deletion.delete,
    "deletecollection": deletion.delete_collection,
}
SUBRESOURCES: dict[tuple[str, str], Handler] = {
    ("status", "get"): read.get,
    ("status", "update"): update.update,
    ("status", "patch"): patching.patch,
    ("scale", "get"): scale.get,
    ("scale", "update"): scale.change,
    ("scale", "patch"): scale.change,
    ("binding", "create"): podsubresources.bind,
    ("eviction", "create"): eviction.evict,
    ("finalize", "update"): podsubresources.finalize,
}
OF_ITEMS = frozenset({"get", "update", "patch", "delete"})
STREAMS = frozenset({"exec", "attach", "portforward"})


class Dispatcher:
    def __init__(
        self,
        backend: Backend,
        discovery: Discovery,
        nodes: NodeLogs,
        counters: Counters,
        checks: dict[str, Callable[[], bool]],
    ) -> None:
        self._backend = backend
        self._discovery = discovery
        self._nodes = nodes
        self._counters = counters
        self._checks = checks

    async def dispatch(self, target: Target | None, request: Request) -> Answer | Stream | Tunnel:
        check_timeout(request, target)
        if target is None:
            parts = request.segments()
            if parts[:1] == ["openapi"] and request.method in {"GET", "HEAD"}:
                return await openapi.serve(self._backend.openapi, parts[1:], request)
            return self._path(request)
        resource = self._backend.registry.lookup(target.group, target.version, target.plural)
        if resource is None:
            return not_found_in(self._backend.registry, target.group)
        if resource.deprecation:
            request.warnings.append(resource.deprecation)
        if request.method == "HEAD":
            raise method_not_allowed()
        if target.namespace is not None and not resource.namespaced:
            raise no_such_resource()
        if target.name and resource.namespaced and target.namespace is None:
            raise no_such_resource()
        if target.subresource:
            return await self._subresource(resource, target, request)
        if target.verb not in resource.verbs or target.verb not in VERBS:
            raise method_not_allowed()
        if target.namespace is None and resource.namespaced and target.verb in {"create", "deletecollection"}:
            raise method_not_allowed()
        if bool(target.name) != (target.verb in OF_ITEMS):
            raise method_not_allowed()
        if resource.group in reviews.GROUPS:
            return await reviews.create(self._backend, resource, target, request)
        if resource.plural == "bindings" and not resource.group:
            return await self._binding(target, request)
        return await VERBS[target.verb](self._backend, resource, target, request)

    async def _subresource(
        self, resource: Resource, target: Target, request: Request
    ) -> Answer | Stream | Tunnel:
        name = target.subresource
        if resource.kind == "Pod" and not resource.group and name == "proxy":
            raise ApiError(
                501,
                "pods/proxy is not served by this API server: use kubectl port-forward",
                reason="NotImplemented",
                details={},
            )
        served = resource.subresource(name)
        if served is None or target.rest:
            raise no_such_resource()
        if target.verb not in served.verbs:
            raise method_not_allowed()
        if resource.kind == "Pod" and not resource.group and name in STREAMS:
            from sympozium.localkube.handlers.streams.connect import connect

            return await connect(self._backend, self._nodes, resource, target, request)
        if name == "log":
            return await log(self._backend, self._nodes, resource, target, request)
        if name == "token":
            return await reviews.token(self._backend, target, request)
        return await SUBRESOURCES[name, target.verb](self._backend, resource, target, request)

    async def _binding(self, target: Target, request: Request) -> Answer:
        """POST bindings: the old way to say pods/<name>/binding."""
        from dataclasses import replace

        from sympozium.localkube.bodies import read_object

        pods = self._backend.registry.lookup("", "v1", "pods")
        assert pods is not None
        name = (read_object(request, "Binding", "v1").obj.get("metadata") or {}).get("name", "")
        return await podsubresources.bind(
            self._backend, pods, replace(target, plural="pods", name=name, subresource="binding"), request
        )

    def _path(self, request: Request) -> Answer:
        parts = request.segments()
        if request.method not in {"GET", "HEAD"}:
            raise method_not_allowed()
        match parts:
            case ["healthz" | "livez" | "readyz", *rest]:
                checks = {name: probe for name, probe in self._checks.items() if not rest or name == rest[0]}
                return page_not_found() if rest and not checks else health.health(request, checks)
            case []:
                groups = [name for name in self._backend.registry.groups() if name]
                return health.root(request, groups)
            case ["version"]:
                return health.version(request)
            case ["api"]:
                return self._discovery.core(request)
            case ["api", version]:
                return self._discovery.version("", version, request)
            case ["apis"]:
                return self._discovery.groups(request)
            case ["apis", group]:
                return self._discovery.group(group, request)
            case ["apis", group, version]:
                return self._discovery.version(group, version, request)
            case ["metrics"]:
                return self._metrics()
        return page_not_found()

    def _metrics(self) -> Answer:
        store = self._backend.store
        objects = {name: store.count(name) for name in store.buckets()}
        return health.metrics(
            self._counters, revision=store.revision, objects=objects, watchers=store.watcher_count
        )
