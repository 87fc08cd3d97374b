"""NamespaceLifecycle: nothing is created where it could not live, and four namespaces stay.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#namespacelifecycle
"""

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.errors import forbidden, not_found
from sympozium.localkube.types import AdmissionRequest, Cause

IMMORTAL = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


def check(request: AdmissionRequest, objects: Objects) -> None:
    """Raises ApiError: 404 the namespace does not exist, 403 it is going or may not go."""
    if (request.group, request.resource) == ("", "namespaces"):
        if request.operation == "DELETE" and not request.subresource and request.name in IMMORTAL:
            raise forbidden("", "namespaces", request.name, "this namespace may not be deleted")
        return
    if not request.namespace or request.operation != "CREATE" or request.subresource:
        return
    namespace = objects.get("", "namespaces", "", request.namespace)
    if namespace is None:
        raise not_found("", "namespaces", request.namespace)
    if namespace["metadata"].get("deletionTimestamp"):
        name = request.namespace
        raise forbidden(
            request.group,
            request.resource,
            request.name,
            f"unable to create new content in namespace {name} because it is being terminated",
            causes=[
                Cause("metadata.namespace", "NamespaceTerminating", f"namespace {name} is being terminated")
            ],
        )
