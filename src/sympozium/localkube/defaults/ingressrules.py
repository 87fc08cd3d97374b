"""What is wrong with an Ingress, in the API server's words. Nothing routes by it here; it is checked and kept."""

import ipaddress
from typing import Any

from sympozium.localkube.defaults.checks import Causes, port_name_errors, port_number
from sympozium.localkube.defaults.labels import name_causes
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Object

_PATHS = ("Exact", "ImplementationSpecific", "Prefix")
_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_ENDS = ("/..", "/.")
_WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower"
    " case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used"
    r" for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def ingress_causes(spec: Object, path: str) -> Causes:
    backend, rules = spec.get("defaultBackend"), spec.get("rules") or []
    causes: Causes = []
    if backend is None and not rules:
        why = "either `defaultBackend` or `rules` must be specified"
        causes.append(gotext.invalid(path, spec or None, why))
    if backend is not None:
        causes += _backend(backend, f"{path}.defaultBackend")
    for index, rule in enumerate(rules):
        causes += _rule(rule, f"{path}.rules[{index}]")
    for index, tls in enumerate(spec.get("tls") or ()):
        for place, host in enumerate(tls.get("hosts") or ()):
            causes += _host(host, f"{path}.tls[{index}].hosts[{place}]")
        if tls.get("secretName"):
            causes += name_causes(tls["secretName"], f"{path}.tls[{index}].secretName")
    if spec.get("ingressClassName") is not None:
        causes += name_causes(spec["ingressClassName"], f"{path}.ingressClassName")
    return causes


def _host(host: str, at: str) -> Causes:
    if "*" not in host:
        return name_causes(host, at)
    rest = host.removeprefix("*.")
    good = host.startswith("*.") and not name_causes(rest, "")
    return [] if good else [gotext.invalid(at, host, _WILDCARD_TEXT)]


def _rule(rule: Object, at: str) -> Causes:
    causes: Causes = []
    host = rule.get("host") or ""
    if host:
        try:
            ipaddress.ip_address(host)
            causes.append(gotext.invalid(f"{at}.host", host, "must be a DNS name, not an IP address"))
        except ValueError:
            causes += _host(host, f"{at}.host")
    http = rule.get("http")
    if http is None:
        return causes
    paths = http.get("paths") or []
    if not paths:
        causes.append(gotext.required(f"{at}.http.paths"))
    for index, path in enumerate(paths):
        causes += _path(path, f"{at}.http.paths[{index}]")
    return causes


def _path(path: Object, at: str) -> Causes:
    kind, text = path.get("pathType"), path.get("path") or ""
    causes: Causes = []
    if kind is None:
        return [gotext.required(f"{at}.pathType", "pathType must be specified")]
    if kind in {"Exact", "Prefix"}:
        if not text.startswith("/"):
            causes.append(gotext.invalid(f"{at}.path", text, "must be an absolute path"))
        if text:
            causes += [
                gotext.invalid(f"{at}.path", text, f"must not contain '{part}'")
                for part in _SEQUENCES
                if part in text
            ]
            causes += [
                gotext.invalid(f"{at}.path", text, f"cannot end with '{part}'")
                for part in _ENDS
                if text.endswith(part)
            ]
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            causes.append(gotext.invalid(f"{at}.path", text, "must be an absolute path"))
    else:
        causes.append(gotext.unsupported(f"{at}.pathType", kind, _PATHS))
    return causes + _backend(path.get("backend") or {}, f"{at}.backend")


def _backend(backend: Object, at: str) -> Causes:
    service, resource = backend.get("service"), backend.get("resource")
    if resource is not None and service is not None:
        return [gotext.invalid(at, "", "cannot set both resource and service backends")]
    if resource is not None:
        return _resource(resource, f"{at}.resource")
    if service is None:
        return [gotext.invalid(at, "", "resource or service backend is required")]
    name = service.get("name") or ""
    causes = (
        name_causes(name, f"{at}.service.name", "label") if name else [gotext.required(f"{at}.service.name")]
    )
    return causes + _port(service.get("port") or {}, at)


def _port(port: Object, at: str) -> Causes:
    name, number = port.get("name") or "", port.get("number") or 0
    if name and number:
        return [gotext.invalid(at, "", "cannot set both port name & port number")]
    if name:
        return [gotext.invalid(f"{at}.service.port.name", name, why) for why in port_name_errors(name)]
    if number:
        return port_number(number, f"{at}.service.port.number")
    return [gotext.required(at, "port name or number is required")]


def _resource(resource: Any, at: str) -> Causes:
    causes: Causes = []
    if not resource.get("kind"):
        causes.append(gotext.required(f"{at}.kind"))
    if not resource.get("name"):
        causes.append(gotext.required(f"{at}.name"))
    return causes
