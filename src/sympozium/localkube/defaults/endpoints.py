"""Endpoints and EndpointSlices: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/"""

import ipaddress
from typing import Any

from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.metadata import name_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

PROTOCOLS = ("SCTP", "TCP", "UDP")
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
ENDPOINTS_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
_TYPES = ("FQDN", "IPv4", "IPv6")
_VALID_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_LIMITS = {"endpoints": 1000, "ports": 20000, "addresses": 100}


def _default_endpoints(endpoints: Object) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            fill(port, protocol="TCP")


def _check_endpoints(endpoints: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    causes: list[Cause] = []
    ours = _ours(endpoints, ENDPOINTS_MANAGED_BY)
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        at = f"subsets[{index}]"
        addresses = subset.get("addresses") or []
        later = subset.get("notReadyAddresses") or []
        if not addresses and not later:
            causes.append(gotext.required(at, "must specify `addresses` or `notReadyAddresses`"))
        for key, found in (("addresses", addresses), ("notReadyAddresses", later)):
            for place, address in enumerate(found):
                path = f"{at}.{key}[{place}]"
                causes += _address(address.get("ip", ""), f"{path}.ip", loopback=ours)
                if address.get("hostname"):
                    causes += _label(address["hostname"], f"{path}.hostname")
        ports = subset.get("ports") or []
        for place, port in enumerate(ports):
            causes += _port(port, f"{at}.ports[{place}]", named=len(ports) > 1)
    return causes


def _ours(obj: Object, label: str) -> bool:
    """Whether a controller writes it; the API's own endpoint is on loopback as well."""
    meta = obj["metadata"]
    own = (meta.get("namespace"), meta.get("name")) == ("default", "kubernetes")
    return own or label in (meta.get("labels") or {})


def _label(name: str, path: str) -> list[Cause]:
    return [gotext.invalid(path, name, why) for why in name_errors(name, "label")]


def _port(port: Object, at: str, *, named: bool) -> list[Cause]:
    causes: list[Cause] = []
    name = port.get("name", "")
    if named and not name:
        causes.append(gotext.required(f"{at}.name"))
    elif name:
        causes += _label(name, f"{at}.name")
    number = port.get("port") or 0
    if not 1 <= number <= 65535:
        causes.append(gotext.invalid(f"{at}.port", number, "must be between 1 and 65535, inclusive"))
    if port["protocol"] not in PROTOCOLS:
        causes.append(gotext.unsupported(f"{at}.protocol", port["protocol"], PROTOCOLS))
    return causes


def _address(text: str, path: str, *, loopback: bool) -> list[Cause]:
    """An address that traffic may go to; `loopback` only for what our controllers write: pods here are there."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return [gotext.invalid(path, text, _VALID_IP)]
    if address.is_unspecified:
        return [gotext.invalid(path, text, f"may not be unspecified ({text})")]
    if address.is_loopback and not loopback:
        return [gotext.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")]
    if address.is_link_local:
        return [gotext.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")]
    if address in ipaddress.ip_network("224.0.0.0/24"):
        why = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        return [gotext.invalid(path, text, why)]
    return []


def _default_slice(obj: Object) -> None:
    for port in obj.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        fill(port, protocol="TCP")


def _check_slice(obj: Object, old: Object | None, _subresource: str) -> list[Cause]:
    kind = obj.get("addressType")
    causes: list[Cause] = []
    if not kind:
        causes.append(gotext.required("addressType"))
    elif kind not in _TYPES:
        causes.append(gotext.unsupported("addressType", kind, _TYPES))
    causes += _slice_ports(obj.get("ports") or [])
    if old is None or obj.get("endpoints") != old.get("endpoints"):
        causes += _slice_endpoints(obj)
    if old is not None and kind != old.get("addressType"):
        causes.append(gotext.invalid("addressType", kind, "field is immutable"))
    return causes


def _slice_ports(ports: list[Object]) -> list[Cause]:
    if len(ports) > _LIMITS["ports"]:
        return [gotext.too_many("ports", len(ports), _LIMITS["ports"])]
    causes: list[Cause] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"ports[{index}]"
        if port["name"]:
            causes += _label(port["name"], f"{at}.name")
        if port["name"] in names:
            causes.append(gotext.duplicate(f"{at}.name", port["name"]))
        names.add(port["name"])
        if port["protocol"] not in PROTOCOLS:
            causes.append(gotext.unsupported(f"{at}.protocol", port["protocol"], PROTOCOLS))
    return causes


def _slice_endpoints(obj: Object) -> list[Cause]:
    endpoints = obj.get("endpoints") or []
    if len(endpoints) > _LIMITS["endpoints"]:
        return [gotext.too_many("endpoints", len(endpoints), _LIMITS["endpoints"])]
    ours = _ours(obj, MANAGED_BY)
    causes: list[Cause] = []
    for index, endpoint in enumerate(endpoints):
        at = f"endpoints[{index}].addresses"
        addresses = endpoint.get("addresses") or []
        if not addresses:
            causes.append(gotext.required(at, "must contain at least 1 address"))
        elif len(addresses) > _LIMITS["addresses"]:
            causes.append(gotext.too_many(at, len(addresses), _LIMITS["addresses"]))
        for place, address in enumerate(addresses):
            causes += _slice_address(obj.get("addressType"), address, f"{at}[{place}]", at, ours=ours)
        if endpoint.get("hostname"):
            causes += _label(endpoint["hostname"], f"endpoints[{index}].hostname")
    return causes


def _slice_address(kind: Any, address: str, path: str, at: str, *, ours: bool) -> list[Cause]:
    if kind not in {"IPv4", "IPv6"}:
        return []
    causes = _address(address, path, loopback=ours)
    if causes and causes[0].message.endswith(_VALID_IP):
        return causes
    version = ipaddress.ip_address(address).version
    if version != (4 if kind == "IPv4" else 6):
        causes.insert(0, gotext.invalid(at, address, f"must be an {kind} address"))
    return causes


ENDPOINTS = Strategy(default=_default_endpoints, check=_check_endpoints)
ENDPOINT_SLICE = Strategy(generation=True, default=_default_slice, check=_check_slice)
