"""binding and eviction of pods, and the finalize subresource of namespaces."""

from dataclasses import replace

import orjson

from sympozium.localkube import metadata, negotiate
from sympozium.localkube.bodies import read_object
from sympozium.localkube.errors import ApiError, bad_request, conflict, invalid, success
from sympozium.localkube.handlers import pipeline, render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.deletion import delete
from sympozium.localkube.handlers.options import write_options
from sympozium.localkube.handlers.pipeline import PATCH_TRIES, Write
from sympozium.localkube.handlers.read import find
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.store import StaleError
from sympozium.localkube.types import Cause, Object
from sympozium.localkube.wire import Answer, Request


async def bind(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    """POST pods/<name>/binding: the pod goes to a node, once."""
    form = negotiate.choose(request.accept)
    options = write_options(request, "CreateOptions")
    binding = read_object(request, "Binding", "v1").obj
    wanted = binding.get("target") or {}
    if wanted.get("kind", "Node") not in {"", "Node"} or not wanted.get("name"):
        text = (
            "Required value"
            if not wanted.get("name")
            else 'Unsupported value: supported values: "Node", "<empty>"'
        )
        reason = "FieldValueRequired" if not wanted.get("name") else "FieldValueNotSupported"
        field = "target.name" if not wanted.get("name") else "target.kind"
        raise invalid("", "Binding", target.name, [Cause(field, reason, text)])
    write = Write(
        backend=backend,
        resource=resource,
        request=request,
        options=options,
        namespace=target.namespace or "",
        subresource="binding",
    )
    for _ in range(PATCH_TRIES):
        entry = find(backend, resource, target)
        pod = entry.object
        _check_bindable(pod, target.name, (binding.get("metadata") or {}).get("uid"))
        await backend.admission.mutate(write.admission("CREATE", target.name, binding, None))
        write.request.warnings += await backend.admission.validate(
            write.admission("CREATE", target.name, binding, None)
        )
        _bind(pod, wanted["name"], binding)
        if not options.dry_run:
            try:
                await backend.store.update(
                    resource.bucket, write.namespace, target.name, pod, expect=entry.rev
                )
            except StaleError:
                continue
        return render.encode(success(code=201), form, 201)
    raise conflict(resource.group, resource.plural, target.name)


def _check_bindable(pod: Object, name: str, uid: str | None) -> None:
    meta = pod["metadata"]
    if uid and uid != meta["uid"]:
        raise conflict("", "pods/binding", name, f"uid mismatch: {uid} is not {meta['uid']}")
    if meta.get("deletionTimestamp"):
        raise conflict("", "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
    node = pod["spec"].get("nodeName")
    if node:
        raise conflict("", "pods/binding", name, f'pod {name} is already assigned to node "{node}"')


def _bind(pod: Object, node: str, binding: Object) -> None:
    pod["spec"]["nodeName"] = node
    sent = (binding.get("metadata") or {}).get("annotations") or {}
    if sent:
        pod["metadata"].setdefault("annotations", {}).update(sent)
    condition = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": metadata.now(),
    }
    if "generation" in pod["metadata"]:
        pod["metadata"]["generation"] += 1
        condition["observedGeneration"] = pod["metadata"]["generation"]
    status = pod.setdefault("status", {})
    others = [item for item in status.get("conditions") or [] if item["type"] != "PodScheduled"]
    status["conditions"] = [*others, condition]


async def evict(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    """POST pods/<name>/eviction: marks the pod as disrupted, then deletes it.

    PodDisruptionBudgets are stored and not kept here, so one that selects the pod refuses: an eviction
    that ignored it would be worse than none.
    """
    form = negotiate.choose(request.accept)
    eviction = read_object(request, "Eviction", "policy/v1").obj
    entry = find(backend, resource, target)
    pod = backend.presenter.shared(entry, resource)
    budget = _budget(backend, pod)
    if budget:
        raise ApiError(
            429,
            "Cannot evict pod as it would violate the pod's disruption budget.",
            causes=[
                Cause(
                    "",
                    "DisruptionBudget",
                    f"The disruption budget {budget} selects the pod, and budgets are not computed here",
                )
            ],
            details={},
        )
    options = eviction.get("deleteOptions") or {}
    if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"} and not options.get("dryRun"):
        await _disrupt(backend, resource, target)
    inner = replace(
        request,
        method="DELETE",
        body=orjson.dumps(options),
        headers={**request.headers, "content-type": "application/json"},
    )
    await delete(backend, resource, replace(target, subresource="", verb="delete"), inner)
    return render.encode(success(code=201), form, 201)


async def _disrupt(backend: Backend, resource: Resource, target: Target) -> None:
    for _ in range(PATCH_TRIES):
        entry = find(backend, resource, target)
        pod = entry.object
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
            await backend.store.update(resource.bucket, entry.namespace, entry.name, pod, expect=entry.rev)
        except StaleError:
            continue
        return
    raise conflict(resource.group, resource.plural, target.name)


def _budget(backend: Backend, pod: Object) -> str:
    """The name of a budget in the pod's namespace whose selector takes the pod."""
    labels = pod["metadata"].get("labels") or {}
    for entry in backend.store.scan("policy/poddisruptionbudgets", pod["metadata"]["namespace"]):
        selector = entry.object.get("spec", {}).get("selector")
        if selector is None:
            continue
        wanted = selector.get("matchLabels") or {}
        if selector.get("matchExpressions"):
            return entry.name  # not evaluated: the careful answer
        if all(labels.get(key) == value for key, value in wanted.items()):
            return entry.name
    return ""


async def finalize(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    """PUT namespaces/<name>/finalize: sets spec.finalizers; the last one gone ends the namespace."""
    form = negotiate.choose(request.accept)
    options = write_options(request, "UpdateOptions")
    body = read_object(request, resource.kind, resource.api_version)
    pipeline.check_type(body.obj, resource)
    meta = metadata.metadata_of(body.obj)
    for _ in range(PATCH_TRIES):
        entry = find(backend, resource, target)
        if meta.get("resourceVersion") not in {None, "", str(entry.rev)}:
            raise conflict(resource.group, resource.plural, target.name)
        obj = entry.object
        wanted = (body.obj.get("spec") or {}).get("finalizers") or []
        if not all(isinstance(name, str) for name in wanted):
            raise bad_request("spec.finalizers: must be a list of strings")
        obj.setdefault("spec", {})["finalizers"] = wanted
        if not wanted:
            obj["spec"].pop("finalizers")
        if options.dry_run:
            return render.encode(obj, form)
        try:
            if pipeline.may_vanish(obj):
                gone = await backend.store.delete(
                    resource.bucket, "", target.name, expect=entry.rev, last=obj
                )
                return render.one(gone, resource, backend.presenter, form, request)
            entry = await backend.store.update(resource.bucket, "", target.name, obj, expect=entry.rev)
        except StaleError:
            continue
        return render.one(entry, resource, backend.presenter, form, request)
    raise conflict(resource.group, resource.plural, target.name)
