"""LimitRange: defaults for containers that say nothing, and bounds for those that do.

https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from collections.abc import Iterable

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission.amounts import Amount, Amounts, amounts, of_pod
from sympozium.localkube.errors import forbidden
from sympozium.localkube.types import AdmissionRequest, Object

ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanges:
    """The plugin. `objects` are asked only for pods and claims."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._known: dict[str, list[Object]] | None = None
        objects.subscribe("", "limitranges", self._changed)

    def _changed(self, new: Object | None, old: Object | None) -> None:
        del new, old
        self._known = None

    def _ranges(self, namespace: str) -> list[Object]:
        if self._known is None:
            self._known = {}
            for one in self._objects.list("", "limitranges"):
                self._known.setdefault(one["metadata"]["namespace"], []).append(one)
            for found in self._known.values():
                found.sort(key=lambda one: str(one["metadata"]["name"]))
        return self._known.get(namespace, [])

    def mutate(self, request: AdmissionRequest) -> None:
        """Fills in a new pod's containers."""
        if (request.group, request.resource, request.subresource) != ("", "pods", "") or request.obj is None:
            return
        if request.operation != "CREATE":
            return
        for limit_range in self._ranges(request.namespace):
            _fill(request.obj, limit_range["spec"].get("limits") or ())

    def validate(self, request: AdmissionRequest) -> None:
        """Raises ApiError 403 with all that is out of bounds."""
        obj = request.obj
        if (
            request.group
            or request.subresource
            or obj is None
            or request.operation not in {"CREATE", "UPDATE"}
        ):
            return
        if request.resource == "pods":
            if request.operation == "UPDATE":
                return  # resources of a pod do not change
        elif request.resource != "persistentvolumeclaims":
            return
        for limit_range in self._ranges(request.namespace):
            wrong = _wrong(request.resource, obj, limit_range["spec"].get("limits") or ())
            if wrong:
                why = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
                raise forbidden("", request.resource, request.name, why)


def _fill(pod: Object, limits: Iterable[Object]) -> None:
    defaults: dict[str, dict[str, str]] = {"limits": {}, "requests": {}}
    for limit in limits:
        if limit.get("type") == "Container":
            defaults["requests"] |= limit.get("defaultRequest") or {}
            defaults["limits"] |= limit.get("default") or {}
    said: list[str] = []
    spec = pod["spec"]
    for kind, containers in (
        ("container", spec.get("containers")),
        ("init container", spec.get("initContainers")),
    ):
        for container in containers or ():
            resources = container.get("resources") or {}
            for key, word in (("requests", "request"), ("limits", "limit")):
                missing = {k: v for k, v in defaults[key].items() if k not in (resources.get(key) or {})}
                if missing:
                    resources[key] = {**(resources.get(key) or {}), **missing}
                    said.append(f"{', '.join(sorted(missing))} {word} for {kind} {container['name']}")
            container["resources"] = resources
    if said:
        notes = pod["metadata"].get("annotations") or {}
        pod["metadata"]["annotations"] = {**notes, ANNOTATION: f"LimitRanger plugin set: {'; '.join(said)}"}


def _wrong(resource: str, obj: Object, limits: Iterable[Object]) -> list[str]:
    found: list[str] = []
    for limit in limits:
        kind = limit.get("type")
        if resource == "persistentvolumeclaims":
            if kind == "PersistentVolumeClaim":
                requests = amounts((obj["spec"].get("resources") or {}).get("requests"))
                found += _claim(kind, limit, requests)
        elif kind == "Container":
            for container in [
                *(obj["spec"].get("containers") or ()),
                *(obj["spec"].get("initContainers") or ()),
            ]:
                parts = container.get("resources") or {}
                found += _bounds(kind, limit, amounts(parts.get("requests")), amounts(parts.get("limits")))
        elif kind == "Pod":
            found += _bounds(kind, limit, of_pod(obj["spec"], "requests"), of_pod(obj["spec"], "limits"))
    return list(dict.fromkeys(found))


def _claim(kind: str, limit: Object, requests: Amounts) -> list[str]:
    found = [_least(kind, name, low, requests, {}) for name, low in sorted(amounts(limit.get("min")).items())]
    for name, high in sorted(amounts(limit.get("max")).items()):
        said = f"maximum {name} usage per {kind} is {high}"
        request = requests.get(name)
        if request is None:
            found.append(f"{said}.  No request is specified")
        elif request.value > high.value:
            found.append(f"{said}, but request is {request}")
    return [why for why in found if why]


def _bounds(kind: str, limit: Object, requests: Amounts, limits: Amounts) -> list[str]:
    found = [
        _least(kind, name, low, requests, limits) for name, low in sorted(amounts(limit.get("min")).items())
    ]
    found += [
        _most(kind, name, high, requests, limits) for name, high in sorted(amounts(limit.get("max")).items())
    ]
    ratios = sorted(amounts(limit.get("maxLimitRequestRatio")).items())
    found += [_ratio(kind, name, ratio, requests, limits) for name, ratio in ratios]
    return [why for why in found if why]


def _least(kind: str, name: str, low: Amount, requests: Amounts, limits: Amounts) -> str:
    said = f"minimum {name} usage per {kind} is {low}"
    request, limit = requests.get(name), limits.get(name)
    if request is None:
        return f"{said}.  No request is specified"
    if request.value < low.value:
        return f"{said}, but request is {request}"
    if limit is not None and limit.value < low.value:
        return f"{said}, but limit is {limit}"
    return ""


def _most(kind: str, name: str, high: Amount, requests: Amounts, limits: Amounts) -> str:
    said = f"maximum {name} usage per {kind} is {high}"
    request, limit = requests.get(name), limits.get(name)
    if limit is None:
        return f"{said}.  No limit is specified"
    if limit.value > high.value:
        return f"{said}, but limit is {limit}"
    if request is not None and request.value > high.value:
        return f"{said}, but request is {request}"
    return ""


def _ratio(kind: str, name: str, ratio: Amount, requests: Amounts, limits: Amounts) -> str:
    said = f"{name} max limit to request ratio per {kind} is {ratio}"
    request, limit = requests.get(name), limits.get(name)
    if request is None or not request.value:
        return f"{said}, but no request is specified or request is 0"
    if limit is None or not limit.value:
        return f"{said}, but no limit is specified or limit is 0"
    observed = limit.value / request.value
    return f"{said}, but provided ratio is {float(observed):.6f}" if observed > ratio.value else ""
