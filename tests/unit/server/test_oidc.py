"""Signing in with OIDC: a good provider, hostile answers, and browsers that were tricked."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request

from sympozium.kube.errors import ConfigError
from sympozium.server.signin import oidc as flow
from sympozium.server.signin.oidc import Oidc
from sympozium.server.signin.provider import LOOK_AGAIN, OidcSettings, Provider, SignInError, identity
from sympozium.server.signin.signin import SignIn
from unit.server.oidc_provider import CLIENT, SECRET, TestProvider

ISSUER = "https://id.example.org"
HERE = "http://127.0.0.1:8080"


class World:
    """One server before one provider, and browsers."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        secret = directory / "secret"
        secret.write_text(SECRET + "\n")
        self.test = TestProvider(ISSUER)
        self.time = time.time()
        self.provider = Provider(
            OidcSettings(ISSUER, CLIENT, secret, **settings),
            transport=httpx2.ASGITransport(self.test.app), now=lambda: self.time,
        )  # fmt: skip
        self.signin = SignIn(None, now=lambda: self.time)  # type: ignore[arg-type] # asks Kubernetes nothing here
        self.signin.keys.replace([b"k" * 32])
        self.oidc = Oidc(self.provider, self.signin, now=lambda: self.time)

    async def start(self, return_to: str = "#/runs") -> tuple[str, str]:
        """The provider's address, and the cookie."""
        return await self.oidc.start(request(HERE + "/"), return_to)

    async def sign_in(self, return_to: str = "#/runs") -> tuple[str, dict[str, Any], str]:
        url, cookie = await self.start(return_to)
        return await self.finish(self.test.authorize(url), cookie)

    async def finish(self, url: str, cookie: str = "") -> tuple[str, dict[str, Any], str]:
        return await self.oidc.finish(request(url, cookie.partition(";")[0]))


def request(url: str, cookie: str = "") -> Request:
    parts = urlsplit(url)
    headers = [(b"host", parts.netloc.encode()), (b"cookie", cookie.encode())]
    return Request(
        {
            "type": "http", "method": "GET", "scheme": parts.scheme, "path": parts.path, "headers": headers,
            "query_string": parts.query.encode(), "server": (parts.hostname, parts.port),
        }
    )  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def failure(world: World, url: str = "", cookie: str = "") -> SignInError:
    with pytest.raises(SignInError) as caught:
        await (world.finish(url, cookie) if url else world.sign_in())
    return caught.value


async def test_who_comes_back_is_whom_the_provider_says(world: World) -> None:
    token, claims, back = await world.sign_in("#/runs?ns=a")
    assert (claims["sub"], back) == ("ada", "#/runs?ns=a")
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == "ada"


async def test_what_is_sent_to_the_provider_and_what_is_kept(world: World) -> None:
    url, cookie = await world.start()
    query = parse_qs(urlsplit(url).query)
    assert url.startswith(ISSUER + "/authorize?")
    assert query["redirect_uri"] == [HERE + "/api/v1/session/oidc/callback"]
    assert query["scope"] == ["openid profile email"]
    assert "HttpOnly; SameSite=Lax" in cookie
    for secret in (query["state"][0], query["nonce"][0]):
        assert len(secret) >= 43
        assert secret not in cookie


@pytest.mark.parametrize(
    "return_to",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil",
        "#x",
        "",
        "#/a b",
        "#/\r\nSet-Cookie: a",
        "javascript:1",
    ],
)
async def test_nobody_is_sent_to_another_host_in_the_end(world: World, return_to: str) -> None:
    assert (await world.sign_in(return_to))[2] == "#/"


async def test_an_answer_is_good_once_and_for_the_browser_that_asked(world: World) -> None:
    url, cookie = await world.start()
    back = world.test.authorize(url)
    assert (await failure(world, back)).code == "expired"
    other = (await world.start())[1]
    assert (await failure(world, back, other)).code == "state"
    await world.finish(back, cookie)
    assert (await failure(world, back, cookie)).code == "state"


async def test_a_sign_in_that_takes_too_long_is_none(world: World) -> None:
    url, cookie = await world.start()
    world.time += flow.LIFE
    assert (await failure(world, world.test.authorize(url), cookie)).code == "expired"


async def test_a_code_of_somebody_elses_sign_in_fails_at_pkce(world: World) -> None:
    mine, cookie = await world.start()
    theirs = parse_qs(urlsplit(world.test.authorize((await world.start())[0])).query)["code"][0]
    state = parse_qs(urlsplit(mine).query)["state"][0]
    error = await failure(world, f"{HERE}{flow.CALLBACK}?code={theirs}&state={state}", cookie)
    assert "invalid_grant" in str(error)


