"""DefaultStorageClass, and which claims may grow.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#defaultstorageclass
"""

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.defaults.storage import DEFAULT_CLASS, storage
from sympozium.localkube.errors import forbidden
from sympozium.localkube.types import AdmissionRequest, Object

GROUP = "storage.k8s.io"
_BETA = "volume.beta.kubernetes.io/storage-class"


def default_class(objects: Objects) -> Object | None:
    """The newest class that is marked as default, and of equals the first by name."""
    marked = [
        found
        for found in objects.list(GROUP, "storageclasses")
        if (found["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    marked.sort(key=lambda found: str(found["metadata"]["name"]))
    return max(marked, key=lambda found: str(found["metadata"]["creationTimestamp"]), default=None)


def mutate(request: AdmissionRequest, objects: Objects) -> None:
    """Writes the default class into a new claim that says nothing about its class ("" says: none)."""
    if not _is_claim(request) or request.operation != "CREATE" or request.obj is None:
        return
    annotations = request.obj["metadata"].get("annotations") or {}
    spec = request.obj["spec"]
    if spec.get("storageClassName") is None and _BETA not in annotations:
        found = default_class(objects)
        if found is not None:
            spec["storageClassName"] = found["metadata"]["name"]


def validate(request: AdmissionRequest, objects: Objects) -> None:
    """Raises ApiError 403 for a claim that is to grow and cannot."""
    if not _is_claim(request) or request.operation != "UPDATE" or request.obj is None or request.old is None:
        return
    spec, before = request.obj["spec"], request.old["spec"]
    if storage((spec.get("resources") or {}).get("requests")) <= storage(
        (before.get("resources") or {}).get("requests")
    ):
        return
    if (request.old.get("status") or {}).get("phase") != "Bound":
        raise _refused(request, "Only bound persistent volume claims can be expanded")
    found = objects.get(GROUP, "storageclasses", "", spec.get("storageClassName") or "")
    if found is None or not found.get("allowVolumeExpansion"):
        why = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
            "support resize"
        )
        raise _refused(request, why)


def _is_claim(request: AdmissionRequest) -> bool:
    return (request.group, request.resource, request.subresource) == ("", "persistentvolumeclaims", "")


def _refused(request: AdmissionRequest, why: str) -> Exception:
    return forbidden("", "persistentvolumeclaims", request.name, why)
