"""Where the traces of a run go: its instance's choice, within what an administrator has named.

The controllers send them, so an endpoint that an instance's author chose is reached from where the controllers are.
It has to be the installation's own, or be named in `allowedEgress` of the policies that hold for the run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from sympozium.api.config import ConfigSpec
from sympozium.api.instance import SympoziumInstance
from sympozium.api.observability import Observability
from sympozium.policy import network
from sympozium.policy.effective import Effective

SERVICE: Final = "sympozium-agent"
_PORTS: Final = {"http": 80, "https": 443}
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\x20-\x7e\t]*")
_OURS: Final = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "te",
        "upgrade",
    }
)
"""Headers that say where a request goes and how it is written: `host` would lead past the name that was allowed."""


@dataclass(frozen=True, slots=True)
class Destination:
    """`endpoint` None is the environment's of the controllers, with what the environment says of it."""

    endpoint: str | None
    service: str = SERVICE
    ratio: float = 1.0
    attributes: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = None
    of_installation: bool = True
    """Whether endpoint, headers and Secret are SympoziumConfig's, and not the instance's."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No traces are sent, though somebody wanted them: why, and what to do."""

    why: str


def destination(
    instance: SympoziumInstance, config: ConfigSpec, policy: Effective, *, environment: str | None
) -> Destination | Refused | None:
    """Where to, or why nowhere; None where nobody wants any. `environment` is the controllers' own endpoint."""
    own, installed = instance.spec.observability, config.observability
    by_default = installed.enabled if installed is not None else environment is not None
    if not (own.enabled if own is not None else by_default):
        return None
    own = own or Observability(enabled=True)
    installed = installed or Observability()
    chosen = own if own.otlp_endpoint else installed
    endpoint = chosen.otlp_endpoint
    if endpoint is None and environment is None:
        return Refused(
            "no endpoint: set otlpEndpoint of the instance or of SympoziumConfig default, "
            "or OTEL_EXPORTER_OTLP_ENDPOINT of the controllers"
        )
    if endpoint is not None and chosen.otlp_protocol == "grpc":
        return Refused(
            f"{endpoint} is to be spoken to by grpc: use http/protobuf, on port 4318 of most collectors"
        )
    chosen_by_author = own.otlp_endpoint not in (None, installed.otlp_endpoint, environment)
    if own.otlp_endpoint and chosen_by_author and (words := _unnamed(own.otlp_endpoint, policy)):
        return Refused(words)
    ratio = own.sampling_ratio or installed.sampling_ratio or "1"
    return Destination(
        endpoint=endpoint,
        service=own.service_name or installed.service_name or SERVICE,
        ratio=float(ratio),
        attributes={**installed.resource_attributes, **own.resource_attributes},
        headers=chosen.headers if endpoint else {},
        secret=chosen.headers_secret_ref if endpoint else None,
        of_installation=chosen is installed,
    )


def _unnamed(endpoint: str, policy: Effective) -> str:
    """Why the controllers may not connect to an endpoint; empty when they may."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError as error:
        return f"{endpoint} is no URL: {error}"
    if not host or port is None:
        return f"{endpoint} names no host and port"
    if network.is_named(policy, host, port):
        return ""
    return (
        f"policy {policy.name} does not name {host}:{port} in networkPolicy.allowedEgress, and it is not the "
        "installation's endpoint: add it there, or leave otlpEndpoint out"
    )


def unfit_headers(headers: Mapping[str, str]) -> list[str]:
    """Names that are none of a header, those that are not for the author of an agent to set, and those with values that
    are more than a line of ASCII. The values are in no answer: they are secrets.
    """
    return sorted(
        name
        for name, value in headers.items()
        if not _HEADER.fullmatch(name) or name.lower() in _OURS or not _VALUE.fullmatch(value)
    )


def contradictions(found: Observability, path: str) -> list[tuple[str, str]]:
    """What cannot be done as it is written: (field, words)."""
    if not found.enabled:
        return []
    wrong = []
    if found.otlp_protocol == "grpc":
        words = "grpc is not spoken: use http/protobuf, on port 4318 of most collectors"
        wrong.append((f"{path}.otlpProtocol", words))
    if unfit := unfit_headers(found.headers):
        wrong.append((f"{path}.headers", f"{', '.join(unfit)}: cannot be set (a value is one line of ASCII)"))
    if not found.otlp_endpoint:
        words = "are sent to otlpEndpoint alone: set it too, or leave them out"
        for name, value in (("headers", found.headers), ("headersSecretRef", found.headers_secret_ref)):
            wrong += [(f"{path}.{name}", words)] if value else []
    return wrong
