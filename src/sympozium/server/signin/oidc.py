"""Signing in with OIDC: the authorization code flow with PKCE, state and nonce.

    start      our page sends the browser to the provider; what we must remember goes into a sealed cookie
    finish     the provider sends it back with a code, which is good with that cookie alone, once

That cookie is SameSite=Lax, since the way back comes from another site; it signs nobody in. `return_to` is a place in
our page, its fragment, and cannot name another host.
https://www.rfc-editor.org/rfc/rfc9700 https://www.rfc-editor.org/rfc/rfc7636
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import HTTPConnection

from sympozium.server.guards.origin import CALLBACK
from sympozium.server.signin.provider import Provider, SignInError
from sympozium.server.signin.signin import SignIn

PURPOSE: Final = "oidc"
LIFE: Final = 600.0
"""Seconds within which somebody must come back from the provider."""
_BACK: Final = re.compile(r"#/[!-~]{0,500}")
_USED_KEPT: Final = 10_000


class Oidc:
    def __init__(self, provider: Provider, signin: SignIn, *, now: Callable[[], float] = time.time) -> None:
        self.provider = provider
        self._signin = signin
        self._now = now
        self._used: OrderedDict[str, None] = OrderedDict()

    async def start(self, connection: HTTPConnection, return_to: str) -> tuple[str, str]:
        """Where to send the browser, and the cookie that it needs on its way back. Raises SignInError, Problem."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        back = return_to if _BACK.fullmatch(return_to) else "#/"
        endpoint = await self.provider.endpoint("authorization_endpoint")
        settings = self.provider.settings
        query = {
            "response_type": "code", "client_id": settings.client_id, "scope": " ".join(settings.scopes),
            "redirect_uri": self._redirect(connection), "state": state, "nonce": nonce,
            "code_challenge": _challenge(verifier), "code_challenge_method": "S256",
        }  # fmt: skip
        kept = {
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "back": back,
            "until": self._now() + LIFE,
        }
        sealed = self._signin.keys.seal(PURPOSE, json.dumps(kept).encode())
        joint = "&" if "?" in endpoint else "?"
        return endpoint + joint + urlencode(query), self._cookie(connection, sealed, int(LIFE))

    async def finish(self, connection: HTTPConnection) -> tuple[str, dict[str, Any], str]:
        """The ID token, its claims, and where in our page to go on. Raises SignInError."""
        query = connection.query_params
        kept = self._kept(connection.cookies.get(self._name(connection)))
        if kept is None:
            raise SignInError("expired", "no sign-in is under way, or it has taken too long")
        if not hmac.compare_digest(query.get("state", "").encode(), kept["state"].encode()):
            raise SignInError(
                "state", "the answer of the provider is not of this sign-in: its state is not ours"
            )
        if kept["state"] in self._used:
            raise SignInError("state", "this answer of the provider has been used")
        self._used[kept["state"]] = None
        while len(self._used) > _USED_KEPT:
            self._used.popitem(last=False)
        if "error" in query:
            raise SignInError("refused", f"the provider refused: {query['error'][:100]!r}")
        settings = self.provider.settings
        if query.get("iss", settings.issuer) != settings.issuer:
            raise SignInError("state", "another issuer answered")
        token = await self.provider.exchange(
            query.get("code", ""), verifier=kept["verifier"], redirect_uri=self._redirect(connection)
        )
        return token, await self.provider.verify(token, nonce=kept["nonce"]), kept["back"]

    def forget(self, connection: HTTPConnection) -> str:
        """The `Set-Cookie` header that ends a sign-in."""
        return self._cookie(connection, "", 0)

    def _kept(self, sealed: str | None) -> Mapping[str, Any] | None:
        opened = self._signin.keys.open(PURPOSE, sealed) if sealed else None
        kept: dict[str, Any] | None = json.loads(opened) if opened else None
        return kept if kept and kept["until"] > self._now() else None

    def _redirect(self, connection: HTTPConnection) -> str:
        return self._signin.base_url(connection) + CALLBACK

    def _name(self, connection: HTTPConnection) -> str:
        return f"{self._signin.jar(connection).name}-oidc"

    def _cookie(self, connection: HTTPConnection, value: str, life: int) -> str:
        secure = "; Secure" if self._signin.jar(connection).secure else ""
        return f"{self._name(connection)}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}"


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
