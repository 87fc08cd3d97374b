"""What is wrong with a pod's spec, wherever one is: in a Pod, a Job, a Deployment. The API server's words and order.

The parts are in modules of their own: `podvolumes`, `podcontainers` (with `podresources` and `fieldrefs`),
`podsecurity` and `podplacement`.
"""

import re

from sympozium.localkube.defaults.checks import MAX_INT32, Causes, address, between, optional_word, word
from sympozium.localkube.defaults.labels import key_causes, label_causes, name_causes
from sympozium.localkube.defaults.podcontainers import (
    Around,
    common_causes,
    host_port_causes,
    restart_causes,
    running_causes,
)
from sympozium.localkube.defaults.podplacement import affinity_causes, spread_causes, toleration_causes
from sympozium.localkube.defaults.podsecurity import pod_causes
from sympozium.localkube.defaults.podvolumes import volume_causes
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Object

_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_SEARCH = re.compile(r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_SEARCH_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start"
    " and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    r" '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')"
)
_ONCE = "may not be set for init containers without restartPolicy=Always"


def label(name: str, path: str) -> Causes:
    """A lowercase RFC 1123 label."""
    return name_causes(name, path, "label")


def check_spec(spec: Object, path: str, pod: str | None = None) -> Causes:
    """Causes for a spec that has its defaults. `pod` is the name of the Pod whose spec it is."""
    causes, volumes = volume_causes(spec.get("volumes") or [], f"{path}.volumes", pod or "")
    around = Around(
        volumes=volumes,
        claims=frozenset(claim.get("name") or "" for claim in spec.get("resourceClaims") or ()),
        restart=spec.get("restartPolicy") or "",
        grace=spec.get("terminationGracePeriodSeconds"),
        host_users=spec.get("hostUsers") is not False,
    )
    causes += _containers(spec, f"{path}.containers", around)
    causes += _init_containers(spec, f"{path}.initContainers", around)
    causes += _host_network(spec, f"{path}.containers", own=pod is not None)
    causes += word(spec.get("restartPolicy"), _RESTART, f"{path}.restartPolicy")
    causes += word(spec.get("dnsPolicy"), _DNS, f"{path}.dnsPolicy")
    causes += label_causes(spec.get("nodeSelector"), f"{path}.nodeSelector")
    causes += pod_causes(spec, path)
    causes += affinity_causes(spec.get("affinity"), f"{path}.affinity")
    causes += _dns(spec, f"{path}.dnsConfig")
    causes += _gates(spec, path)
    causes += spread_causes(spec.get("topologySpreadConstraints"), f"{path}.topologySpreadConstraints")
    causes += _names(spec, path)
    causes += toleration_causes(spec.get("tolerations"), f"{path}.tolerations")
    causes += _aliases(spec, f"{path}.hostAliases")
    causes += _classes(spec, path)
    if pod is not None:
        causes += _images(spec, path)
    return causes


def _containers(spec: Object, path: str, around: Around) -> Causes:
    containers = spec.get("containers") or []
    if not containers:
        return [gotext.required(path)]
    causes: Causes = []
    names: set[str] = set()
    for index, container in enumerate(containers):
        at, name = f"{path}[{index}]", container.get("name") or ""
        causes += common_causes(container, at, around)
        if name in names:
            causes.append(gotext.duplicate(f"{at}.name", name))
        names.add(name)
        causes += running_causes(container, at, around)
        causes += restart_causes(container, at)
    return causes + host_port_causes(containers, path)


def _init_containers(spec: Object, path: str, around: Around) -> Causes:
    causes: Causes = []
    names = {container.get("name") or "" for container in spec.get("containers") or ()}
    for index, container in enumerate(spec.get("initContainers") or ()):
        at, name = f"{path}[{index}]", container.get("name") or ""
        causes += common_causes(container, at, around)
        causes += restart_causes(container, at)
        if name in names:
            causes.append(gotext.duplicate(f"{at}.name", name))
        elif name:
            names.add(name)
        causes += host_port_causes([container], path)
        if container.get("restartPolicy") == "Always":
            causes += running_causes(container, at, around)
            continue
        causes += [
            gotext.forbidden(f"{at}.{key}", _ONCE)
            for key in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
            if container.get(key) is not None
        ]
        causes += [
            gotext.invalid(
                f"{at}.resizePolicy[{place}].restartPolicy",
                "RestartContainer",
                "must not be set to 'RestartContainer' for non-sidecar initContainers",
            )
            for place, policy in enumerate(container.get("resizePolicy") or ())
            if policy.get("restartPolicy") == "RestartContainer"
        ]
    return causes


