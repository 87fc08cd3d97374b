"""Where the pod of a run may connect to.

Without `networkPolicy` in any layer egress is free. One layer that denies all closes it, and a destination is open
only when every layer that denies all allows it. Layers that only watch restrict nothing. The model endpoint is not in here: who plans the pod adds it.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sympozium.api.policy import EgressRule
from sympozium.policy.effective import Effective

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
RELAYED: Final = ipaddress.IPv4Network("127.1.0.0/16")
"""Where our node answers inside a pod for the names that the pod may connect to. It judges what they lead to."""


@dataclass(frozen=True, slots=True)
class Egress:
    """What a pod may reach. When `restricted` is false everything, and the rest says nothing."""

    restricted: bool
    dns: bool
    event_bus: bool
    destinations: tuple[EgressRule, ...]
    must_hold: bool = True
    """Whether a run must not start where nothing enforces this: unless each layer that closes the network says otherwise."""

    @property
    def names(self) -> tuple[EgressRule, ...]:
        """Destinations by DNS name: NetworkPolicy cannot express them, the node resolves them at connect."""
        return tuple(rule for rule in self.destinations if network_of(rule.host) is None)

    @property
    def networks(self) -> tuple[EgressRule, ...]:
        """Destinations by address or CIDR."""
        return tuple(rule for rule in self.destinations if network_of(rule.host) is not None)


def egress(policy: Effective) -> Egress:
    """What the layers that bind allow together; of `policy.as_enforced`, what it would be if all did."""
    closed = [layer.spec.network_policy for layer in policy.enforced if layer.spec.network_policy]
    closed = [rules for rules in closed if rules.deny_all]
    if not closed:
        return Egress(restricted=False, dns=True, event_bus=True, destinations=())
    destinations = closed[0].allowed_egress
    for rules in closed[1:]:
        destinations = _common(destinations, rules.allowed_egress)
    return Egress(
        restricted=True,
        dns=all(rules.allow_dns for rules in closed),
        event_bus=all(rules.allow_event_bus for rules in closed),
        destinations=tuple(destinations),
        must_hold=any(rules.when_unenforced == "Refuse" for rules in closed),
    )


def may_connect(policy: Effective, host: str, port: int, addresses: Iterable[str]) -> bool:
    """Whether a tool may connect to a host, whose name was resolved to `addresses`, on a port.

    A destination by name must be the name that was asked for; one by address must hold all that it resolved to.
    What is relayed is open to names that the policy allows, and else to nobody: behind it is the run's model, too.
    """
    allowed = egress(policy)
    found = [ipaddress.ip_address(address) for address in addresses]
    if not allowed.restricted:
        return not any(address in RELAYED for address in found)
    return any(_holds(rule, host, port, found) for rule in allowed.destinations)


def is_named(policy: Effective, host: str, port: int) -> bool:
    """Whether a policy names a destination that somebody else than the run's pod will connect to, in its behalf.

    That egress is free says what the pod may do from where it is. It lends nobody the place of the control plane. Nor does a
    range lend its loopback or the metadata service of its cloud: who means those names the address alone.
    """
    layers = [layer.spec.network_policy for layer in policy.enforced if layer.spec.network_policy]
    network = network_of(host)
    found = [ipaddress.ip_address(host)] if network is not None else []
    inside = any(_is_inside(address) for address in found)
    named = [
        any(
            _holds(rule, host, port, found) and not (inside and _is_range(rule))
            for rule in rules.allowed_egress
        )
        for rules in layers
    ]
    closed = [one for one, rules in zip(named, layers, strict=True) if rules.deny_all]
    return any(named) and all(closed)


def _is_inside(address: Address) -> bool:
    """Loopback, or link-local as metadata services are: another thing for each who connects."""
    plain = (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address
    return plain.is_loopback or plain.is_link_local or plain.is_unspecified or plain.is_multicast


def _is_range(rule: EgressRule) -> bool:
    network = network_of(rule.host)
    return network is not None and network.num_addresses > 1


def by_address(allowed: Egress, address: str, port: int) -> bool:
    """Whether the layers allow an address as such, and not for the name that led to it."""
    return any(_holds(rule, address, port, [ipaddress.ip_address(address)]) for rule in allowed.networks)


def network_of(host: str) -> Network | None:
    """The network that a host field names, or None for a DNS name. Host bits may be set, as people write them."""
    try:
        return ipaddress.ip_network(host, strict=False)
    except ValueError:
        return None


def _holds(rule: EgressRule, host: str, port: int, addresses: list[Address]) -> bool:
    if rule.port is not None and rule.port != port:
        return False
    network = network_of(rule.host)
    if network is None:
        return rule.host.lower().rstrip(".") == host.lower().rstrip(".")
    return bool(addresses) and all(
        address.version == network.version and address in network and address not in RELAYED
        for address in addresses
    )


def _common(first: list[EgressRule], second: list[EgressRule]) -> list[EgressRule]:
    """The destinations that both lists allow."""
    both = []
    for one in first:
        for other in second:
            host = _narrower(one.host, other.host)
            ports = {rule.port for rule in (one, other) if rule.port is not None}
            if host is not None and len(ports) <= 1:
                shared = EgressRule(host=host, port=next(iter(ports), None))
                if shared not in both:
                    both.append(shared)
    return both


def _narrower(first: str, second: str) -> str | None:
    one, other = network_of(first), network_of(second)
    if one is None and other is None:
        return first if first.lower().rstrip(".") == second.lower().rstrip(".") else None
    if one is None or other is None or one.version != other.version:
        return None
    if one.subnet_of(other):  # type: ignore[arg-type]  # same version, checked above
        return first
    return second if other.subnet_of(one) else None  # type: ignore[arg-type]
