"""NATS JWTs (v2): operator, account and user claims, signed with nkeys (`bus.nkey`).

https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt
"""

import base64
import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sympozium.bus.nkey import public, sign

_NO_LIMITS: Final = {"subs": -1, "data": -1, "payload": -1}
_ACCOUNT_LIMITS: Final = {
    **_NO_LIMITS,
    "imports": -1,
    "exports": -1,
    "wildcards": True,
    "conn": -1,
    "leaf": -1,
}
_JETSTREAM: Final = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}


def operator(seed: str, *, system_account: str, issued_at: int | None = None) -> str:
    """`issued_at` in seconds since 1970, here and below: now where it is not given."""
    body = {"system_account": system_account}
    return _encode("operator", public(seed), "sympozium", seed, body, issued_at)


def system_account(seed: str, *, operator_seed: str, issued_at: int | None = None) -> str:
    body = {"limits": dict(_ACCOUNT_LIMITS)}
    return _encode("account", public(seed), "SYS", operator_seed, body, issued_at)


def account(
    seed: str, *, operator_seed: str, signing_keys: Iterable[str] = (), issued_at: int | None = None
) -> str:
    """The account of all runs. `signing_keys`: public keys that may issue users of it, beside its own."""
    claims: dict[str, Any] = {"limits": {**_ACCOUNT_LIMITS, **_JETSTREAM}}
    if listed := sorted(signing_keys):
        claims["signing_keys"] = listed
    return _encode("account", public(seed), "SYMPOZIUM", operator_seed, claims, issued_at)


def user(
    seed: str,
    name: str,
    *,
    issuer_seed: str,
    publish: Sequence[str],
    subscribe: Sequence[str],
    account: str | None = None,
) -> str:
    """A user with exactly these subjects; an empty sequence allows nothing at all.

    The issuer is an account or, with `account` (its public key), a signing key of one.
    """
    claims: dict[str, Any] = {**_NO_LIMITS, "pub": _permission(publish), "sub": _permission(subscribe)}
    if account is not None:
        claims["issuer_account"] = account
    return _encode("user", public(seed), name, issuer_seed, claims)


def signing_keys(token: str) -> frozenset[str]:
    """The signing keys in the JWT of an account that comes from a trusted place."""
    return frozenset(payload(token)["nats"].get("signing_keys") or ())


def payload(token: str) -> dict[str, Any]:
    """The claims of a JWT that comes from a trusted place: the signature is not looked at."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def unrestricted_user(seed: str, name: str, *, issuer_seed: str) -> str:
    """A user with every right of its account."""
    return _encode("user", public(seed), name, issuer_seed, {**_NO_LIMITS, "pub": {}, "sub": {}})


def _permission(subjects: Sequence[str]) -> dict[str, list[str]]:
    # An empty allow list would mean "everything": say "nothing" as NATS understands it.
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def _encode(
    kind: str,
    subject: str,
    name: str,
    issuer_seed: str,
    body: Mapping[str, Any],
    issued_at: int | None = None,
) -> str:
    claims: dict[str, Any] = {
        "iat": int(time.time()) if issued_at is None else issued_at,
        "iss": public(issuer_seed),
        "name": name,
        "sub": subject,
        "nats": {**body, "type": kind, "version": 2},
    }
    digest = hashlib.new("sha512_256", json.dumps(claims, sort_keys=True).encode()).digest()
    claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
    header = json.dumps({"typ": "JWT", "alg": "ed25519-nkey"})
    signed = f"{_base64url(header.encode())}.{_base64url(json.dumps(claims).encode())}"
    return f"{signed}.{_base64url(sign(issuer_seed, signed.encode()))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
