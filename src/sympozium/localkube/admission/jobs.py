"""Jobs that ask for what the Job controller here does not do are refused, not run differently.

Absent: backoffLimitPerIndex and maxFailedIndexes, successPolicy, the FailIndex action. `managedBy` is
honoured: a Job of another controller is left to it.
"""

from sympozium.localkube.errors import invalid
from sympozium.localkube.types import AdmissionRequest, Cause

ABSENT = ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy")
WHY = "Forbidden: this API server's Job controller does not do it"


def check(request: AdmissionRequest) -> None:
    """Raises ApiError 422."""
    if (request.group, request.resource) != ("batch", "jobs") or request.operation != "CREATE":
        return
    spec = (request.obj or {}).get("spec") or {}
    if spec.get("managedBy", "kubernetes.io/job-controller") != "kubernetes.io/job-controller":
        return
    causes = [Cause(f"spec.{key}", "FieldValueForbidden", WHY) for key in ABSENT if spec.get(key) is not None]
    for index, rule in enumerate((spec.get("podFailurePolicy") or {}).get("rules") or ()):
        if rule.get("action") == "FailIndex":
            field = f"spec.podFailurePolicy.rules[{index}].action"
            causes.append(Cause(field, "FieldValueForbidden", WHY))
    if causes:
        raise invalid("batch", request.kind, request.name, causes)
