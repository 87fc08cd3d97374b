"""What controllers, webhook and API server agree on about the HTTP endpoints of agents.

The controllers read the Secret with an endpoint's key and publish an HMAC of it in the instance's status; the API server, which
may read no Secret of a namespace, compares HMACs. Both have the key of the HMAC from Secret `sympozium-server`. It covers
the instance too, so a digest says nothing of whether two agents have the same key, and is of no use in another's status.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from sympozium.api.base import Object
from sympozium.api.instance import InstanceSpec
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.names import is_subdomain

SERVER: Final = "sympozium-server"
"""Secret and ConfigMap of the system namespace."""
HMAC_KEY: Final = "endpoint.key"
"""In the Secret: what digests are made with."""
URL: Final = "url"
"""In the ConfigMap: where the API server is found."""
TOKEN: Final = "token"  # noqa: S105 - a name
"""In the Secret of an endpoint: its key."""
SHORTEST: Final = 16
"""Characters of a key."""
PREFIX: Final = "/agents"
"""Of paths: `/agents/<namespace>/<instance>`."""
LABEL_ENDPOINT: Final = "sympozium.ai/endpoint"
"""On runs that a request made: the protocol that it came by."""
APISERVER: Final = f"system:serviceaccount:{SYSTEM_NAMESPACE}:sympozium-apiserver"
"""Who makes them."""
KEPT: Final = 100
"""Ended runs of an agent's endpoint that are kept where the installation does not say."""
HOSTNAMES: Final = ("*.localhost",)
"""Host names that agents may have where the installation does not say."""
_NUMERIC: Final = frozenset("0123456789.")


def digest(installation: bytes, namespace: str, instance: str, key: str, *, of: str = "endpoint") -> str:
    """As in `status.webEndpoint.keyDigest`; `of` tells what the name is of (`trigger`: `status.webhook.keyDigest`)."""
    message = f"{of}\0{namespace}\0{instance}\0{key}".encode()
    return f"hmac-sha256:{hmac.new(installation, message, hashlib.sha256).hexdigest()}"


def secret_value(secret: Object | None, key: str) -> bytes:
    """A value of a Secret; empty where there is none."""
    value = ((secret or {}).get("data") or {}).get(key) or ""
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return b""


def key_problem(key: str) -> str:
    """Why a text is no key, in words; empty when it is one."""
    if len(key) < SHORTEST:
        return f"has {len(key)} characters, and a key has {SHORTEST} or more"
    if not (key.isascii() and key.isprintable()) or " " in key:
        return "has characters that no header carries: use letters, digits and punctuation"
    return ""


def is_served(spec: InstanceSpec) -> bool:
    """Whether an agent has an endpoint of any kind."""
    return bool((spec.web_endpoint and spec.web_endpoint.enabled) or (spec.a2a and spec.a2a.enabled))


def protocol_of(run: Object) -> str | None:
    """By which protocol a request came that made a run; None for all other runs, also those that somebody labelled so."""
    trigger = run["spec"].get("trigger") or {}
    if trigger.get("kind") != "API" or trigger.get("user") != APISERVER:
        return None
    found: str | None = (run["metadata"].get("labels") or {}).get(LABEL_ENDPOINT)
    return found


def hostname_problem(name: str) -> str:
    """Why a text is no host name for an agent, in words; empty when it is one."""
    if not is_subdomain(name) or "." not in name or set(name) <= _NUMERIC:
        return f"{name!r} is no host name: lower-case letters, digits and '-' in at least two parts, as bot.example.org"
    return ""


def is_allowed(name: str, globs: Sequence[str]) -> bool:
    """Whether agents may have a host name: it is in the list, or beneath `*.` and a name."""
    return any(name == glob or (glob.startswith("*.") and name.endswith(glob[1:])) for glob in globs)
