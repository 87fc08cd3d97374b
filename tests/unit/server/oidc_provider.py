"""A small OpenID Connect provider: discovery, codes bound to a PKCE challenge, JWTs that are really signed.

It is an ASGI application. `lie` and the fields below make it a hostile one.
"""

import base64
import hashlib
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

SECRET = "client-s3cret"  # of a client of a test
CLIENT = "sympozium"


class TestProvider:
    """`claims` are added to each ID token, or replace what would be there; None leaves one out."""

    __test__ = False

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.claims: dict[str, Any] = {"sub": "ada", "groups": ["devs"]}
        self.metadata: dict[str, Any] = {}
        self.signed: str | None = None
        """An ID token that is given instead of a good one."""
        self.reads = 0
        """How often the keys were read."""
        self.key: Any = None
        self._codes: dict[str, dict[str, str]] = {}
        self.rotate()
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    def rotate(self, kind: str = "RS256") -> None:
        """A new key, with a new name; the old one is gone."""
        self.algorithm = kind
        self.kid = secrets.token_hex(4)
        self.key = (
            rsa.generate_private_key(65537, 2048)
            if kind.startswith("RS")
            else ec.generate_private_key(ec.SECP256R1())
        )

    def authorize(self, url: str) -> str:
        """What a browser does whose user agrees: the address that it is sent back to."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    def sign(
        self, claims: dict[str, Any], *, key: Any = None, algorithm: str | None = None, kid: str = ""
    ) -> str:
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            key or self.key, algorithm or self.algorithm, headers={"kid": kid or self.kid},
        )  # fmt: skip

    def usual(self, nonce: str) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **self.claims,
        }

    async def _discovery(self, _: Request) -> Response:
        usual = {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
        }  # fmt: skip
        return JSONResponse({**usual, **self.metadata})

    async def _keys(self, _: Request) -> Response:
        self.reads += 1
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        public = algorithm.to_jwk(self.key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**public, "kid": self.kid, "use": "sig", "alg": self.algorithm}]})

    async def _authorize(self, request: Request) -> Response:
        return RedirectResponse(self.authorize(str(request.url)), 302)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        query = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != expected:
            return JSONResponse({"error": "invalid_client"}, 401)
        if (
            query is None
            or challenge != query["code_challenge"]
            or form["redirect_uri"] != query["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse(
            {"id_token": self.signed or self.sign(self.usual(query["nonce"])), "token_type": "Bearer"}
        )
