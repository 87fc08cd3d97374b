"""Server-side apply of one object of any kind, as kubectl does it, and strictly: unknown fields are refused."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from sympozium.actions.discovery import by_kind
from sympozium.actions.errors import UsageError
from sympozium.kube import Client, Resource
from sympozium.kube.resources import Object

What = Literal["created", "configured", "unchanged"]
_APPLY: Final = "application/apply-patch+yaml"
_OF_THE_SERVER: Final = frozenset({"managedFields", "resourceVersion", "generation"})


@dataclass(frozen=True, slots=True)
class Applied:
    """An object as it is now, and what became of it."""

    obj: Object
    what: What


async def apply(
    client: Client, obj: Object, *, namespace: str, force: bool = False, dry_run: bool = False
) -> Applied:
    """`namespace` is that of objects that name none; `force` takes fields that others manage.

    An object with `generateName` is created. Raises MissingError for a kind that is not served, UsageError, KubeError.
    """
    meta = metadata(obj)
    resource = await by_kind(client, str(obj.get("apiVersion")), str(obj.get("kind")))
    scope = scope_of(resource, meta, namespace)
    query = {"fieldManager": client.field_manager, "fieldValidation": "Strict"}
    if dry_run:
        query["dryRun"] = "All"
    if "name" not in meta:
        return Applied(await client.request("POST", resource.path(scope), body=obj, query=query), "created")
    path = resource.path(scope, meta["name"])
    before = await client.find(resource, meta["name"], scope)
    query["force"] = "true" if force else "false"
    after = await client.request("PATCH", path, body=obj, query=query, content_type=_APPLY)
    return Applied(after, _what_happened(before, after))


def metadata(obj: Any) -> Object:
    """Raises UsageError for what is no object of Kubernetes."""
    meta = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(meta, dict) or not all(isinstance(obj.get(key), str) for key in ("apiVersion", "kind")):
        raise UsageError("an object needs apiVersion, kind and metadata")
    for key in ("name", "generateName", "namespace"):
        if key in meta and not (isinstance(meta[key], str) and meta[key]):
            raise UsageError(f"metadata.{key} is not text")
    if "name" not in meta and "generateName" not in meta:
        raise UsageError("metadata.name is missing")
    return meta


def scope_of(resource: Resource, meta: Object, namespace: str) -> str | None:
    """The namespace that the object goes to; None for a kind without."""
    return str(meta.get("namespace") or namespace) if resource.namespaced else None


def _what_happened(before: Object | None, after: Object) -> What:
    if before is None:
        return "created"
    return "unchanged" if _content(before) == _content(after) else "configured"


def _content(obj: Object) -> Object:
    """What somebody could have meant to change. A dry run changes no resourceVersion, so that cannot tell."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in _OF_THE_SERVER}
    return {**obj, "metadata": meta}
