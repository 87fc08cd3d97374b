"""Where the pod of a run may connect to, when its policy denies the rest, and when it does not.

NetworkPolicy knows addresses and labels, not names. Addresses become `ipBlock` rules; names of Services
(`name.namespace.svc`) become a rule for the pods behind them; all other names go into an annotation that our node
resolves when a connection is made, and a condition says that a cluster's own network needs help with those. Where
the installation has an egress component, that is the help: the run may connect to it alone, and it judges each name.

A run under no network policy has the annotation too: its model and its bus may be on the machine's loopback, of which
a pod reaches what is named and nothing else.

The Kubernetes API has no pods: its rules name the address of its Service, for networks that judge before they translate,
and those of the API servers, for all others.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from sympozium.api.base import Object
from sympozium.controllers.run.plan import names
from sympozium.controllers.run.plan.inputs import Backend, Inputs, Plan, PlanError, Service
from sympozium.kube.conditions import condition
from sympozium.policy import network

ANNOTATION: Final = "node.sympozium.ai/egress"
OFFLINE: Final = "node.sympozium.ai/offline"
"""Containers without any network, on a node of ours. What the model wrote runs in `shell`, which then reaches neither the
bus nor anything else by itself; `fetch_url` is the way out, and the gate judges each call. Elsewhere the pod's network is the
shell's too, and the shell itself leaves its commands no sockets (`sympozium.shell.network`)."""
_PORTS: Final = {"https": 443, "http": 80, "nats": 4222, "tls": 4222, "ws": 80, "wss": 443}
_RESOLVERS: Final[list[Object]] = [
    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
    {"ipBlock": {"cidr": "169.254.20.10/32"}},
]
"""The cluster's DNS, and NodeLocal DNSCache where there is one: port 53 of everybody would be a way out."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A host (name, address or CIDR) and a TCP port; None is every port."""

    host: str
    port: int | None
    private: bool = False
    """Whether a name may lead to a private address: those that installation and instance chose may."""


@dataclass(slots=True)
class Network:
    """What stands for the network of a run: `policy` is absent when its egress is free."""

    policy: Object | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    """Of the pod. An annotation that is not here must not be there."""
    conditions: list[Object] = field(default_factory=list)


def add_network(inputs: Inputs, plan: Plan) -> dict[str, str]:
    """Add the NetworkPolicy, if there is one; returns the pod's annotations."""
    made = of(inputs)
    plan.objects += [made.policy] if made.policy else []
    plan.conditions += made.conditions
    return made.annotations


def of(inputs: Inputs) -> Network:
    """The network of a run under its policy as it is now. Raises PlanError."""
    allowed = network.egress(inputs.policy)
    bus, model = destination(inputs.bus_url), destination(inputs.model_endpoint)
    if not allowed.restricted:
        return Network(annotations=_annotation([d for d in (bus, model) if not _is_service(d)]))
    if not allowed.event_bus:
        raise PlanError(
            "networkPolicy.allowEventBus is false: a run cannot report without the bus; set it to true"
        )
    open_to = _open_to(inputs)
    rules = [_rule(d, inputs.backends) for d in open_to if not _is_name(d)]
    if allowed.dns:
        ports = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
        rules.append({"to": _RESOLVERS, "ports": ports})
    # The bus and the model (or the proxy to it) also where nobody heeds the policy: they may be on the node's loopback.
    needed = [d for d in open_to[:2] if not _is_service(d)]
    named = [d for d in open_to if _is_name(d)]
    made = Network(_policy(inputs, rules), _annotation([*needed, *named]))
    if named:
        written = ", ".join(f"{d.host}:{d.port or '*'}" for d in named)
        words = (
            f"destinations by name ({written}) are open on a node of sympozium; a cluster's "
            "NetworkPolicy cannot express them: set `egress` of SympoziumConfig default"
        )
        made.conditions.append(condition("EgressByName", True, "Names", words))
    if unknown := sorted({d.host for d in open_to if (s := _service(d)) and s not in inputs.backends}):
        words = (
            f"no pods are known behind {', '.join(unknown)}: all of their namespace is open. Make the Service, with a"
            " selector, before the run"
        )
        made.conditions.append(condition("EgressToNamespace", True, "NoSuchService", words))
    return made


