"""An OpenID Connect provider as its client sees it: discovery, the exchange of a code, and ID tokens.

What a provider says is believed only as far as it can be checked: its own name in its metadata, endpoints over https
(http on loopback alone), the signature, issuer, audience, times and nonce of a token. Algorithms are ours to choose,
asymmetric ones; a key is used for what it says it is for. Keys are read again when a token names one that is not known.
https://openid.net/specs/openid-connect-core-1_0.html https://www.rfc-editor.org/rfc/rfc8725
"""

import hmac
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote_plus, urlsplit

import httpx2
import jwt
import orjson

from sympozium.addresses import is_loopback
from sympozium.kube.errors import ConfigError

log = logging.getLogger(__name__)
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SKEW: Final = 60.0
"""Seconds that the provider's clock and ours may differ."""
FRESH: Final = 3600.0
"""Seconds that metadata and keys are used before they are read again."""
LOOK_AGAIN: Final = 10.0
"""How soon keys are read again for the sake of a token whose key is not known."""
_ANSWER: Final = 512 * 1024
_RSA_BITS: Final = 2048
_KINDS: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}

Mode = Literal["passthrough", "impersonate"]


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`passthrough`: the ID token is the person's bearer token for Kubernetes, which must trust the same issuer.
    `impersonate`: Kubernetes does not know the issuer; the server impersonates user and groups, with these prefixes.
    """

    issuer: str
    client_id: str
    client_secret_file: Path | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    mode: Mode = "passthrough"
    username_claim: str = "sub"
    groups_claim: str = "groups"
    username_prefix: str = "oidc:"
    groups_prefix: str = "oidc:"
    ca_file: Path | None = None

    def check(self) -> None:
        """Raises ConfigError that names the flag."""
        if not _secure(self.issuer):
            raise ConfigError(
                f"--oidc-issuer {self.issuer!r}: expected an https URL (http on loopback alone)"
            )
        if not self.client_id:
            raise ConfigError("--oidc-client-id is missing: the provider has given one to this application")
        for flag, prefix in (("username", self.username_prefix), ("groups", self.groups_prefix)):
            if not prefix or prefix.startswith("system:") or not _plain(prefix):
                raise ConfigError(
                    f"--oidc-{flag}-prefix {prefix!r}: expected a prefix such as oidc:, never system:"
                )
        if self.mode == "impersonate":
            return
        for field in fields(self):
            if field.name.endswith(("_claim", "_prefix")) and getattr(self, field.name) != field.default:
                raise ConfigError(
                    f"--oidc-{field.name.replace('_', '-')} is of --oidc-mode impersonate: with passthrough, Kubernetes reads the token"
                )


class SignInError(Exception):
    """`code` is for the page, the text for the log."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Provider:
    def __init__(
        self,
        settings: OidcSettings,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self._now = now
        trust = ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else True
        host = urlsplit(settings.issuer).hostname or ""
        self._http = httpx2.AsyncClient(
            timeout=10, verify=trust, transport=transport, trust_env=not is_loopback(host)
        )
        self._metadata: Mapping[str, Any] = {}
        self._metadata_at = float("-inf")
        self._keys: list[dict[str, Any]] = []
        self._keys_at = float("-inf")

    async def close(self) -> None:
        await self._http.aclose()

    async def endpoint(self, name: str) -> str:
        """An endpoint of the provider's metadata. Raises SignInError."""
        if self._now() - self._metadata_at > FRESH:
            url = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = await self._json("GET", url)
            if found.get("issuer") != self.settings.issuer:
                raise SignInError(
                    "provider", f"{url} is of issuer {found.get('issuer')!r}, not {self.settings.issuer!r}"
                )
            self._metadata, self._metadata_at = found, self._now()
        endpoint = self._metadata.get(name)
        if not isinstance(endpoint, str) or not _secure(endpoint):
            raise SignInError("provider", f"the provider's {name} is {endpoint!r}: expected an https URL")
        return endpoint

    async def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> str:
        """The ID token for a code. Raises SignInError."""
        endpoint = await self.endpoint("token_endpoint")
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
        }  # fmt: skip
        auth: httpx2.Auth | None = None
        if self.settings.client_secret_file is None:
            form["client_id"] = self.settings.client_id
        else:
            secret = _secret(self.settings.client_secret_file)
            methods = self._metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            if "client_secret_basic" in methods:
                auth = httpx2.BasicAuth(_form(self.settings.client_id), _form(secret))
            else:
                form |= {"client_id": self.settings.client_id, "client_secret": secret}
        answer = await self._json("POST", endpoint, form=form, auth=auth)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInError(
                "provider", f"{endpoint} gave no id_token: is the scope openid among the scopes?"
            )
        return token

    async def verify(self, token: str, *, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that was made for us and for this sign-in. Raises SignInError."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in ALGORITHMS:
                raise SignInError(
                    "token", f"the ID token is signed by {algorithm!r}: expected one of {ALGORITHMS}"
                )
            key = jwt.PyJWK(await self._key(header.get("kid"), algorithm), algorithm)
            if getattr(key.key, "key_size", _RSA_BITS) < _RSA_BITS and key.key_type == "RSA":
                raise SignInError("token", f"the provider's key has {key.key.key_size} bits: too few")
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=[algorithm], audience=self.settings.client_id, issuer=self.settings.issuer,
                leeway=SKEW, options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError) as exc:
            raise SignInError("token", f"the ID token is not good: {exc}") from exc
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", self.settings.client_id if not several else None) != self.settings.client_id:
            raise SignInError("token", f"the ID token was made for {claims.get('azp')!r}")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise SignInError("token", "the ID token answers another sign-in: its nonce is not ours")
        return claims

    async def _key(self, kid: object, algorithm: str) -> dict[str, Any]:
        found = self._matching(kid, algorithm)
        age = self._now() - self._keys_at
        if age > FRESH or (not found and age >= LOOK_AGAIN):
            answer = await self._json("GET", await self.endpoint("jwks_uri"))
            keys = answer.get("keys")
            self._keys = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
            self._keys_at = self._now()
            found = self._matching(kid, algorithm)
        if len(found) != 1:
            raise SignInError("token", f"the provider has {len(found)} keys {kid!r} for {algorithm}")
        return found[0]

    def _matching(self, kid: object, algorithm: str) -> list[dict[str, Any]]:
        return [
            key
            for key in self._keys
            if (kid is None or key.get("kid") == kid)
            and key.get("kty") == _KINDS[algorithm[:2]]
            and key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
        ]

    async def _json(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, auth: httpx2.Auth | None = None
    ) -> dict[str, Any]:
        content = b""
        headers = {"Accept": "application/json"}
        try:
            async with self._http.stream(method, url, data=form, auth=auth, headers=headers) as answer:
                async for piece in answer.aiter_bytes():
                    content += piece
                    if len(content) > _ANSWER:
                        raise SignInError("provider", f"{url} answered with more than {_ANSWER} bytes")
        except httpx2.HTTPError as exc:
            raise SignInError("provider", f"{url}: {str(exc) or type(exc).__name__}") from exc
        if answer.status_code != 200:
            raise SignInError("provider", f"{url} answered {answer.status_code}: {content[:300]!r}")
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError as exc:
            raise SignInError("provider", f"{url} did not answer with JSON: {exc}") from exc
        if not isinstance(found, dict):
            raise SignInError("provider", f"{url} did not answer with a JSON object")
        return found


