"""Services: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/

Addresses and node ports are given by `admission.services`, which sees the other Services.
"""

import ipaddress
import re
from typing import Any

from sympozium.localkube.defaults.endpoints import PROTOCOLS
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.metadata import name_errors, qualified_name_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
EXTERNAL = {"NodePort", "LoadBalancer"}
AFFINITY_SECONDS = 10800
_VALID_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_TRAFFIC = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_PORT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PORT_RANGE = "must be between 1 and 65535, inclusive"


def headless(spec: Object) -> bool:
    return bool(spec.get("clusterIP") == "None")


def default_service(service: Object) -> None:
    spec = service.setdefault("spec", {})
    fill(spec, type="ClusterIP")
    fill(spec, sessionAffinity="None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        config.setdefault("timeoutSeconds", AFFINITY_SECONDS)
    for port in spec.get("ports") or ():
        fill(port, protocol="TCP")
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port")
    if spec["type"] == "ExternalName":
        return
    fill(spec, internalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec["type"] in EXTERNAL:
        fill(spec, externalTrafficPolicy="Cluster")


def _one_address(spec: Object, old: Object) -> None:
    """`clusterIP` and `clusterIPs` are two forms of one field; who writes one of them means both."""
    single, several = spec.get("clusterIP"), spec.get("clusterIPs")
    alone = single != old.get("clusterIP") and several == old.get("clusterIPs")
    if single and (not several or alone):
        spec["clusterIPs"] = [single]
    elif several and not single:
        spec["clusterIP"] = several[0]


def _families(spec: Object) -> None:
    if spec.get("ipFamilies") or spec["type"] == "ExternalName":
        if spec["type"] != "ExternalName":
            fill(spec, ipFamilyPolicy="SingleStack")
        return
    # Nobody knows what endpoints will be given by hand to a headless Service: it may have both.
    if headless(spec) and not spec.get("selector") and not spec.get("ipFamilyPolicy"):
        spec |= {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
        return
    spec["ipFamilies"] = ["IPv4"]
    fill(spec, ipFamilyPolicy="SingleStack")


def _create(service: Object) -> None:
    service["status"] = {"loadBalancer": {}}
    _one_address(service["spec"], {})
    _families(service["spec"])


def _update(service: Object, old: Object, subresource: str) -> None:
    """What was allocated stays where a writer leaves it out, and goes with the type that needed it."""
    if subresource:
        return
    spec, before = service["spec"], old["spec"]
    if spec["type"] == "ExternalName":
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if before["type"] != "ExternalName" and spec.get(key) == before.get(key):
                spec.pop(key, None)
        return
    if before["type"] != "ExternalName" and not spec.get("clusterIP") and not spec.get("clusterIPs"):
        for key in ("clusterIP", "clusterIPs"):
            if key in before:
                spec[key] = before[key]
    _one_address(spec, before)
    for key in ("ipFamilies", "ipFamilyPolicy"):
        if key in before:
            spec.setdefault(key, before[key])
    _families(spec)
    _node_ports(spec, before)
    for key, needed in (
        ("externalTrafficPolicy", EXTERNAL),
        ("allocateLoadBalancerNodePorts", {"LoadBalancer"}),
        ("loadBalancerClass", {"LoadBalancer"}),
    ):
        gone = before["type"] in needed and spec["type"] not in needed
        if gone and spec.get(key) == before.get(key):
            spec.pop(key, None)


def _node_ports(spec: Object, before: Object) -> None:
    known = {(p["protocol"], p["port"]): p.get("nodePort") for p in before.get("ports") or ()}
    for port in spec.get("ports") or ():
        given = known.get((port["protocol"], port.get("port")))
        if spec["type"] in EXTERNAL:
            if given and not port.get("nodePort"):
                port["nodePort"] = given
        elif before["type"] in EXTERNAL and port.get("nodePort") in known.values():
            port.pop("nodePort", None)


def _check(service: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = service["spec"]
    causes = _type(spec)
    causes += _ports(spec)
    for key in spec.get("selector") or ():
        causes += [gotext.invalid("spec.selector", key, why) for why in qualified_name_errors(key)]
    causes += _affinity(spec)
    if spec["type"] != "ExternalName":
        causes += _addresses(spec)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        causes += _external_ip(address, f"spec.externalIPs[{index}]")
    if spec["type"] not in _TYPES:
        causes.append(gotext.unsupported("spec.type", spec["type"], _TYPES))
    causes += _port_pairs(spec)
    causes += _of_load_balancers(spec)
    causes += _traffic(spec)
    if old is not None:
        causes = _changes(spec, old["spec"]) + causes
    return causes


def _type(spec: Object) -> list[Cause]:
    kind = spec["type"]
    causes: list[Cause] = []
    if not spec.get("ports") and not headless(spec) and kind != "ExternalName":
        causes.append(gotext.required("spec.ports"))
    if kind in EXTERNAL and headless(spec):
        why = f"may not be set to 'None' for {kind} services"
        causes.append(gotext.invalid("spec.clusterIPs[0]", "None", why))
    if kind == "ExternalName":
        causes += [
            gotext.forbidden(f"spec.{key}", "may not be set for ExternalName services")
            for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
            if spec.get(key)
        ]
        name = (spec.get("externalName") or "").removesuffix(".")
        if name:
            causes += [
                gotext.invalid("spec.externalName", name, why) for why in name_errors(name, "subdomain")
            ]
        else:
            causes.append(gotext.required("spec.externalName"))
    return causes


def _ports(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    ports = spec.get("ports") or []
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        name = port.get("name", "")
        if not name and len(ports) > 1:
            causes.append(gotext.required(f"{at}.name"))
        elif name:
            causes += [gotext.invalid(f"{at}.name", name, why) for why in name_errors(name, "label")]
            if name in names:
                causes.append(gotext.duplicate(f"{at}.name", name))
            names.add(name)
        number = port.get("port") or 0
        if not 1 <= number <= 65535:
            causes.append(gotext.invalid(f"{at}.port", number, _PORT_RANGE))
        if port["protocol"] not in PROTOCOLS:
            causes.append(gotext.unsupported(f"{at}.protocol", port["protocol"], PROTOCOLS))
        causes += _target(port.get("targetPort"), f"{at}.targetPort")
    return causes


def _target(value: Any, path: str) -> list[Cause]:
    if isinstance(value, int):
        if 1 <= value <= 65535 or not value:  # port 0 was refused already, under its own name
            return []
        return [gotext.invalid(path, value, _PORT_RANGE)]
    text = str(value or "")
    whys = []
    if len(text) > 15:
        whys.append("must be no more than 15 characters")
    if text and not _PORT_NAME.fullmatch(text):
        whys.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    elif text and "--" in text:
        whys.append("must not contain consecutive hyphens")
    elif text and not re.search("[a-z]", text):
        whys.append("must contain at least one letter (a-z)")
    return [gotext.invalid(path, text, why) for why in whys]


def _affinity(spec: Object) -> list[Cause]:
    kinds = ("ClientIP", "None")
    if spec["sessionAffinity"] not in kinds:
        return [gotext.unsupported("spec.sessionAffinity", spec["sessionAffinity"], kinds)]
    if spec["sessionAffinity"] == "ClientIP":
        seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
        if not 0 < seconds <= 86400:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            return [gotext.invalid(path, seconds, "must be greater than 0 and less than 86400")]
    return []


def _addresses(spec: Object) -> list[Cause]:
    single, several = spec.get("clusterIP"), spec.get("clusterIPs") or []
    causes: list[Cause] = []
    if single and several and several[0] != single:
        causes.append(gotext.invalid("spec.clusterIPs", several, "first value must match `clusterIP`"))
    for index, address in enumerate(several):
        if address == "None" and index == 0:
            if len(several) > 1:
                why = "'None' must be the first and only value"
                causes.append(gotext.invalid("spec.clusterIPs", several, why))
            continue
        if not _is_ip(address):
            causes.append(gotext.invalid(f"spec.clusterIPs[{index}]", address, _VALID_IP))
    if spec.get("ipFamilies") == ["IPv4", "IPv6"] and headless(spec) and not spec.get("selector"):
        return causes
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in {"IPv4", "IPv6"}:
            causes.append(gotext.unsupported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6")))
        elif family == "IPv6":
            causes.append(
                gotext.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
            )
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    policy = spec.get("ipFamilyPolicy")
    if policy not in policies:
        causes.append(gotext.unsupported("spec.ipFamilyPolicy", policy, policies))
    elif policy == "RequireDualStack":
        why = "this cluster is not configured for dual-stack services"
        causes.append(gotext.invalid("spec.ipFamilyPolicy", policy, why))
    return causes


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _external_ip(text: str, path: str) -> list[Cause]:
    if not _is_ip(text):
        return [gotext.invalid(path, text, _VALID_IP)]
    address = ipaddress.ip_address(text)
    if address.is_loopback:
        return [gotext.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")]
    if address.is_unspecified:
        return [gotext.invalid(path, text, f"may not be unspecified ({text})")]
    if address.is_link_local:
        return [gotext.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")]
    return []


def _port_pairs(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    pairs: set[tuple[int, str]] = set()
    node_ports: set[tuple[int, str]] = set()
    for index, port in enumerate(spec.get("ports") or ()):
        node_port = port.get("nodePort")
        if node_port and spec["type"] == "ClusterIP":
            why = "may not be used when `type` is 'ClusterIP'"
            causes.append(gotext.forbidden(f"spec.ports[{index}].nodePort", why))
        if node_port and (node_port, port["protocol"]) in node_ports:
            causes.append(gotext.duplicate(f"spec.ports[{index}].nodePort", node_port))
        if node_port:
            node_ports.add((node_port, port["protocol"]))
        pair = (port.get("port") or 0, port["protocol"])
        if pair in pairs:
            shown = {"Name": "", "Protocol": pair[1], "AppProtocol": None, "Port": pair[0]}
            shown |= {"TargetPort": 0, "NodePort": 0}
            causes.append(gotext.duplicate(f"spec.ports[{index}]", shown))
        pairs.add(pair)
    return causes


def _of_load_balancers(spec: Object) -> list[Cause]:
    if spec["type"] == "LoadBalancer":
        return []
    named = {"loadBalancerSourceRanges": "LoadBalancerSourceRanges"}
    return [
        gotext.forbidden(f"spec.{named.get(key, key)}", "may only be used when `type` is 'LoadBalancer'")
        for key in ("loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "loadBalancerClass")
        if spec.get(key) not in (None, "", [])
    ]


def _traffic(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    outside, inside = spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")
    if outside and spec["type"] not in EXTERNAL and not spec.get("externalIPs"):
        why = "may only be set for externally-accessible services"
        causes.append(gotext.invalid("spec.externalTrafficPolicy", outside, why))
    elif outside and outside not in _TRAFFIC:
        causes.append(gotext.unsupported("spec.externalTrafficPolicy", outside, _TRAFFIC))
    if inside and inside not in _TRAFFIC:
        causes.append(gotext.unsupported("spec.internalTrafficPolicy", inside, _TRAFFIC))
    chosen = spec.get("trafficDistribution")
    if chosen is not None and chosen not in _DISTRIBUTIONS:
        causes.append(gotext.unsupported("spec.trafficDistribution", chosen, _DISTRIBUTIONS))
    return causes


def _changes(spec: Object, old: Object) -> list[Cause]:
    """The address is for life, unless the Service comes from or goes to ExternalName."""
    if "ExternalName" in {spec["type"], old["type"]}:
        return []
    before, now = old.get("clusterIPs") or [], spec.get("clusterIPs") or []
    if before and before != now:
        why = "may not change once set"
        return [gotext.invalid("spec.clusterIPs[0]", now[0] if now else "", why)]
    return []


SERVICE = Strategy(status=True, default=default_service, create=_create, update=_update, check=_check)
