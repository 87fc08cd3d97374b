"""Ingresses and NetworkPolicies: https://kubernetes.io/docs/concepts/services-networking/"""

import ipaddress

from sympozium.localkube.defaults.labels import selector_shape_causes
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

_PROTOCOLS = ("SCTP", "TCP", "UDP")


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
    types = ("Egress", "Ingress")
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
        try:
            network = ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            return [*causes, gotext.invalid(f"{at}.ipBlock.cidr", cidr, why)]
        for index, hole in enumerate(peer["ipBlock"].get("except") or ()):
            path = f"{at}.ipBlock.except[{index}]"
            if not _within(hole, network):
                causes.append(gotext.invalid(path, hole, "must be a strict subset of `cidr`"))
    for key in ("podSelector", "namespaceSelector"):
        if key in peer:
            causes += selector_shape_causes(peer[key], f"{at}.{key}")
    return causes


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
    if isinstance(number, int) and not 1 <= number <= 65535:
        causes.append(gotext.invalid(f"{at}.port", number, "must be between 1 and 65535, inclusive"))
    if end is not None:
        if not isinstance(number, int):
            why = (
                "may not be specified when `port` is non-numeric"
                if number
                else "may not be specified when `port` is not specified"
            )
            causes.append(gotext.invalid(f"{at}.endPort", end, why))
        elif end < number:
            causes.append(gotext.invalid(f"{at}.endPort", end, "must be greater than or equal to `port`"))
    return causes


def _check_ingress(ingress: Object, _old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = ingress.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        return [gotext.invalid("spec", {}, "either `defaultBackend` or `rules` must be specified")]
    causes: list[Cause] = []
    kinds = ("Exact", "ImplementationSpecific", "Prefix")
    for index, rule in enumerate(spec.get("rules") or ()):
        for place, path in enumerate((rule.get("http") or {}).get("paths") or ()):
            at = f"spec.rules[{index}].http.paths[{place}].pathType"
            if not path.get("pathType"):
                causes.append(gotext.required(at, "pathType must be specified"))
            elif path["pathType"] not in kinds:
                causes.append(gotext.unsupported(at, path["pathType"], kinds))
    return causes


def _create_ingress(ingress: Object) -> None:
    ingress["status"] = {"loadBalancer": {}}


NETWORK_POLICY = Strategy(generation=True, default=_default_policy, check=_check_policy)
INGRESS = Strategy(status=True, generation=True, create=_create_ingress, check=_check_ingress)