def services(inputs: Inputs) -> list[Service]:
    """Those that the NetworkPolicy of a closed run names. Raises PlanError."""
    return list(dict.fromkeys(s for d in _open_to(inputs) if (s := _service(d))))


def reaches_api(inputs: Inputs) -> bool:
    """Whether a skill of the run has rights."""
    return any(skill.sidecar.rbac or skill.sidecar.cluster_rbac for skill in inputs.skills)


def _open_to(inputs: Inputs) -> list[Destination]:
    """What a closed run may connect to; first the bus, then the model, or the proxy that leads to it."""
    proxy = inputs.config.egress
    found = [destination(inputs.bus_url), destination(proxy.url if proxy else inputs.model_endpoint)]
    if reaches_api(inputs):
        pairs = [(inputs.api_server.host, inputs.api_server.port), *inputs.api_addresses]
        found += [Destination(host, port) for host, port in pairs]
    if not proxy:
        found += [Destination(rule.host, rule.port) for rule in network.egress(inputs.policy).destinations]
    return list(dict.fromkeys(found))


def _annotation(found: list[Destination]) -> dict[str, str]:
    """As the node reads it."""
    pairs = [
        f"{d.host}:{d.port or '*'}{'/private' if d.private and _is_name(d) else ''}"
        for d in found
        if ":" not in d.host  # IPv6: the node carries none
    ]
    return {ANNOTATION: ",".join(dict.fromkeys(pairs))} if pairs else {}


def proxied(inputs: Inputs) -> bool:
    """Whether the run goes through the egress component."""
    return inputs.config.egress is not None and network.egress(inputs.policy).restricted


def destination(url: str) -> Destination:
    """Host and port of a URL that installation or instance chose. Raises PlanError."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError as exc:
        raise PlanError(f"{url!r} is not a URL: {exc}") from exc
    if not parts.hostname or port is None:
        raise PlanError(f"{url!r} names no host and port: write it as https://host:port/path")
    return Destination(parts.hostname, port, private=True)


def _policy(inputs: Inputs, rules: list[Object]) -> Object:
    labels = names.labels(inputs.run)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": inputs.run.name,
            "namespace": inputs.run.namespace,
            "labels": labels,
            "ownerReferences": [inputs.owner],
        },
        "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Egress"], "egress": rules},
    }


def _service(found: Destination) -> Service | None:
    """`("team", "name")` for `name.team.svc`, with or without a cluster domain."""
    parts = found.host.rstrip(".").split(".")
    return (parts[1], parts[0]) if len(parts) >= 3 and parts[2] == "svc" else None


def _is_name(found: Destination) -> bool:
    return network.network_of(found.host) is None and _service(found) is None


def _is_service(found: Destination) -> bool:
    """Whether it is a Service, which free egress reaches anyhow."""
    return _service(found) is not None


def _rule(found: Destination, backends: Mapping[Service, Backend]) -> Object:
    service = _service(found)
    port: int | str | None = found.port
    if service is None:
        peer: Object = {"ipBlock": {"cidr": str(ipaddress.ip_network(found.host, strict=False))}}
    else:
        peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": service[0]}}}
        if backend := backends.get(service):
            peer["podSelector"] = {"matchLabels": dict(backend.selector)}
            # The port of a Service is not the port of its pods, which is what a NetworkPolicy sees.
            port = None if found.port is None else backend.ports.get(found.port, found.port)
        else:
            port = None
    rule: Object = {"to": [peer]}
    if port is not None:
        rule["ports"] = [{"protocol": "TCP", "port": port}]
    return rule
