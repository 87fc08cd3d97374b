"""Which destinations a pod may reach: NetworkPolicies and the pod's annotation, as values.

A pod that no egress policy selects has the node's network. One that a policy selects gets a network of its
own with exactly the destinations that this module finds: TCP to addresses (`ipBlock`) and to the
`host:port` pairs of the annotation `node.sympozium.ai/egress`. Peers by pod or namespace have no address on this node: they
allow nothing, and that is said.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from sympozium.node.objects import Object

ANNOTATION = "node.sympozium.ai/egress"
_LOOPBACK = IPv4Network("127.0.0.0/8")


class NotPossibleError(Exception):
    """A policy asks for a network that this node cannot make; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Rule:
    """TCP to `port` (0: every port of `ports_known`) at addresses in `network` but not in `excluded`."""

    network: IPv4Network
    port: int
    excluded: tuple[IPv4Network, ...] = ()

    def allows(self, address: str, port: int) -> bool:
        ip = IPv4Address(address)
        if ip in _LOOPBACK and not self.network.subnet_of(_LOOPBACK):
            return False  # "everywhere" is the world, not the services of this machine
        return port == self.port and ip in self.network and not any(ip in net for net in self.excluded)


@dataclass(slots=True)
class Egress:
    """What a pod with a network of its own may reach."""

    rules: list[Rule] = field(default_factory=list)
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    """(host name, port) -> loopback address that stands for it inside the pod."""
    warnings: list[str] = field(default_factory=list)
    policies: tuple[str, ...] = ()

    def aliases(self) -> dict[str, list[str]]:
        """Lines of the pod's /etc/hosts."""
        return {address: [host] for (host, _), address in self.names.items()}

    def allows(self, address: str, port: int) -> bool:
        return any(rule.allows(address, port) for rule in self.rules)


def matches(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector selects these labels; an empty one selects everything."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(e, labels) for e in selector.get("matchExpressions") or ())


def _expression(expression: Object, labels: dict[str, str]) -> bool:
    name, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return name in labels and labels[name] in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
    return False


def selecting(pod: Object, policies: Iterable[Object]) -> list[Object]:
    """The egress policies of the pod's namespace that select it."""
    labels = pod["metadata"].get("labels") or {}
    return [
        policy
        for policy in policies
        if matches(policy["spec"].get("podSelector"), labels) and "Egress" in _types(policy["spec"])
    ]


def _types(spec: Object) -> list[str]:
    return spec.get("policyTypes") or (["Ingress", "Egress"] if "egress" in spec else ["Ingress"])


def egress(pod: Object, policies: Iterable[Object]) -> Egress | None:
    """What the pod may reach, or None when no policy restricts it."""
    chosen = selecting(pod, policies)
    if not chosen:
        return None
    result = Egress(policies=tuple(policy["metadata"]["name"] for policy in chosen))
    for policy in chosen:
        for index, rule in enumerate(policy["spec"].get("egress") or ()):
            where = f"NetworkPolicy {policy['metadata']['name']} egress[{index}]"
            ports = list(_ports(rule, where, result.warnings))
            for network, excluded in _peers(rule, where, result.warnings):
                result.rules += [Rule(network, port, excluded) for port in ports]
    annotation = (pod["metadata"].get("annotations") or {}).get(ANNOTATION, "")
    for host, port in destinations(annotation, result.warnings):
        _add_destination(result, host, port)
    return result


def _add_destination(result: Egress, host: str, port: int) -> None:
    try:
        result.rules.append(Rule(IPv4Network(host), port))
    except ValueError:
        if host == "localhost":
            result.rules.append(Rule(IPv4Network("127.0.0.1"), port))
            return
        # One address for each name: its ports are told apart by the port.
        known = next((address for (name, _), address in result.names.items() if name == host), None)
        number = len({name for name, _ in result.names}) + 1
        result.names[host, port] = known or str(IPv4Address("127.1.0.0") + number)


def destinations(annotation: str, warnings: list[str]) -> Iterator[tuple[str, int]]:
    """The pairs of the annotation; what is not one is named in `warnings` and allows nothing."""
    for part in (p.strip() for p in annotation.split(",") if p.strip()):
        host, _, port = part.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536 or ":" in host:
            warnings.append(f"annotation {ANNOTATION}: {part!r} is not host:port")
            continue
        yield host, int(port)


def _ports(rule: Object, where: str, warnings: list[str]) -> Iterator[int]:
    if not rule.get("ports"):
        warnings.append(
            f"{where} names no ports: this node allows named TCP ports only, so it allows nothing"
        )
    for port in rule.get("ports") or ():
        if port.get("protocol", "TCP") != "TCP":
            warnings.append(f"{where}: {port['protocol']} is not passed on by this node")
        elif not isinstance(port.get("port"), int):
            warnings.append(f"{where}: a port must be a number here, not {port.get('port')!r}")
        elif port.get("endPort", port["port"]) - port["port"] > 1024:
            warnings.append(
                f"{where}: a range of more than 1024 ports is not possible here; it allows nothing"
            )
        else:
            yield from range(port["port"], port.get("endPort", port["port"]) + 1)


def _peers(
    rule: Object, where: str, warnings: list[str]
) -> Iterator[tuple[IPv4Network, tuple[IPv4Network, ...]]]:
    if not rule.get("to"):
        yield IPv4Network("0.0.0.0/0"), ()
    for peer in rule.get("to") or ():
        block = peer.get("ipBlock")
        if block is None:
            warnings.append(
                f"{where}: peers by pod or namespace have no address on this node; it allows nothing"
            )
            continue
        network = ipaddress.ip_network(block["cidr"], strict=False)
        if network.version != 4:
            warnings.append(f"{where}: {block['cidr']}: IPv6 is not passed on by this node")
            continue
        excluded = [ipaddress.ip_network(cidr, strict=False) for cidr in block.get("except") or ()]
        yield network, tuple(net for net in excluded if net.version == 4)
