"""NATS JWTs (v2): operator, account and user claims, signed with nkeys.

https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt
"""

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import nkeys

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


def new_seed(kind: str) -> str:
    """A fresh seed of an `operator`, `account` or `user`."""
    prefix = {
        "operator": nkeys.PREFIX_BYTE_OPERATOR,
        "account": nkeys.PREFIX_BYTE_ACCOUNT,
        "user": nkeys.PREFIX_BYTE_USER,
    }[kind]
    return bytes(nkeys.encode_seed(os.urandom(32), prefix)).decode()


def public(seed: str) -> str:
    """The public key that belongs to a seed."""
    return bytes(nkeys.from_seed(bytearray(seed.encode())).public_key).decode()


def sign(seed: str, data: bytes) -> bytes:
    return bytes(nkeys.from_seed(bytearray(seed.encode())).sign(data))


def operator(seed: str, *, system_account: str) -> str:
    return _encode("operator", public(seed), "sympozium", seed, {"system_account": system_account})


def system_account(seed: str, *, operator_seed: str) -> str:
    return _encode("account", public(seed), "SYS", operator_seed, {"limits": dict(_ACCOUNT_LIMITS)})


def account(seed: str, *, operator_seed: str, revoked: Mapping[str, int] | None = None) -> str:
    """The account of all runs. `revoked`: public key of a user -> the second up to which its JWTs are void."""
    claims: dict[str, Any] = {"limits": {**_ACCOUNT_LIMITS, **_JETSTREAM}}
    if revoked:
        claims["revocations"] = dict(revoked)
    return _encode("account", public(seed), "SYMPOZIUM", operator_seed, claims)


def user(
    seed: str,
    name: str,
    *,
    account_seed: str,
    publish: Sequence[str],
    subscribe: Sequence[str],
    lifetime: int | None = None,
) -> str:
    """A user with exactly these subjects, for `lifetime` seconds; an empty sequence allows nothing at all."""
    claims: dict[str, Any] = {**_NO_LIMITS, "pub": _permission(publish), "sub": _permission(subscribe)}
    return _encode("user", public(seed), name, account_seed, claims, lifetime)


def payload(token: str) -> dict[str, Any]:
    """The claims of a JWT that comes from a trusted place: the signature is not looked at."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def unrestricted_user(seed: str, name: str, *, account_seed: str) -> str:
    """A user with every right of its account."""
    return _encode("user", public(seed), name, account_seed, {**_NO_LIMITS, "pub": {}, "sub": {}})


def _permission(subjects: Sequence[str]) -> dict[str, list[str]]:
    # An empty allow list would mean "everything": say "nothing" as NATS understands it.
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def _encode(
    kind: str, subject: str, name: str, issuer_seed: str, body: Mapping[str, Any], lifetime: int | None = None
) -> str:
    claims: dict[str, Any] = {
        "iat": int(time.time()),
        "iss": public(issuer_seed),
        "name": name,
        "sub": subject,
        "nats": {**body, "type": kind, "version": 2},
    }
    if lifetime is not None:
        claims["exp"] = claims["iat"] + lifetime
    digest = hashlib.new("sha512_256", json.dumps(claims, sort_keys=True).encode()).digest()
    claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
    header = json.dumps({"typ": "JWT", "alg": "ed25519-nkey"})
    signed = f"{_base64url(header.encode())}.{_base64url(json.dumps(claims).encode())}"
    return f"{signed}.{_base64url(sign(issuer_seed, signed.encode()))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
