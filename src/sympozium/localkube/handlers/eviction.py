"""POST pods/<name>/eviction: a deletion that PodDisruptionBudgets may refuse.

https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/#how-api-initiated-eviction-works
"""

import datetime as dt
from dataclasses import replace

import orjson

from sympozium.localkube import disruptions, metadata, negotiate
from sympozium.localkube.bodies import read_object
from sympozium.localkube.errors import ApiError, bad_request, conflict, forbidden, success
from sympozium.localkube.handlers import render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.deletion import delete
from sympozium.localkube.handlers.options import write_options
from sympozium.localkube.handlers.pipeline import PATCH_TRIES, Write
from sympozium.localkube.handlers.read import find
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.store import MissingError, StaleError
from sympozium.localkube.types import Cause, Object
from sympozium.localkube.wire import Answer, Request

BUDGETS = "policy/poddisruptionbudgets"
MESSAGE = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


async def evict(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    """201 when the pod is going. Raises ApiError: 429 the budget refuses, 500 two budgets, 404."""
    form = negotiate.choose(request.accept)
    options = write_options(request, "CreateOptions")
    eviction = read_object(request, "Eviction", "policy/v1").obj
    named = (eviction.get("metadata") or {}).get("name") or target.name
    if named != target.name:
        raise bad_request("name in URL does not match name in Eviction object")
    entry = find(backend, resource, target)
    pod = backend.presenter.shared(entry, resource)
    asked = Write(
        backend=backend,
        resource=resource,
        request=request,
        options=options,
        namespace=target.namespace or "",
        subresource="eviction",
    ).admission("CREATE", target.name, eviction, None)
    request.warnings.extend((await backend.admission.mutate(asked)).warnings)
    request.warnings.extend(await backend.admission.validate(asked))
    delete_options: Object = dict(eviction.get("deleteOptions") or {})
    if options.dry_run and not delete_options.get("dryRun"):
        delete_options["dryRun"] = ["All"]
    dry_run = bool(delete_options.get("dryRun"))
    pinned = False
    if not _ignores_budgets(pod):
        pinned = await _ask_budget(backend, pod, dry_run=dry_run)
    if not dry_run:
        revision = await _disrupt(backend, resource, target, delete_options, entry.rev if pinned else None)
        preconditions = delete_options.get("preconditions") or {}
        if pinned or preconditions.get("resourceVersion"):
            delete_options["preconditions"] = {**preconditions, "resourceVersion": str(revision)}
    inner = replace(
        request,
        method="DELETE",
        body=orjson.dumps(delete_options),
        headers={**request.headers, "content-type": "application/json"},
    )
    await delete(backend, resource, replace(target, subresource="", verb="delete"), inner)
    return render.encode(success(code=201), form, 201)


def _ignores_budgets(pod: Object) -> bool:
    """What has ended, or not begun, or is going anyway disturbs nobody."""
    phase = (pod.get("status") or {}).get("phase", "Pending")
    return phase in {"Succeeded", "Failed", "Pending"} or bool(pod["metadata"].get("deletionTimestamp"))


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def _ask_budget(backend: Backend, pod: Object, *, dry_run: bool) -> bool:
    """Takes a disruption off the pod's budget; whether the pod must still be as it was read."""
    meta = pod["metadata"]
    for _ in range(PATCH_TRIES):
        found = [
            entry
            for entry in backend.store.scan(BUDGETS, meta["namespace"])
            if disruptions.selects(entry.object, pod)
        ]
        if len(found) > 1:
            raise ApiError(500, SEVERAL, reason="", details=None)
        if not found:
            return False
        entry = found[0]
        budget = entry.object
        if not _is_ready(pod) and disruptions.tolerates_unready(budget):
            return True
        _check(budget)
        if dry_run:
            return False
        status = disruptions.spend(budget["status"], meta["name"], dt.datetime.now(dt.UTC))
        try:
            await backend.store.update(
                BUDGETS, entry.namespace, entry.name, {**budget, "status": status}, expect=entry.rev
            )
        except (StaleError, MissingError):
            continue
        return False
    why = f'couldn\'t update PodDisruptionBudget "{entry.name}" due to conflicts'
    raise ApiError(504, f"Timeout: {why}", reason="Timeout", details={}, retry_after=10)


def _check(budget: Object) -> None:
    """Raises ApiError 429 when the budget allows nothing."""
    status, meta = budget.get("status") or {}, budget["metadata"]
    if (status.get("observedGeneration") or 0) < (meta.get("generation") or 0):
        text = f"The disruption budget {meta['name']} is still being processed by the server."
        raise _too_many(text, retry_after=10)
    if len(status.get("disruptedPods") or ()) > disruptions.MAX_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden("policy", "poddisruptionbudget", meta["name"], why)
    why = disruptions.refusal(budget)
    if why:
        raise _too_many(why)


def _too_many(why: str, *, retry_after: int = 0) -> ApiError:
    return ApiError(
        429, MESSAGE, causes=[Cause("", "DisruptionBudget", why)], details={}, retry_after=retry_after
    )


async def _disrupt(
    backend: Backend, resource: Resource, target: Target, options: Object, pinned: int | None
) -> int:
    """Writes the condition DisruptionTarget; the pod's revision after it."""
    preconditions = options.get("preconditions") or {}
    for _ in range(PATCH_TRIES):
        entry = find(backend, resource, target)
        pod = entry.object
        _preconditions(pod, preconditions, pinned, entry.rev)
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
            "lastProbeTime": None,
            "lastTransitionTime": metadata.now(),
        }
        status = pod.setdefault("status", {})
        others = [item for item in status.get("conditions") or [] if item["type"] != "DisruptionTarget"]
        status["conditions"] = [*others, condition]
        try:
            stored = await backend.store.update(
                resource.bucket, entry.namespace, entry.name, pod, expect=entry.rev
            )
        except StaleError:
            continue
        return stored.rev
    raise conflict(resource.group, resource.plural, target.name)


def _preconditions(pod: Object, preconditions: Object, pinned: int | None, revision: int) -> None:
    uid, wanted = preconditions.get("uid"), preconditions.get("resourceVersion")
    name, known = pod["metadata"]["name"], pod["metadata"]["uid"]
    if uid and uid != known:
        why = f"the UID in the precondition ({uid}) does not match the UID in record ({known}). The object might have been deleted and then recreated"
        raise conflict("", "Pod", name, why)
    if wanted and wanted != str(revision):
        why = f"the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({revision}). The object might have been modified"
        raise conflict("", "Pod", name, why)
    if pinned is not None and pinned != revision:
        # It may have become ready since, and then its budget would have had a word.
        raise _too_many("The pod changed while its disruption budget was looked at.", retry_after=10)
