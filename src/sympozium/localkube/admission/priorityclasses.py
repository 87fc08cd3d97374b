"""One PriorityClass at most is the global default."""

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.errors import forbidden
from sympozium.localkube.types import AdmissionRequest

GROUP = "scheduling.k8s.io"


def check(request: AdmissionRequest, objects: Objects) -> None:
    """Raises ApiError 403 for a second default."""
    if (request.group, request.resource) != (GROUP, "priorityclasses") or request.obj is None:
        return
    if request.operation not in {"CREATE", "UPDATE"} or not request.obj.get("globalDefault"):
        return
    for other in objects.list(GROUP, "priorityclasses"):
        name = other["metadata"]["name"]
        if other.get("globalDefault") and name != request.obj["metadata"]["name"]:
            why = f"PriorityClass {name} is already marked as default. Only one default can exist"
            raise forbidden(GROUP, "priorityclasses", request.name, why)
