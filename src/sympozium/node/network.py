"""Which destinations a pod may reach: NetworkPolicies and the pod's annotation, as values.

A pod that an egress policy selects reaches exactly the destinations that this module finds: TCP to addresses
(`ipBlock`), to pods by labels, and to the `host:port` pairs of the annotation `node.sympozium.ai/egress`. One that
no policy selects reaches the world and other pods, but of the machine itself the API server alone and what
the annotation names. What `addresses` says is never meant by "everything" must be named by a rule of its own.

A pair may be `host:*` (every port) and may end in `/private`: the name may then lead to a private address.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from sympozium import addresses
from sympozium.addresses import LOOPBACK, NEVER_BY_DEFAULT
from sympozium.node.objects import Object
from sympozium.node.peers import Labels, PodRule, matches, open_port

ANNOTATION = "node.sympozium.ai/egress"
NAMES = IPv4Network("127.1.0.0/16")
"""Where names that a pod may connect to have their addresses inside it: the relay answers there."""
ANY_PORT = 0
DNS_PORT = 53


class NotPossibleError(Exception):
    """A policy asks for a network that this node cannot make; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Rule:
    """TCP to `port` (0: to every port) at addresses in `network` but not in `excluded`."""

    network: IPv4Network
    port: int
    excluded: tuple[IPv4Network, ...] = ()

    def allows(self, address: str, port: int) -> bool:
        ip = IPv4Address(address)
        if any(ip in special and not self.network.subnet_of(special) for special in NEVER_BY_DEFAULT):
            return False  # "everywhere" is the world, not the services of this machine
        if self.network.prefixlen == 0 and addresses.of_this_machine(address):
            return False
        return (
            self.port in {port, ANY_PORT}
            and ip in self.network
            and not any(ip in net for net in self.excluded)
        )


@dataclass(slots=True)
class Egress:
    """What a pod with a network of its own may reach."""

    rules: list[Rule] = field(default_factory=list)
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    """(host name, port or ANY_PORT) -> loopback address that stands for it inside the pod."""
    private: set[tuple[str, int]] = field(default_factory=set)
    """Of `names`, those that may lead to private addresses."""
    warnings: list[str] = field(default_factory=list)
    policies: tuple[str, ...] = ()
    pods: list[PodRule] = field(default_factory=list)
    open: bool = False
    """No policy restricts the pod: the world and all pods, beside the rules."""
    dns: bool = False

    @property
    def sealed(self) -> bool:
        """Whether nothing outside of the pod's own loopback may be reached."""
        far = [rule for rule in self.rules if not rule.network.subnet_of(LOOPBACK)]
        return not (self.open or self.pods or self.dns or far)

    def aliases(self) -> dict[str, list[str]]:
        """Lines of the pod's /etc/hosts."""
        return {address: [host] for (host, _), address in self.names.items()}

    def allows(self, address: str, port: int) -> bool:
        rules = [*self.rules, _WORLD] if self.open else self.rules
        return any(rule.allows(address, port) for rule in rules)

    def name_at(self, address: str, port: int) -> tuple[str, int] | None:
        """The entry of `names` that a connection inside the pod is for."""
        return next(
            (
                entry
                for entry, inside in self.names.items()
                if inside == address and entry[1] in {port, ANY_PORT}
            ),
            None,
        )

    def allows_pod(self, pod: Object, port: int, namespace_labels: Labels) -> bool:
        """Whether a port of another pod may be reached."""
        if self.open or any(r.network.prefixlen == 0 and r.port in {port, ANY_PORT} for r in self.rules):
            return True
        return any(
            rule.admits(pod, namespace_labels) and open_port(rule.ports, port, pod) for rule in self.pods
        )


_WORLD = Rule(IPv4Network("0.0.0.0/0"), ANY_PORT)


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


def ingress_selecting(pod: Object, policies: Iterable[Object]) -> list[Object]:
    """The ingress policies of the pod's namespace that select it."""
    labels = pod["metadata"].get("labels") or {}
    return [
        policy
        for policy in policies
        if matches(policy["spec"].get("podSelector"), labels) and "Ingress" in _types(policy["spec"])
    ]


def ingress(
    target: Object, port: int, policies: Iterable[Object], source: Object, source_labels: Labels
) -> bool:
    """Whether the pod `source`, whose namespace has these labels, may reach a port of `target`."""
    chosen = ingress_selecting(target, policies)
    return not chosen or any(
        open_port(rule.get("ports") or (), port, target) and _from(rule, policy, source, source_labels)
        for policy in chosen
        for rule in policy["spec"].get("ingress") or ()
    )


def _from(rule: Object, policy: Object, source: Object, labels: Labels) -> bool:
    peers = rule.get("from") or ()
    return not peers or any(
        ipaddress.ip_network(peer["ipBlock"]["cidr"], strict=False).prefixlen == 0
        if "ipBlock" in peer
        else PodRule(policy["metadata"]["namespace"], peer, ()).admits(source, labels)
        for peer in peers
    )


def on_the_machines(pod: Object) -> bool:
    """Whether the pod asks for the machine's own network."""
    return bool(pod["spec"].get("hostNetwork"))


