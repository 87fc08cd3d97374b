"""Ingresses and NetworkPolicies: https://kubernetes.io/docs/concepts/services-networking/"""

import ipaddress

from sympozium.localkube.defaults.checks import port_name_errors, port_number
from sympozium.localkube.defaults.ingressrules import ingress_causes
from sympozium.localkube.defaults.labels import selector_shape_causes
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

_PROTOCOLS = ("TCP", "UDP", "SCTP")


def _default_policy(policy: Object) -> None:
    spec = policy.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            fill(port, protocol="TCP")


def _check_policy(policy: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    spec = policy["spec"]
    causes = selector_shape_causes(spec["podSelector"], "spec.podSelector")
    types = ("Ingress", "Egress")
    if len(spec["policyTypes"]) > len(types):
        why = "may not specify more than two policyTypes"
        return [*causes, gotext.invalid("spec.policyTypes", spec["policyTypes"], why)]
    for index, kind in enumerate(spec["policyTypes"]):
        if kind not in types:
            causes.append(gotext.unsupported(f"spec.policyTypes[{index}]", kind, types))
    for key, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(key) or ()):
            at = f"spec.{key}[{index}]"
            for place, peer in enumerate(rule.get(peers) or ()):
                causes += _peer(peer, f"{at}.{peers}[{place}]")
            for place, port in enumerate(rule.get("ports") or ()):
                causes += _policy_port(port, f"{at}.ports[{place}]")
    return causes


def _peer(peer: Object, at: str) -> list[Cause]:
    if not peer:
        return [gotext.required(at, "must specify a peer")]
    causes: list[Cause] = []
    if "ipBlock" in peer:
        if len(peer) > 1:
            why = "may not specify both ipBlock and another peer"
            causes.append(gotext.forbidden(at, why))
        cidr = peer["ipBlock"].get("cidr", "")
        if not cidr:
            return [*causes, gotext.required(f"{at}.ipBlock.cidr")]
        try:
            network = ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            return [*causes, gotext.invalid(f"{at}.ipBlock.cidr", cidr, why)]
        for index, hole in enumerate(peer["ipBlock"].get("except") or ()):
            path = f"{at}.ipBlock.except[{index}]"
            if not _is_network(hole):
                why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
                causes.append(gotext.invalid(path, hole, why))
            elif not _within(hole, network):
                causes.append(gotext.invalid(path, hole, "must be a strict subset of `cidr`"))
    for key in ("podSelector", "namespaceSelector"):
        if key in peer:
            causes += selector_shape_causes(peer[key], f"{at}.{key}")
    return causes


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text if "/" in text else "", strict=False)
    except ValueError:
        return False
    return True


def _within(hole: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        inner = ipaddress.ip_network(hole, strict=False)
    except ValueError:
        return False
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(network, ipaddress.IPv4Network):
        return inner != network and inner.subnet_of(network)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(network, ipaddress.IPv6Network):
        return inner != network and inner.subnet_of(network)
    return False


def _policy_port(port: Object, at: str) -> list[Cause]:
    causes: list[Cause] = []
    if port["protocol"] not in _PROTOCOLS:
        causes.append(gotext.unsupported(f"{at}.protocol", port["protocol"], _PROTOCOLS))
    number, end = port.get("port"), port.get("endPort")
    if isinstance(number, int):
        causes += port_number(number, f"{at}.port")
    elif number is not None:
        causes += [gotext.invalid(f"{at}.port", number, why) for why in port_name_errors(number)]
    if end is None:
        return causes
    if not isinstance(number, int):
        how = "non-numeric" if number else "not specified"
        return [*causes, gotext.invalid(f"{at}.endPort", end, f"may not be specified when `port` is {how}")]
    if end < number:
        # The value that is shown is the port's: the API server's mistake, which clients see.
        causes.append(gotext.invalid(f"{at}.endPort", number, "must be greater than or equal to `port`"))
    return causes + port_number(end, f"{at}.endPort")


def _check_ingress(ingress: Object, _old: Object | None, subresource: str) -> list[Cause]:
    return [] if subresource else ingress_causes(ingress.get("spec") or {}, "spec")


def _create_ingress(ingress: Object) -> None:
    ingress["status"] = {"loadBalancer": {}}


NETWORK_POLICY = Strategy(generation=True, default=_default_policy, check=_check_policy)
INGRESS = Strategy(status=True, generation=True, create=_create_ingress, check=_check_ingress)