def _host_network(spec: Object, path: str, *, own: bool) -> Causes:
    """On the host's network a container's port is the host's."""
    if not spec.get("hostNetwork"):
        return []
    why = "must match `containerPort` when `hostNetwork` is true"
    return [
        gotext.invalid(f"{path}[{index}].ports[{place}].hostPort", port.get("hostPort") or 0, why)
        for index, container in enumerate(spec.get("containers") or ())
        for place, port in enumerate(container.get("ports") or ())
        if (own or port.get("hostPort")) and (port.get("hostPort") or 0) != (port.get("containerPort") or 0)
    ]


def _dns(spec: Object, at: str) -> Causes:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [gotext.required(at, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [gotext.required(f"{at}.nameservers", why)]
    if config is None:
        return []
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    causes: Causes = []
    if len(servers) > 3:
        causes.append(gotext.invalid(f"{at}.nameservers", servers, "must not have more than 3 nameservers"))
    for index, server in enumerate(servers):
        causes += address(server, f"{at}.nameservers[{index}]")
    if len(searches) > 32:
        causes.append(gotext.invalid(f"{at}.searches", searches, "must not have more than 32 search paths"))
    if len(" ".join(searches)) > 2048:
        why = "must not have more than 2048 characters (including spaces) in the search list"
        causes.append(gotext.invalid(f"{at}.searches", searches, why))
    for index, search in enumerate(searches):
        causes += _search(search.removesuffix("."), f"{at}.searches[{index}]") if search != "." else []
    return causes + [
        gotext.required(f"{at}.options[{index}]", "must not be empty")
        for index, option in enumerate(config.get("options") or ())
        if not option.get("name")
    ]


def _search(search: str, at: str) -> Causes:
    causes = [gotext.invalid(at, search, "must be no more than 253 characters")] if len(search) > 253 else []
    return causes if _SEARCH.fullmatch(search) else [*causes, gotext.invalid(at, search, _SEARCH_TEXT)]


def _gates(spec: Object, path: str) -> Causes:
    causes: Causes = []
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        causes += key_causes(gate.get("conditionType") or "", f"{path}.readinessGates[{index}].conditionType")
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        at, name = f"{path}.schedulingGates[{index}]", gate.get("name") or ""
        causes += key_causes(name, at)
        if name in seen:
            causes.append(gotext.duplicate(at, name))
        seen.add(name)
    return causes


def _names(spec: Object, path: str) -> Causes:
    causes: Causes = []
    for key, rule in (("serviceAccountName", "subdomain"), ("nodeName", "subdomain")):
        if spec.get(key):
            causes += name_causes(spec[key], f"{path}.{key}", rule)
    causes += between(spec.get("activeDeadlineSeconds"), 1, MAX_INT32, f"{path}.activeDeadlineSeconds")
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            causes += label(spec[key], f"{path}.{key}")
    return causes


def _aliases(spec: Object, path: str) -> Causes:
    causes: Causes = []
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        causes += address(alias.get("ip") or "", f"{path}[{index}].ip")
        for place, name in enumerate(alias.get("hostnames") or ()):
            causes += name_causes(name, f"{path}[{index}].hostnames[{place}]")
    return causes


def _classes(spec: Object, path: str) -> Causes:
    causes: Causes = []
    for key in ("priorityClassName", "runtimeClassName"):
        if spec.get(key) or (key == "runtimeClassName" and spec.get(key) is not None):
            causes += name_causes(spec[key], f"{path}.{key}")
    policies = ("PreemptLowerPriority", "Never")
    if spec.get("preemptionPolicy") is not None:
        causes += word(spec["preemptionPolicy"], policies, f"{path}.preemptionPolicy")
    system = spec.get("os")
    if system is not None and not system.get("name"):
        causes.append(gotext.required(f"{path}.os.name"))
    elif system is not None:
        causes += optional_word(system["name"], ("linux", "windows"), f"{path}.os")
    return causes


def _images(spec: Object, path: str) -> Causes:
    return [
        gotext.invalid(f"{path}.{key}[{index}].image", image, "must not have leading or trailing whitespace")
        for key in ("containers", "initContainers")
        for index, container in enumerate(spec.get(key) or ())
        if (image := container.get("image") or "") != image.strip()
    ]
