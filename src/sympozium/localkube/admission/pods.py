"""What admission fills in for pods: tolerations of a lost node, and priority.

DefaultTolerationSeconds and Priority of
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.defaults.scheduling import SYSTEM_CLASSES
from sympozium.localkube.errors import forbidden
from sympozium.localkube.types import AdmissionRequest, Object

TOLERATION_SECONDS = 300
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def mutate(request: AdmissionRequest, objects: Objects) -> None:
    """Changes `request.obj` of a pod on its way in. Raises ApiError 403 for a wrong priority."""
    if (request.group, request.resource, request.subresource) != ("", "pods", ""):
        return
    if request.obj is None or request.operation not in {"CREATE", "UPDATE"}:
        return
    tolerate(request.obj["spec"])
    if request.operation == "CREATE":
        _prioritize(request, request.obj["spec"], objects)
    elif request.old is not None:
        # Priority is fixed at creation; a client that leaves it out of an update means no change.
        for key in ("priority", "preemptionPolicy"):
            if key in request.old["spec"]:
                request.obj["spec"].setdefault(key, request.old["spec"][key])


def tolerate(spec: Object) -> None:
    """Adds the two NoExecute tolerations unless the pod has its own answer to these taints."""
    present: list[Object] = list(spec.get("tolerations") or ())
    for taint in TAINTS:
        if not any(_tolerates(toleration, taint) for toleration in present):
            present.append(
                {
                    "key": taint,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": TOLERATION_SECONDS,
                }
            )
    spec["tolerations"] = present


def _tolerates(toleration: Object, taint: str) -> bool:
    return toleration.get("key", "") in {taint, ""} and toleration.get("effect", "") in {"NoExecute", ""}


def _prioritize(request: AdmissionRequest, spec: Object, objects: Objects) -> None:
    name = spec.get("priorityClassName", "")
    chosen = _class(name, objects)
    if chosen is None and name and name not in SYSTEM_CLASSES:
        raise forbidden("", "pods", _name(request), f"no PriorityClass with name {name} was found")
    value = int(chosen["value"]) if chosen else SYSTEM_CLASSES.get(name, 0)
    if chosen and not name:
        spec["priorityClassName"] = chosen["metadata"]["name"]
    given = spec.get("priority")
    if given is not None and given != value:
        why = (
            f"the integer value of priority ({given}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name"
        )
        raise forbidden("", "pods", _name(request), why)
    spec["priority"] = value
    policy = (chosen or {}).get("preemptionPolicy") or "PreemptLowerPriority"
    asked = spec.get("preemptionPolicy") or policy
    if asked != policy:
        why = (
            f"the string value of PreemptionPolicy ({asked}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name"
        )
        raise forbidden("", "pods", _name(request), why)
    spec["preemptionPolicy"] = policy


def _class(name: str, objects: Objects) -> Object | None:
    """The class of that name, or without a name the global default with the highest value."""
    if name:
        return objects.get("scheduling.k8s.io", "priorityclasses", "", name)
    defaults = [c for c in objects.list("scheduling.k8s.io", "priorityclasses") if c.get("globalDefault")]
    return max(defaults, key=lambda c: int(c["value"]), default=None)


def _name(request: AdmissionRequest) -> str:
    return request.name or ((request.obj or {}).get("metadata") or {}).get("generateName", "")
