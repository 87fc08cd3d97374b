"""References to fields of a pod and to resources of a container: in variables, and in downward API files."""

import re
from typing import Any, Final

from sympozium.localkube.defaults.checks import Causes, file_mode, unreserved
from sympozium.localkube.defaults.labels import key_causes
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Object
from sympozium.quantities import parse

ENV_FIELDS: Final = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"),
    *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
)
FILE_FIELDS: Final = (
    *("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"),
)
_KNOWN = frozenset(
    [*ENV_FIELDS, *FILE_FIELDS, "spec.restartPolicy", "spec.schedulerName", "spec.host", "status.phase"]
)
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']*)'\]")
_RESOURCES = (
    *("limits.cpu", "limits.ephemeral-storage", "limits.memory"),
    *("requests.cpu", "requests.ephemeral-storage", "requests.memory"),
)
_HUGE = ("requests.hugepages-", "limits.hugepages-")
_CPU_DIVISORS = ("1m", "1")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def field_causes(reference: Object, fields: tuple[str, ...], at: str) -> Causes:
    """`fieldRef`; `fields` may be named here."""
    path = reference.get("fieldPath") or ""
    if not path:
        return [gotext.required(f"{at}.fieldPath")]
    if reference.get("apiVersion") != "v1":
        why = f"error converting fieldPath: unsupported pod version: {reference.get('apiVersion')}"
        return [gotext.invalid(f"{at}.fieldPath", path, why)]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript is not None:
        key = subscript[2].lower() if subscript[1].endswith("annotations") else subscript[2]
        return key_causes(key, at)
    if path not in _KNOWN:
        why = f"error converting fieldPath: field label not supported: {path}"
        return [gotext.invalid(f"{at}.fieldPath", path, why)]
    path = "spec.nodeName" if path == "spec.host" else path
    return [] if path in fields else [gotext.unsupported(f"{at}.fieldPath", path, sorted(fields))]


def resource_causes(reference: Object, at: str, *, volume: bool) -> Causes:
    """`resourceFieldRef`; in a volume it has to name a container."""
    causes: Causes = []
    resource = reference.get("resource") or ""
    if volume and not reference.get("containerName"):
        causes.append(gotext.required(f"{at}.containerName"))
    elif not resource:
        causes.append(gotext.required(f"{at}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE):
        causes.append(gotext.unsupported(f"{at}.resource", resource, _RESOURCES))
    return causes + _divisor(resource, reference.get("divisor"), at)


def _divisor(resource: str, divisor: Any, at: str) -> Causes:
    if divisor is None or parse(divisor) == 0:
        return []
    if resource.endswith(".cpu"):
        why = "only divisor's values 1m and 1 are supported with the cpu resource"
        return [] if divisor in _CPU_DIVISORS else [gotext.invalid(f"{at}.divisor", resource, why)]
    names = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
    name = "hugepages" if resource.startswith(_HUGE) else names.get(resource.partition(".")[2], "")
    if not name or divisor in _SIZES:
        return []
    why = f"only divisor's values {', '.join(_SIZES)} are supported with the {name} resource"
    return [gotext.invalid(f"{at}.divisor", resource, why)]


def file_causes(item: Object, at: str) -> Causes:
    """A file of a downward API volume; `at` is the volume's place, as in the API server's messages."""
    path = item.get("path") or ""
    causes = [] if path else [gotext.required(f"{at}.path")]
    causes += unreserved(path, f"{at}.path")
    if "fieldRef" in item:
        causes += field_causes(item["fieldRef"], FILE_FIELDS, f"{at}.fieldRef")
        if "resourceFieldRef" in item:
            why = "fieldRef and resourceFieldRef can not be specified simultaneously"
            causes.append(gotext.invalid(at, "resource", why))
    elif "resourceFieldRef" in item:
        causes += resource_causes(item["resourceFieldRef"], f"{at}.resourceFieldRef", volume=True)
    else:
        causes.append(gotext.required(at, "one of fieldRef and resourceFieldRef is required"))
    return causes + file_mode(item.get("mode"), f"{at}.mode")