def _secure(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    )


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and text == text.strip() and "," not in text


def _secret(file: Path) -> str:
    """Read anew each time: a Secret's volume is renewed under us."""
    try:
        return file.read_text().strip()
    except OSError as exc:
        raise SignInError("provider", f"--oidc-client-secret-file: {exc}") from exc


def _form(text: str) -> str:
    """RFC 6749, 2.3.1: the two parts of Basic are form-encoded first."""
    return quote_plus(text)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the server impersonates."""

    user: str
    groups: tuple[str, ...]


def identity(claims: Mapping[str, Any], settings: OidcSettings) -> Identity:
    """User and groups of an ID token, with their prefixes. Raises SignInError without a usable name.

    A group whose name no header can carry is left out, and said in the log: groups give rights, none takes one away.
    """
    name = claims.get(settings.username_claim)
    if not isinstance(name, str) or not name or not _plain(name):
        raise SignInError("name", f"the ID token's {settings.username_claim} is {name!r}: no usable name")
    if settings.username_claim == "email" and claims.get("email_verified", True) is not True:
        raise SignInError("name", f"the provider has not verified the address {name!r}")
    given = claims.get(settings.groups_claim) or []
    given = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    groups = [group for group in given if isinstance(group, str) and group and _plain(group)]
    if len(groups) != len(given):
        log.warning("OIDC: %d groups of %s cannot be used", len(given) - len(groups), name)
    return Identity(
        settings.username_prefix + name, tuple(settings.groups_prefix + group for group in groups)
    )
