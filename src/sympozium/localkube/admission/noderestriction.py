"""NodeRestriction: a node writes itself and its own pods, whatever its role allows.

Its part on tokens is in `access.tokenrequest`, where the bound pod is looked up anyway.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from sympozium.localkube.access.noderole import LEASES, node_name
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.errors import ApiError, forbidden
from sympozium.localkube.types import AdmissionRequest, Object

RESTRICTED_LABELS = "node-restriction.kubernetes.io/"


def check(request: AdmissionRequest, objects: Objects) -> None:
    """Raises ApiError 403 when a node reaches beyond itself; says nothing about other users."""
    node = node_name(request.user)
    if not node:
        return
    match request.group, request.resource, request.subresource:
        case "", "pods", "":
            _pod(node, request)
        case "", "pods", "status" | "eviction":
            pod = objects.get("", "pods", request.namespace, request.name)
            _own_pod(
                node,
                request,
                pod,
                f"{'update pod status for' if request.subresource == 'status' else 'evict'}",
            )
        case "", "nodes", _:
            _node(node, request)
        case "coordination.k8s.io", "leases", _:
            if (request.namespace, request.name) != (LEASES, node):
                raise _refuse(
                    request, f"can only access leases in the {LEASES!r} system namespace with its own name"
                )


def _pod(node: str, request: AdmissionRequest) -> None:
    if request.operation == "DELETE":
        _own_pod(node, request, request.old, "delete")
    elif request.operation == "CREATE":
        raise _refuse(request, f"node {node!r} can not create pods: mirror pods are not served here")
    else:
        raise _refuse(request, f"unexpected operation {request.operation!r} of node {node!r}")


def _own_pod(node: str, request: AdmissionRequest, pod: Object | None, what: str) -> None:
    if pod is not None and pod["spec"].get("nodeName") != node:
        raise _refuse(request, f"node {node!r} can only {what} pods with spec.nodeName set to itself")


def _node(node: str, request: AdmissionRequest) -> None:
    if request.name != node:
        raise _refuse(request, f"node {node!r} is not allowed to modify node {request.name!r}")
    if request.operation == "DELETE":
        raise _refuse(request, f"node {node!r} is not allowed to delete itself")
    new, old = request.obj or {}, request.old or {}
    changed = _restricted(new) ^ _restricted(old)
    if changed:
        keys = ", ".join(sorted({key for key, _ in changed}))
        raise _refuse(request, f"is not allowed to modify labels: {keys}")
    taints = ((new.get("spec") or {}).get("taints") or [], (old.get("spec") or {}).get("taints") or [])
    if request.operation == "UPDATE" and not request.subresource and taints[0] != taints[1]:
        raise _refuse(request, f"node {node!r} is not allowed to modify taints")


def _restricted(node: Object) -> set[tuple[str, str]]:
    labels = (node.get("metadata") or {}).get("labels") or {}
    return {(key, value) for key, value in labels.items() if RESTRICTED_LABELS in key}


def _refuse(request: AdmissionRequest, why: str) -> ApiError:
    return forbidden(request.group, request.resource, request.name, why)