async def test_another_issuer_and_a_refusal_are_heard(world: World) -> None:
    url, cookie = await world.start()
    assert (
        await failure(world, world.test.authorize(url) + "&iss=https://evil.example", cookie)
    ).code == "state"
    url, cookie = await world.start()
    state = parse_qs(urlsplit(url).query)["state"][0]
    assert (await failure(world, f"{HERE}/?error=access_denied&state={state}", cookie)).code == "refused"


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "another"}, "Audience"),
        ({"aud": [CLIENT, "another"]}, "was made for None"),
        ({"azp": "another"}, "was made for 'another'"),
        ({"iss": "https://evil.example"}, "Invalid issuer"),
        ({"exp": 1000}, "expired"),
        ({"exp": None}, "exp"),
        ({"iat": 99_999_999_999}, "not yet valid"),
        ({"sub": None}, "sub"),
        ({"nbf": 99_999_999_999}, "not yet valid"),
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(
    world: World, claims: dict[str, Any], words: str
) -> None:
    world.test.claims |= claims
    error = await failure(world)
    assert (error.code, words in str(error)) == ("token", True), error


async def test_clocks_may_differ_by_a_little(world: World) -> None:
    now = int(time.time())
    world.test.claims |= {"iat": now + 30, "exp": now - 30}
    await world.sign_in()


async def test_forged_signatures_are_refused(world: World) -> None:
    claims = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "eve",
        "iat": int(time.time()),
        "exp": int(time.time()) + 300,
    }
    public = world.test.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other = rsa.generate_private_key(65537, 2048)
    forged = {
        "none": jwt.encode(claims, None, "none", headers={"kid": world.test.kid}),
        "public key as a secret": _hmac(claims, public, world.test.kid),
        "another key": world.test.sign(claims, key=other),
        "an unknown key": world.test.sign(claims, key=other, kid="eve's"),
        "no token": "a.b.c",
        "empty": "x",
    }
    for name, token in forged.items():
        world.test.signed = token
        assert (await failure(world)).code == "token", name


def _hmac(claims: dict[str, Any], key: bytes, kid: str) -> str:
    """Pyjwt refuses to sign with a public key, so by hand."""
    import base64
    import hashlib
    import hmac
    import json

    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = (
        part(json.dumps({"alg": "HS256", "kid": kid}).encode()) + b"." + part(json.dumps(claims).encode())
    )
    return (signed + b"." + part(hmac.new(key, signed, hashlib.sha256).digest())).decode()


async def test_a_new_key_is_found_and_a_flood_of_unknown_ones_is_not_passed_on(world: World) -> None:
    await world.sign_in()
    world.test.rotate("ES256")
    assert (await failure(world)).code == "token"
    world.time += LOOK_AGAIN
    await world.sign_in()
    reads = world.test.reads
    for number in range(20):
        world.test.signed = world.test.sign(world.test.usual("n"), kid=str(number))
        await failure(world)
    assert world.test.reads == reads


async def test_a_weak_key_is_refused(world: World) -> None:
    world.test.key = rsa.generate_private_key(65537, 1024)
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        assert "1024 bits" in str(await failure(world))


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://id.example.org/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
async def test_a_provider_that_is_not_whom_it_should_be_is_refused(
    world: World, metadata: dict[str, Any]
) -> None:
    world.test.metadata = metadata
    assert (await failure(world)).code == "provider"


@pytest.mark.parametrize(
    ("claims", "user", "groups"),
    [
        ({"sub": "ada", "groups": ["devs", "ops"]}, "oidc:ada", ("oidc:devs", "oidc:ops")),
        (
            {"sub": "system:admin", "groups": ["system:masters"]},
            "oidc:system:admin",
            ("oidc:system:masters",),
        ),
        ({"sub": "ada", "groups": ["a,system:masters", "b\r\nX: y", "", 7, "ok"]}, "oidc:ada", ("oidc:ok",)),
        ({"sub": "ada", "groups": "one"}, "oidc:ada", ("oidc:one",)),
        ({"sub": "ada", "groups": {"a": 1}}, "oidc:ada", ()),
    ],
)
def test_names_have_their_prefix_and_nothing_else_becomes_a_header(
    claims: dict[str, Any], user: str, groups: tuple[str, ...]
) -> None:
    found = identity(claims, OidcSettings(ISSUER, CLIENT))
    assert (found.user, found.groups) == (user, groups)


@pytest.mark.parametrize("name", [None, "", 7, "a\nb", "é", "a,b", " a"])
def test_a_name_that_no_header_can_carry_signs_nobody_in(name: object) -> None:
    with pytest.raises(SignInError, match="no usable name"):
        identity({"sub": name}, OidcSettings(ISSUER, CLIENT))


def test_an_address_must_be_verified() -> None:
    settings = OidcSettings(ISSUER, CLIENT, username_claim="email")
    assert identity({"email": "a@b", "email_verified": True}, settings).user == "oidc:a@b"
    with pytest.raises(SignInError, match="not verified"):
        identity({"email": "a@b", "email_verified": False}, settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (OidcSettings("http://id.example.org", CLIENT), "--oidc-issuer"),
        (OidcSettings(ISSUER, ""), "--oidc-client-id"),
        (OidcSettings(ISSUER, CLIENT, username_prefix=""), "--oidc-username-prefix"),
        (OidcSettings(ISSUER, CLIENT, groups_prefix="system:"), "--oidc-groups-prefix"),
        (
            OidcSettings(ISSUER, CLIENT, username_claim="email"),
            "--oidc-username-claim is of --oidc-mode impersonate",
        ),
    ],
)
def test_settings_that_would_let_in_too_many_are_refused(settings: OidcSettings, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        settings.check()
