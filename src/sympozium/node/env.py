"""The environment of a container: order, references, `$(VAR)`.

Kubernetes' rules: what `envFrom` gives comes first, in order, later sources win; `env` wins over all of it.
`$(NAME)` in a value, in `command` and in `args` is replaced by a variable that is defined before it, stays
as it is when there is none, and `$$` is a literal `$`.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#environment-variables
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from sympozium import quantities
from sympozium.node.objects import Object

Ref = tuple[str, str]
"""(`Secret` or `ConfigMap`, name) in the pod's namespace."""
Sources = Mapping[Ref, Object | None]
"""What the API server answered; None for an object that does not exist."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_LABEL_FIELD = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")
_NAME = re.compile(r"^[^=\0]+$")


class ConfigError(Exception):
    """Something that the container refers to is missing or unfit: CreateContainerConfigError."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known, `$$` reduced to `$`."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


def references(container: Object) -> Iterator[Ref]:
    """The objects whose data the environment of this container needs."""
    for source in container.get("envFrom") or ():
        for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if field in source:
                yield kind, source[field].get("name", "")
    for variable in container.get("env") or ():
        for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            if ref := (variable.get("valueFrom") or {}).get(field):
                yield kind, ref.get("name", "")


def data_of(kind: str, obj: Object) -> dict[str, bytes]:
    """The keys of a Secret or ConfigMap as bytes. Raises ConfigError for a Secret that is not base64."""
    if kind == "ConfigMap":
        result = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
        encoded = obj.get("binaryData") or {}
    else:
        result, encoded = {}, obj.get("data") or {}
    for key, value in encoded.items():
        try:
            result[key] = base64.b64decode(value, validate=True)
        except binascii.Error as exc:
            raise ConfigError(f"key {key} of {kind} {obj['metadata']['name']} is not base64: {exc}") from exc
    return result


def build(
    container: Object, pod: Object, sources: Sources, base: Mapping[str, str], node: "NodeFacts"
) -> dict[str, str]:
    """The variables of a container. `base` are those that the image and the node give, which all others override.

    Raises ConfigError in the words of the kubelet.
    """
    namespace = pod["metadata"]["namespace"]
    result = dict(base)
    for source in container.get("envFrom") or ():
        result.update(_from_source(source, namespace, sources))
    for variable in container.get("env") or ():
        name = variable["name"]
        if not _NAME.match(name):
            raise ConfigError(f"{name!r} is not the name of an environment variable")
        if value_from := variable.get("valueFrom"):
            value = _value_from(value_from, container, pod, sources, node)
            if value is not None:
                result[name] = value
        else:
            result[name] = expand(variable.get("value") or "", result)
    return result


def _from_source(source: Object, namespace: str, sources: Sources) -> Iterator[tuple[str, str]]:
    prefix = source.get("prefix") or ""
    for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if field not in source:
            continue
        ref = source[field]
        obj = _lookup(kind, ref, namespace, sources)
        for key, value in data_of(kind, obj).items() if obj else ():
            if _NAME.match(prefix + key):
                yield prefix + key, value.decode(errors="surrogateescape")


def _lookup(kind: str, ref: Object, namespace: str, sources: Sources) -> Object | None:
    name = ref.get("name", "")
    obj = sources.get((kind, name))
    if obj is None and not ref.get("optional"):
        raise ConfigError(f'{kind.lower()} "{name}" not found in namespace {namespace}')
    return obj


def _value_from(
    value: Object, container: Object, pod: Object, sources: Sources, node: "NodeFacts"
) -> str | None:
    namespace = pod["metadata"]["namespace"]
    for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if ref := value.get(field):
            obj = _lookup(kind, ref, namespace, sources)
            data = data_of(kind, obj) if obj else {}
            if ref["key"] in data:
                return data[ref["key"]].decode(errors="surrogateescape")
            if ref.get("optional"):
                return None
            raise ConfigError(f"couldn't find key {ref['key']} in {kind} {namespace}/{ref['name']}")
    if ref := value.get("fieldRef"):
        return field_value(ref["fieldPath"], pod, node)
    if ref := value.get("resourceFieldRef"):
        return resource_value(ref, container, pod, node)
    raise ConfigError(f"valueFrom {sorted(value)} is not known to this node")


class NodeFacts:
    """What a pod may learn of its node."""

    def __init__(self, name: str, host_ip: str, allocatable: Mapping[str, str], pod_ip: str = "") -> None:
        self.name = name
        self.host_ip = host_ip
        self.allocatable = allocatable
        self.pod_ip = pod_ip or host_ip

    def of(self, pod_ip: str) -> "NodeFacts":
        """As the pod with this address sees them."""
        return NodeFacts(self.name, self.host_ip, self.allocatable, pod_ip)


def field_value(path: str, pod: Object, node: NodeFacts) -> str:
    """A field of the pod by the path of the downward API. Raises ConfigError for one that it does not have."""
    metadata, spec = pod["metadata"], pod["spec"]
    simple: dict[str, Callable[[], Any]] = {
        "metadata.name": lambda: metadata["name"],
        "metadata.namespace": lambda: metadata["namespace"],
        "metadata.uid": lambda: metadata["uid"],
        "spec.nodeName": lambda: node.name,
        "spec.serviceAccountName": lambda: spec.get("serviceAccountName", ""),
        "status.podIP": lambda: node.pod_ip,
        "status.podIPs": lambda: node.pod_ip,
        "status.hostIP": lambda: node.host_ip,
        "status.hostIPs": lambda: node.host_ip,
        "metadata.labels": lambda: _map(metadata.get("labels")),
        "metadata.annotations": lambda: _map(metadata.get("annotations")),
    }
    if path in simple:
        return str(simple[path]())
    if match := _LABEL_FIELD.match(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    raise ConfigError(f"unsupported fieldPath: {path}")


def _map(values: Mapping[str, str] | None) -> str:
    """Labels as the files of the downward API have them: one `key="value"` a line, sorted."""
    return "\n".join(f'{key}="{_quoted(value)}"' for key, value in sorted((values or {}).items()))


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


def resource_value(ref: Object, container: Object, pod: Object, node: NodeFacts) -> str:
    """Limits and requests of a container; a limit that is not set is what the node can give."""
    if (name := ref.get("containerName")) and name != container.get("name"):
        named = [
            c
            for field in ("containers", "initContainers")
            for c in pod["spec"].get(field) or ()
            if c["name"] == name
        ]
        if not named:
            raise ConfigError(f"resourceFieldRef names container {name}, which this pod does not have")
        container = named[0]
    which, _, resource = ref["resource"].partition(".")
    if which not in {"limits", "requests"} or resource not in {"cpu", "memory", "ephemeral-storage"}:
        raise ConfigError(f"unsupported container resource: {ref['resource']}")
    amount = ((container.get("resources") or {}).get(which) or {}).get(resource)
    if amount is None:
        amount = node.allocatable.get(resource, "0") if which == "limits" else "0"
    divisor = quantities.parse(ref.get("divisor") or "1") or Decimal(1)
    return str(int((quantities.parse(amount) / divisor).to_integral_value(rounding=ROUND_CEILING)))


def command(container: Object, entrypoint: tuple[str, ...], variables: Mapping[str, str]) -> tuple[str, ...]:
    """The program and its arguments: `command` replaces the entry point, `args` follow."""
    own = container.get("command") or ()
    args = container.get("args") or ()
    return (
        tuple(expand(text, variables) for text in own)
        + (() if own else entrypoint)
        + tuple(expand(text, variables) for text in args)
    )
