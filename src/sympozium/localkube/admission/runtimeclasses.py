"""RuntimeClass: a pod that names one gets its overhead, node selector and tolerations.

https://kubernetes.io/docs/concepts/containers/runtime-class/ - whether the node has the handler is the node's to say.
"""

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.errors import ApiError, forbidden
from sympozium.localkube.types import AdmissionRequest, Object
from sympozium.quantities import parse

GROUP = "node.k8s.io"


def mutate(request: AdmissionRequest, objects: Objects) -> None:
    """Changes `request.obj` of a new pod. Raises ApiError 403 for an unknown class or a contradiction."""
    if (request.group, request.resource, request.subresource) != ("", "pods", ""):
        return
    if request.operation != "CREATE" or request.obj is None:
        return
    spec = request.obj["spec"]
    name = spec.get("runtimeClassName")
    found = objects.get(GROUP, "runtimeclasses", "", name) if name else None
    if name and found is None:
        raise _refused(request, f'pod rejected: RuntimeClass "{name}" not found')
    _overhead(request, spec, found)
    if found is not None:
        _scheduling(request, spec, found.get("scheduling") or {})


def _overhead(request: AdmissionRequest, spec: Object, found: Object | None) -> None:
    fixed = ((found or {}).get("overhead") or {}).get("podFixed")
    given = spec.get("overhead")
    if given and not fixed:
        why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        raise _refused(request, why)
    if fixed:
        if given and _amounts(given) != _amounts(fixed):
            why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            raise _refused(request, why)
        spec["overhead"] = dict(fixed)


def _amounts(resources: Object) -> Object:
    return {name: parse(value) for name, value in resources.items()}


def _scheduling(request: AdmissionRequest, spec: Object, scheduling: Object) -> None:
    selector = scheduling.get("nodeSelector") or {}
    own = spec.get("nodeSelector") or {}
    for key, value in selector.items():
        if own.get(key, value) != value:
            raise _refused(
                request,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {own[key]}",
            )
    if selector:
        spec["nodeSelector"] = {**own, **selector}
    present = spec.get("tolerations") or []
    added = [toleration for toleration in scheduling.get("tolerations") or () if toleration not in present]
    if added:
        spec["tolerations"] = [*present, *added]


def _refused(request: AdmissionRequest, why: str) -> ApiError:
    meta = (request.obj or {}).get("metadata") or {}
    return forbidden("", "pods", request.name or meta.get("generateName", ""), why)
