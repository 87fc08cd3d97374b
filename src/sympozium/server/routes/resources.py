# ruff: noqa: FAST003  (`plural` is the parameter of `kind_of`)
"""Objects of our kinds, as they are: `/api/v1/resources`, `/api/v1/namespaces/{namespace}/resources`.

A request goes to the Kubernetes API as the caller, and its answer comes from there: nothing here decides what somebody
may see or change. Writes are strict: an unknown field is refused.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Query

from sympozium.kube import Resource
from sympozium.kube.resources import Object, without_noise
from sympozium.resources import OF_PLURAL
from sympozium.server.access import Caller, CallerOf
from sympozium.server.models.base import Items, KubeObject
from sympozium.server.models.resources import Deleted, ObjectPage, Written
from sympozium.server.names import NamePath, NamespacePath, NamespaceQuery
from sympozium.server.objectevents import events_of
from sympozium.server.problems import Problem

router = APIRouter(tags=["resources"])
_MERGE: Final = "application/merge-patch+json"
_PAGE: Final = 500


def kind_of(plural: str) -> Resource:
    """Raises Problem 404 for what is no kind of ours."""
    found = OF_PLURAL.get(plural)
    if found is None:
        raise Problem(404, f"there is no kind {plural!r} here; there are: {', '.join(OF_PLURAL)}")
    return found


KindOf = Annotated[Resource, Depends(kind_of)]
DryRun = Annotated[bool, Query(alias="dryRun")]
AnyObject = Annotated[KubeObject, Body()]


@router.get("/resources/{plural}")
async def list_objects(
    caller: CallerOf,
    kind: KindOf,
    namespace: NamespaceQuery = None,
    labels: Annotated[str, Query(max_length=4096)] = "",
    fields: Annotated[str, Query(max_length=4096)] = "",
    limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    continue_: Annotated[str, Query(alias="continue", max_length=4096)] = "",
) -> ObjectPage:
    """A page of objects, of a namespace or of all. `labels` and `fields` are selectors. 410 for a `continue` that is too old."""
    query = {
        "labelSelector": labels,
        "fieldSelector": fields,
        "limit": str(limit),
        "continue": continue_,
    }
    page = await caller.kube.request("GET", kind.path(namespace), query=query)
    meta = page.get("metadata") or {}
    # Items of a list carry no type of their own.
    typed = {"apiVersion": kind.api_version, "kind": kind.kind}
    return ObjectPage.model_validate(
        {
            "items": [without_noise({**typed, **item}) for item in page.get("items") or ()],
            "continue": meta.get("continue") or "",
            "remaining": meta.get("remainingItemCount"),
        }
    )


@router.get("/namespaces/{namespace}/resources/{plural}/{name}")
async def get_object(caller: CallerOf, kind: KindOf, namespace: NamespacePath, name: NamePath) -> KubeObject:
    """One object."""
    return without_noise(await caller.kube.get(kind, name, namespace))


@router.post("/namespaces/{namespace}/resources/{plural}", status_code=201)
async def create_object(
    caller: CallerOf, kind: KindOf, namespace: NamespacePath, obj: AnyObject, *, dry_run: DryRun = False
) -> Written:
    """Create one. apiVersion and kind may be left out."""
    body = _checked(obj, kind, namespace)
    return await _write(caller, "POST", kind.path(namespace), body, dry_run=dry_run)


@router.put("/namespaces/{namespace}/resources/{plural}/{name}")
async def replace_object(
    caller: CallerOf,
    kind: KindOf,
    namespace: NamespacePath,
    name: NamePath,
    obj: AnyObject,
    *,
    dry_run: DryRun = False,
) -> Written:
    """Replace one. Its metadata.resourceVersion says what was looked at: 409 where it has changed since,
    422 without it.
    """
    body = _checked(obj, kind, namespace, name)
    return await _write(caller, "PUT", kind.path(namespace, name), body, dry_run=dry_run)


@router.patch("/namespaces/{namespace}/resources/{plural}/{name}")
async def patch_object(
    caller: CallerOf,
    kind: KindOf,
    namespace: NamespacePath,
    name: NamePath,
    patch: AnyObject,
    *,
    dry_run: DryRun = False,
) -> Written:
    """A JSON merge patch (RFC 7396). metadata.resourceVersion in it is a condition."""
    path = kind.path(namespace, name)
    return await _write(caller, "PATCH", path, patch, dry_run=dry_run, content_type=_MERGE)


@router.delete("/namespaces/{namespace}/resources/{plural}/{name}")
async def delete_object(
    caller: CallerOf,
    kind: KindOf,
    namespace: NamespacePath,
    name: NamePath,
    *,
    uid: Annotated[str, Query(max_length=64)] = "",
    dry_run: DryRun = False,
) -> Deleted:
    """Delete one, and what it owns. `uid` protects a successor of the same name (409)."""
    body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    if uid:
        body["preconditions"] = {"uid": uid}
    if dry_run:
        body["dryRun"] = ["All"]
    warnings = _listen(caller)
    answer = await caller.kube.request("DELETE", kind.path(namespace, name), body=body)
    left = None if answer.get("kind") == "Status" else without_noise(answer)
    return Deleted(object=left, warnings=warnings)


@router.get("/namespaces/{namespace}/resources/{plural}/{name}/events")
async def list_events(
    caller: CallerOf, kind: KindOf, namespace: NamespacePath, name: NamePath
) -> Items[KubeObject]:
    """Kubernetes Events about one object, newest last; of a run also those about its Job and its pods."""
    obj = await caller.kube.get(kind, name, namespace)
    return Items(items=await events_of(caller.kube, kind, obj))


async def _write(
    caller: Caller,
    method: str,
    path: str,
    body: Object,
    *,
    dry_run: bool,
    content_type: str = "application/json",
) -> Written:
    query = {
        "fieldManager": caller.kube.field_manager,
        "fieldValidation": "Strict",
        "dryRun": "All" if dry_run else "",
    }
    warnings = _listen(caller)
    answer = await caller.kube.request(method, path, body=body, query=query, content_type=content_type)
    return Written(object=without_noise(answer), warnings=warnings)


def _listen(caller: Caller) -> list[str]:
    """What admission will warn of. The client is this request's own."""
    warnings: list[str] = []
    caller.kube.on_warning = warnings.append
    return warnings


def _checked(obj: KubeObject, kind: Resource, namespace: str, name: str | None = None) -> Object:
    """The object with its type. Raises Problem 422 where it is another than the path says."""
    meta: Any = obj.get("metadata", {})
    if not isinstance(meta, dict):
        raise _invalid("metadata", "an object is expected")
    wanted: list[tuple[str, Any, str]] = [
        ("apiVersion", obj.get("apiVersion"), kind.api_version),
        ("kind", obj.get("kind"), kind.kind),
        ("metadata.namespace", meta.get("namespace"), namespace),
    ]
    if name is not None:
        wanted.append(("metadata.name", meta.get("name"), name))
    for field, said, expected in wanted:
        if said is not None and said != expected:
            raise _invalid(field, f"is {said!r}, and the path says {expected!r}")
    placed = {**meta, "namespace": namespace, **({"name": name} if name else {})}
    return {**obj, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": placed}


def _invalid(field: str, words: str) -> Problem:
    cause = {"field": field, "reason": "FieldValueInvalid", "message": words}
    return Problem(422, f"{field}: {words}", causes=[cause])
