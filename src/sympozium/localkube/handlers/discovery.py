"""Discovery: /api, /apis and the resource lists, plain and aggregated (KUBE-API.md 1.2).

The aggregated documents are kept until the registry changes; their ETag is a hash of the content, so a
client's cache stays good over a restart.
"""

import hashlib
from dataclasses import dataclass

import orjson

from sympozium.localkube import negotiate
from sympozium.localkube.errors import no_such_resource
from sympozium.localkube.handlers import render
from sympozium.localkube.resources import Registry, Resource, Subresource, Version
from sympozium.localkube.types import Object
from sympozium.localkube.wire import Answer, Request


@dataclass(slots=True)
class _Cached:
    generation: int
    body: bytes
    etag: str


class Discovery:
    def __init__(self, registry: Registry, address: str) -> None:
        """`address` is host:port, as clients may reach this server."""
        self._registry = registry
        self._address = address
        self._cache: dict[str, _Cached] = {}

    def core(self, request: Request) -> Answer:
        """/api"""
        form = negotiate.choose(request.accept, discovery=True)
        if form.form == "discovery":
            return self._aggregated("core", request, form)
        return render.encode(
            {
                "kind": "APIVersions",
                "versions": [version.name for version in self._registry.versions("")],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}],
            },
            form,
        )

    def groups(self, request: Request) -> Answer:
        """/apis"""
        form = negotiate.choose(request.accept, discovery=True)
        if form.form == "discovery":
            return self._aggregated("named", request, form)
        names = [name for name in self._registry.groups() if name]
        found = [_group(name, self._registry.versions(name)) for name in names]
        return render.encode({"kind": "APIGroupList", "apiVersion": "v1", "groups": found}, form)

    def group(self, name: str, request: Request) -> Answer:
        """/apis/<group>"""
        versions = self._registry.versions(name)
        if not versions or not name:
            return page_not_found()
        head = {"kind": "APIGroup", "apiVersion": "v1"}
        return render.encode({**head, **_group(name, versions)}, negotiate.choose(request.accept))

    def version(self, group: str, name: str, request: Request) -> Answer:
        """/api/v1, /apis/<group>/<version>"""
        found = next((version for version in self._registry.versions(group) if version.name == name), None)
        if found is None:
            return page_not_found()
        listed = {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{name}" if group else name,
            "resources": [item for resource in found.resources.values() for item in _listed(resource)],
        }
        return render.encode(listed, negotiate.choose(request.accept))

    def _aggregated(self, which: str, request: Request, form: negotiate.Form) -> Answer:
        cached = self._cache.get(which)
        if cached is None or cached.generation != self._registry.generation:
            body = orjson.dumps(self._document(which))
            etag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
            cached = self._cache[which] = _Cached(self._registry.generation, body, etag)
        headers = [("etag", cached.etag), ("vary", "Accept")]
        if request.headers.get("if-none-match") == cached.etag:
            return Answer(status=304, content_type=form.content_type, headers=headers)
        return Answer(body=cached.body, content_type=form.content_type, headers=headers)

    def _document(self, which: str) -> Object:
        names = [name for name in self._registry.groups() if (name == "") == (which == "core")]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": [
                {
                    "metadata": {"name": name, "creationTimestamp": None}
                    if name
                    else {"creationTimestamp": None},
                    "versions": [
                        {
                            "version": version.name,
                            "resources": [_discovered(resource) for resource in version.resources.values()],
                            "freshness": "Current",
                        }
                        for version in self._registry.versions(name)
                    ],
                }
                for name in names
            ],
        }


def page_not_found() -> Answer:
    """A path that is no API: plain text, as the API server answers."""
    return Answer(status=404, body=b"404 page not found\n", content_type="text/plain; charset=utf-8")


def not_found_in(registry: Registry, group: str) -> Answer:
    """No such resource: a Status in a known group, else the plain text. Raises ApiError."""
    if registry.versions(group):
        raise no_such_resource()
    return page_not_found()


def _group(name: str, versions: list[Version]) -> Object:
    listed = [{"groupVersion": f"{name}/{version.name}", "version": version.name} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _listed(resource: Resource) -> list[Object]:
    main: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        main["shortNames"] = list(resource.short_names)
    if resource.categories:
        main["categories"] = list(resource.categories)
    if "list" in resource.verbs:
        text = f"{resource.group}/{resource.storage_version}/{resource.kind}"
        main["storageVersionHash"] = _short_hash(text)
    return [main, *(_listed_sub(resource, sub) for sub in resource.subresources)]


def _listed_sub(resource: Resource, sub: Subresource) -> Object:
    listed: Object = {
        "name": f"{resource.plural}/{sub.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": sub.kind,
        "verbs": list(sub.verbs),
    }
    if sub.group is not None:
        listed["group"] = sub.group
        listed["version"] = sub.version
    return listed


def _short_hash(text: str) -> str:
    from base64 import b64encode

    return b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def _discovered(resource: Resource) -> Object:
    found: Object = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    if resource.subresources:
        found["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {
                    "group": resource.group if sub.group is None else sub.group,
                    "version": sub.version or resource.version,
                    "kind": sub.kind,
                },
                "verbs": list(sub.verbs),
            }
            for sub in resource.subresources
        ]
    return found
