"""Binding of pods, and the finalize subresource of namespaces (eviction has a module of its own)."""

from sympozium.localkube import metadata, negotiate
from sympozium.localkube.bodies import read_object
from sympozium.localkube.errors import bad_request, conflict, invalid, success
from sympozium.localkube.handlers import pipeline, render
from sympozium.localkube.handlers.backend import Backend
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
    status.pop("nominatedNodeName", None)  # it has its place
    others = [item for item in status.get("conditions") or [] if item["type"] != "PodScheduled"]
    status["conditions"] = [*others, condition]


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
