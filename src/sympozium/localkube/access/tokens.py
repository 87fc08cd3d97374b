"""ServiceAccount tokens: RS256 JWTs that die with what they are bound to.

A token names its ServiceAccount by uid, and may be bound to a Pod, a Secret or a Node by uid. Each
use looks all of them up, so a deleted (or deleted and recreated) account or object makes
the token worthless at once. Only the signature check is cached, for the token's own life: it is the
40 us that would otherwise be paid on each request.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
"""

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.access.tokenfile import digest
from sympozium.localkube.types import Object, UserInfo

ISSUER = "https://kubernetes.default.svc.cluster.local"
CACHE_LIMIT = 4096
BOUND = {"pod": ("pods", True), "secret": ("secrets", True), "node": ("nodes", False)}
"""Claim -> (resource, namespaced) of what a token can be bound to."""


class InvalidTokenError(Exception):
    """Why a token was refused, without the token: for TokenReview and the log."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token is bound to, as claims: `kind` is pod, secret or node."""

    kind: str
    name: str
    uid: str


class ServiceAccountTokens:
    """Issues and checks the tokens of one API server."""

    def __init__(self, key: rsa.RSAPrivateKey, objects: Objects) -> None:
        self._key = key
        self._objects = objects
        self._public = key.public_key()
        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._kid = digest(der.hex())[:16].hex()
        self._verified: dict[bytes, Object] = {}

    def issue(
        self,
        account: Object,
        *,
        audiences: Sequence[str],
        seconds: int,
        bound: Bound | None = None,
        node: Bound | None = None,
    ) -> tuple[str, int]:
        """A token for a ServiceAccount object, and its expiry (Unix seconds).

        `node` is what a pod-bound token says about the node its pod is on; it is not checked for life.
        """
        meta = account["metadata"]
        namespace, name = meta["namespace"], meta["name"]
        now = int(time.time())
        inner: Object = {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": meta["uid"]},
        }
        for extra in (bound, node):
            if extra is not None:
                inner[extra.kind] = {"name": extra.name, "uid": extra.uid}
        claims: Object = {
            "aud": list(audiences) or [ISSUER],
            "exp": now + seconds,
            "iat": now,
            "nbf": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "kubernetes.io": inner,
        }
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._kid})
        return token, now + seconds

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> tuple[UserInfo, list[str]]:
        """The user, and which of the wanted `audiences` (default: this API) the token is for.

        Raises InvalidTokenError.
        """
        claims = self._claims(token)
        wanted = list(audiences) or [ISSUER]
        held = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        matched = [audience for audience in wanted if audience in held]
        if not matched:
            raise InvalidTokenError(
                f"token audiences {json.dumps(held)} is invalid for the target audiences {json.dumps(wanted)}"
            )
        return self._alive(claims), matched

    def _claims(self, token: str) -> Object:
        """Claims of a token whose signature and times are right."""
        key = digest(token)
        known = self._verified.get(key)
        if known is not None:
            if known["exp"] > time.time():
                return known
            del self._verified[key]
            raise InvalidTokenError("service account token has expired")
        try:
            claims: Object = jwt.decode(
                token,
                self._public,
                algorithms=["RS256"],
                issuer=ISSUER,
                options={
                    "require": ["exp", "iat", "nbf", "iss", "sub", "aud", "jti"],
                    "verify_aud": False,
                },
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidTokenError("service account token has expired") from error
        except jwt.PyJWTError as error:
            raise InvalidTokenError(f"invalid bearer token: {error}") from error
        if len(self._verified) >= CACHE_LIMIT:
            self._verified.clear()
        self._verified[key] = claims
        return claims

    def _alive(self, claims: Object) -> UserInfo:
        inner: dict[str, Any] = claims["kubernetes.io"]
        namespace, account = inner["namespace"], inner["serviceaccount"]
        self._check("serviceaccounts", namespace, account)
        extra: dict[str, tuple[str, ...]] = {
            "authentication.kubernetes.io/credential-id": (f"JTI={claims['jti']}",)
        }
        # The node of a pod-bound token is information: the pod ends the token, not its node.
        for kind, (resource, namespaced) in BOUND.items():
            ref = inner.get(kind)
            if ref is None:
                continue
            if kind != "node" or "pod" not in inner:
                self._check(resource, namespace if namespaced else "", ref)
            if kind != "secret":
                extra[f"authentication.kubernetes.io/{kind}-name"] = (ref["name"],)
                extra[f"authentication.kubernetes.io/{kind}-uid"] = (ref["uid"],)
        return UserInfo(
            username=claims["sub"],
            uid=account["uid"],
            groups=("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"),
            extra=extra,
        )

    def _check(self, resource: str, namespace: str, ref: dict[str, str]) -> None:
        found = self._objects.get("", resource, namespace, ref["name"])
        if found is None or found["metadata"]["uid"] != ref["uid"]:
            raise InvalidTokenError(f"{resource[:-1]} {ref['name']} of the token does not exist any more")
