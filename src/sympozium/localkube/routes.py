"""The URL grammar: from method and path to what is asked.

    /api/v1/...                           the core group
    /apis/<group>/<version>/...           the named groups
      <plural>[/<name>[/<subresource>]]   cluster scope, or all namespaces
      namespaces/<ns>/<plural>[/<name>[/<subresource>]]

Everything else is a non-resource path. The attributes for the authorizer come from the URL alone: a user
without rights learns nothing about which resources exist.
"""

from dataclasses import dataclass

from sympozium.localkube.types import Attributes, UserInfo
from sympozium.localkube.wire import Request

_COLLECTION = {"GET": "list", "HEAD": "list", "POST": "create", "DELETE": "deletecollection"}
_ITEM = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a resource URL names. `namespace` is None for cluster scope or all namespaces."""

    group: str
    version: str
    plural: str
    namespace: str | None = None
    name: str = ""
    subresource: str = ""
    rest: tuple[str, ...] = ()
    """Path parts after the subresource (proxies); nothing here serves them."""
    verb: str = ""
    watched: str = ""
    """The object of the old /watch/.../<name> paths."""


def parse(request: Request) -> Target | None:
    """None for a non-resource path."""
    parts = request.segments()
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    legacy = rest[0] == "watch" and len(rest) > 1 and request.method in {"GET", "HEAD"}
    if legacy:
        # /api/v1/watch/..., deprecated since 1.11 and still served: a watch, of one object if it is named.
        rest = rest[1:]
    namespace: str | None = None
    if rest[0] == "namespaces" and len(rest) > 2 and not (not group and rest[2] in _NAMESPACE_SUBRESOURCES):
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    if legacy and len(rest) <= 2:
        return Target(
            group=group, version=version, plural=rest[0], namespace=namespace, verb="watch", watched=name
        )
    return Target(
        group=group,
        version=version,
        plural=rest[0],
        namespace=namespace,
        name=name,
        subresource=rest[2] if len(rest) > 2 else "",
        rest=tuple(rest[3:]),
        verb=_verb(request, named=bool(name)),
    )


def _verb(request: Request, *, named: bool) -> str:
    if request.method in {"GET", "HEAD"} and request.flag("watch") and not named:
        return "watch"
    table = _ITEM if named else _COLLECTION
    return table.get(request.method, request.method.lower())


def attributes(target: Target | None, request: Request, user: UserInfo) -> Attributes:
    """What the authorizer is asked."""
    if target is None:
        return Attributes(user=user, verb=request.method.lower(), path=request.path)
    name = target.name or target.watched
    fields = request.query.get("fieldSelector", "")
    if target.verb in {"list", "watch", "deletecollection"} and fields.startswith("metadata.name="):
        name = fields.removeprefix("metadata.name=").partition(",")[0]
    namespace = target.namespace or ""
    if target.plural == "namespaces" and not target.group:
        namespace = target.name
    return Attributes(
        user=user,
        verb=target.verb,
        group=target.group,
        version=target.version,
        resource=target.plural,
        subresource=target.subresource,
        namespace=namespace,
        name=name,
        field_selector=fields,
    )