def unrestricted(pod: Object, api_server: tuple[str, int], known: dict[str, str]) -> Egress:
    """What a pod reaches that no egress policy selects, in a network of its own. `known`: see `egress`."""
    result = Egress(open=True, dns=True)
    address, port = api_server
    if address in {"localhost", "127.0.0.1"}:
        result.rules.append(Rule(IPv4Network("127.0.0.1"), port))
    _annotated(pod, result, known, steered=True)
    return result


def egress(
    pod: Object, policies: Iterable[Object], known: dict[str, str], *, steered: bool = False
) -> Egress | None:
    """What the pod may reach, or None when no policy restricts it.

    `known` has the address of each name that the pod was ever given, and gets the new ones: what a program has
    looked up must not become another name. `steered` on a node where any port and any pod can be reached at
    all (`steer`).
    """
    chosen = selecting(pod, policies)
    if not chosen:
        return None
    result = Egress(policies=tuple(policy["metadata"]["name"] for policy in chosen))
    for policy in chosen:
        for index, rule in enumerate(policy["spec"].get("egress") or ()):
            where = f"NetworkPolicy {policy['metadata']['name']} egress[{index}]"
            ports = list(_ports(rule, where, result.warnings, steered=steered))
            for network, excluded in _peers(rule, where, result.warnings, steered=steered):
                result.rules += [Rule(network, port, excluded) for port in ports]
            if steered:
                result.pods += [
                    PodRule(policy["metadata"]["namespace"], peer, tuple(rule.get("ports") or ()))
                    for peer in rule.get("to") or ()
                    if "ipBlock" not in peer
                ]
            result.dns = result.dns or any(p.get("port") == DNS_PORT for p in rule.get("ports") or ())
    _annotated(pod, result, known, steered=steered)
    return result


def _annotated(pod: Object, result: Egress, known: dict[str, str], *, steered: bool) -> None:
    annotation = (pod["metadata"].get("annotations") or {}).get(ANNOTATION, "")
    for found in destinations(annotation, result.warnings):
        if found.port == ANY_PORT and not steered:
            result.warnings.append(
                f"annotation {ANNOTATION}: {found.host}:* needs a port on this node: it is not root"
            )
            continue
        _add_destination(result, found, known)


def _add_destination(result: Egress, found: "Destination", known: dict[str, str]) -> None:
    host, port = found.host, found.port
    try:
        result.rules.append(Rule(IPv4Network(host), port))
    except ValueError:
        if host == "localhost":
            result.rules.append(Rule(IPv4Network("127.0.0.1"), port))
            return
        # One address for each name: its ports are told apart by the port.
        result.names[host, port] = known.setdefault(host, str(NAMES.network_address + len(known) + 1))
        if found.private:
            result.private.add((host, port))


@dataclass(frozen=True, slots=True)
class Destination:
    """One pair of the annotation."""

    host: str
    port: int
    private: bool


def destinations(annotation: str, warnings: list[str]) -> Iterator[Destination]:
    """The pairs of the annotation; what is not one is named in `warnings` and allows nothing."""
    for part in (p.strip() for p in annotation.split(",") if p.strip()):
        pair, slash, flag = part.partition("/")
        host, _, port = pair.rpartition(":")
        number = ANY_PORT if port == "*" else int(port) if port.isdecimal() and port.isascii() else -1
        fits = number == ANY_PORT if port == "*" else 0 < number < 65536
        if not host or not fits or ":" in host or (slash and flag != "private"):
            warnings.append(f"annotation {ANNOTATION}: {part!r} is not host:port")
            continue
        yield Destination(host.lower().rstrip("."), number, bool(slash))


def _ports(rule: Object, where: str, warnings: list[str], *, steered: bool) -> Iterator[int]:
    if not rule.get("ports") and steered:
        yield ANY_PORT
    elif not rule.get("ports"):
        warnings.append(
            f"{where} names no ports: this node allows named TCP ports only, so it allows nothing"
        )
    for port in rule.get("ports") or ():
        if port.get("protocol", "TCP") != "TCP" and port.get("port") == DNS_PORT and steered:
            continue  # the pod's resolver asks by TCP
        if port.get("protocol", "TCP") != "TCP":
            warnings.append(f"{where}: {port['protocol']} is not passed on by this node")
        elif port.get("port") is None and steered:
            yield ANY_PORT
        elif not isinstance(port.get("port"), int) and steered and rule.get("to"):
            continue  # a name has a meaning for pods alone
        elif not isinstance(port.get("port"), int):
            warnings.append(f"{where}: a port must be a number here, not {port.get('port')!r}")
        elif port.get("endPort", port["port"]) - port["port"] > 1024:
            warnings.append(
                f"{where}: a range of more than 1024 ports is not possible here; it allows nothing"
            )
        else:
            yield from range(port["port"], port.get("endPort", port["port"]) + 1)


def _peers(
    rule: Object, where: str, warnings: list[str], *, steered: bool
) -> Iterator[tuple[IPv4Network, tuple[IPv4Network, ...]]]:
    if not rule.get("to"):
        yield IPv4Network("0.0.0.0/0"), ()
    for peer in rule.get("to") or ():
        block = peer.get("ipBlock")
        if block is None:
            if steered:
                continue  # by labels, connection by connection
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
