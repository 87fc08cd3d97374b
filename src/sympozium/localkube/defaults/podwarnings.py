"""What is let pass in a pod's spec but is likely a mistake: the warnings that kubectl prints.

https://kubernetes.io/blog/2020/09/03/warnings/; the texts are the API server's.
"""

from collections.abc import Iterator
from typing import Any

from sympozium.localkube.schema.gotext import quoted
from sympozium.localkube.types import Object
from sympozium.quantities import parse

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_SELECTOR = "a null labelSelector results in matching no pod"
_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


def spec_warnings(spec: Object, path: str) -> list[str]:
    """`path` is that of the spec."""
    found = [
        f"{path}.nodeSelector[{key}]: {_LABELS[key]}"
        for key in spec.get("nodeSelector") or ()
        if key in _LABELS
    ]
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        at, key = f"{path}.topologySpreadConstraints[{index}]", constraint.get("topologyKey") or ""
        if key in _LABELS:
            found.append(f"{at}.topologyKey: {key} is {_LABELS[key]}")
        if constraint.get("labelSelector") is None:
            found.append(f"{at}.labelSelector: {_NO_SELECTOR}")
    for index, volume in enumerate(spec.get("volumes") or ()):
        found += [f"{path}.volumes[{index}].{kind}: {_VOLUMES[kind]}" for kind in volume if kind in _VOLUMES]
    for volume in spec.get("volumes") or ():
        found += _overlaps(volume)
    found += _twice(spec, path)
    for container, at in _containers(spec, path):
        found += _fractions(container, at)
        found += _hidden(container, at)
    found += _ports(spec, path)
    return found + list(_affinity(spec, path))


def _containers(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            yield container, f"{path}.{key}[{index}]"


def _twice(spec: Object, path: str) -> list[str]:
    found: list[str] = []
    for field, key, word in (("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")):
        seen: set[str] = set()
        for index, item in enumerate(spec.get(field) or ()):
            value = item.get(key) or ""
            if value in seen:
                found.append(f"{path}.{field}[{index}].{key}: duplicate {word} {quoted(value)}")
            seen.add(value)
    found += [
        f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
        for index, item in enumerate(spec.get("imagePullSecrets") or ())
        if not item.get("name")
    ]
    return found


def _fractions(container: Object, at: str) -> list[str]:
    resources = container.get("resources") or {}
    return [
        f"{at}.resources.{kind}[{name}]: fractional byte value {quoted(str(resources[kind][name]))} is invalid, "
        "must be an integer"
        for name in ("memory", "ephemeral-storage")
        for kind in ("limits", "requests")
        if name in (resources.get(kind) or {}) and parse(resources[kind][name]) % 1
    ]


def _hidden(container: Object, at: str) -> list[str]:
    """A variable that is there twice hides the first one, unless it refers to it."""
    found: list[str] = []
    seen: set[str] = set()
    for index, env in enumerate(container.get("env") or ()):
        name, value = env.get("name") or "", env.get("value") or ""
        own = f"$({name})"
        if name in seen and (env.get("valueFrom") is not None or value == own or own not in value):
            found.append(
                f"{at}.env[{index}]: hides previous definition of {quoted(name)}, which may be dropped when using apply"
            )
        seen.add(name)
    return found


def _ports(spec: Object, path: str) -> list[str]:
    found: list[str] = []
    named: list[str] = []
    taken: dict[tuple[int, str], list[tuple[str, Object]]] = {}
    names: dict[str, str] = {}
    for container, at in _containers(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            place, name = f"{at}.ports[{index}]", port.get("name") or ""
            if port.get("hostIP") and not port.get("hostPort"):
                found.append(f"{place}: hostIP set without hostPort: {_shown(port)}")
            others = taken.setdefault((port.get("containerPort") or 0, port.get("protocol") or ""), [])
            found += [
                f"{place}: {what} port definition with {where}" for where, what in _clashes(port, others)
            ]
            others.append((place, port))
            if name in names:
                first = names[name]
                named.append(
                    f"{place}: duplicate port name {quoted(name)} with {first}, services and probes that select ports "
                    f"by name will use {first}"
                )
            elif name:
                names[name] = place
    return found + named


def _clashes(port: Object, others: list[tuple[str, Object]]) -> Iterator[tuple[str, str]]:
    address, number = port.get("hostIP") or "", port.get("hostPort") or 0
    for place, other in others:
        theirs, taken = other.get("hostIP") or "", other.get("hostPort") or 0
        if (address, number) == (theirs, taken):
            yield place, "duplicate"
        elif not number or not taken:
            yield place, "overlapping"
        elif number == taken and bool(address) != bool(theirs):
            yield place, "dangerously ambiguous"


def _shown(port: Object) -> str:
    return (
        f"{{Name:{port.get('name') or ''} HostPort:{port.get('hostPort') or 0} ContainerPort:{port.get('containerPort') or 0} "
        f"Protocol:{port.get('protocol') or ''} HostIP:{port.get('hostIP') or ''}}}"
    )


def _affinity(spec: Object, path: str) -> Iterator[str]:
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        found = affinity.get(kind) or {}
        for index, term in enumerate(found.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.affinity.{kind}.{_REQUIRED}[{index}].labelSelector: {_NO_SELECTOR}"
        for index, weighted in enumerate(found.get(_PREFERRED) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}.affinity.{kind}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NO_SELECTOR}"


def _overlaps(volume: Object) -> list[str]:
    """Files of one volume whose paths are the same, or one below the other."""
    name = quoted(volume.get("name") or "")
    if "projected" in volume:
        paths: list[tuple[str, str]] = []
        empty: list[str] = []
        for source in volume["projected"].get("sources") or ():
            if not source:
                empty.append(f"volume {name} (Projected) has no sources provided")
            paths += _paths(source)
        return empty + [f"volume {name} (Projected): overlapping paths: {text}" for text in _colliding(paths)]
    titles = {
        "configMap": ("ConfigMap", "name"),
        "secret": ("Secret", "secretName"),
        "downwardAPI": ("DownwardAPI", ""),
    }
    found: list[str] = []
    for kind, (title, key) in titles.items():
        source = volume.get(kind) or {}
        what = f"{title} {quoted(source.get(key) or '')}" if key else title
        items = [(item.get("path") or "", "") for item in source.get("items") or ()]
        found += [f"volume {name} ({what}): overlapping paths: {text}" for text in _colliding(items)]
    return found


def _paths(source: Object) -> list[tuple[str, str]]:
    if "serviceAccountToken" in source:
        return [(source["serviceAccountToken"].get("path") or "", "ServiceAccountToken")]
    for kind, title in (("configMap", "ConfigMap"), ("secret", "Secret"), ("downwardAPI", "DownwardAPI")):
        if kind in source:
            what = title if kind == "downwardAPI" else f"{title} {quoted(source[kind].get('name') or '')}"
            return [(item.get("path") or "", what) for item in source[kind].get("items") or ()]
    return []


def _colliding(paths: list[tuple[str, str]]) -> Iterator[str]:
    seen: list[tuple[str, str]] = []
    for raw, source in paths:
        path = raw.rstrip("/")
        for other, where in seen if path else ():
            if path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/"):
                yield f"{_where(path, source)} with {_where(other, where)}"
        seen.append((path, source))


def _where(path: str, source: Any) -> str:
    return f"{quoted(path)} ({source})" if source else quoted(path)
