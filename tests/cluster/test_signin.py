"""Signing in and out of the API server, with a real Kubernetes API that knows the tokens."""

import base64
import os
import time
from urllib.parse import parse_qs, urlsplit

import httpx2

from cluster.api_server import OURS, SYSTEM, ApiServer, installed, server, set_keys
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import SECRET

__all__ = ["installed", "server"]


def sign_in(client: httpx2.Client, token: str = "viewer-token") -> httpx2.Response:
    return client.post("/api/v1/session/token", json={"token": token})


def who(client: httpx2.Client) -> str | None:
    answer = client.get("/api/v1/session")
    assert answer.status_code == 200, answer.text
    user = answer.json()["user"]
    return user and str(user["name"])


def ticket_of(url: str) -> str:
    return parse_qs(urlsplit(urlsplit(url).fragment).query)["ticket"][0]


def test_nobody_is_somebody_by_default(server: ApiServer) -> None:
    found = server.ask("GET", "/session").json()
    assert found["user"] is None
    assert found["signIn"] == {"token": True, "link": True, "oidc": False}
    assert found["installation"] == "127.0.0.1"


def test_a_token_signs_a_browser_in_until_it_signs_out(server: ApiServer) -> None:
    with server.client() as browser:
        answer = sign_in(browser)
        assert answer.status_code == 200
        assert answer.json()["user"] == {"name": "viewer", "groups": ["people", "system:authenticated"]}
        assert answer.json()["method"] == "token"
        assert "viewer-token" not in answer.headers["set-cookie"]
        assert who(browser) == "viewer"
        stolen = dict(browser.cookies)
        assert browser.delete("/api/v1/session").status_code == 204
        assert not browser.cookies
        assert who(browser) is None
    with server.client() as thief:
        thief.cookies.update(stolen)
        assert who(thief) is None, "a copy of the cookie outlives signing out"


def test_a_token_that_kubernetes_does_not_know_signs_nobody_in(server: ApiServer) -> None:
    with server.client() as browser:
        answer = sign_in(browser, "guessed")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert not browser.cookies
        assert sign_in(browser, "with a blank").status_code == 422


def test_signing_in_needs_our_own_page(server: ApiServer) -> None:
    with httpx2.Client(base_url=server.url, trust_env=False, timeout=60) as page:
        assert sign_in(page).json()["reason"] == "CrossSite"
        page.headers.update(OURS)
        page.headers["Origin"] = "http://127.0.0.1:1"
        assert sign_in(page).status_code == 403


def test_a_bearer_token_that_is_no_good_is_401_and_not_nobody(server: ApiServer) -> None:
    assert server.ask("GET", "/session", token="viewer-token").json()["user"]["name"] == "viewer"
    assert server.ask("GET", "/session", token="guessed").status_code == 401
    assert server.ask("GET", "/session", Authorization="Basic eDp5").status_code == 401


def test_a_one_time_link_opens_a_browser_once(server: ApiServer) -> None:
    made = server.ask("POST", "/session/links", token="viewer-token")
    assert made.status_code == 201
    url = made.json()["url"]
    assert url.startswith(f"{server.url}/#/sign-in?ticket=")
    with server.client() as browser, server.client() as second:
        answer = browser.post("/api/v1/session/link", json={"ticket": ticket_of(url)})
        assert answer.json()["method"] == "link"
        assert who(browser) == "viewer"
        assert second.post("/api/v1/session/link", json={"ticket": ticket_of(url)}).status_code == 401
        assert who(second) is None
        # A session makes no further sessions.
        assert browser.post("/api/v1/session/links").status_code == 403
        assert server.ask("POST", "/session/links", token="guessed").status_code == 401
    assert ticket_of(url) not in server.log.read_text()


def test_a_restarted_server_knows_its_users_also_by_a_new_key_and_no_old_link(
    server: ApiServer, installed: KubeAPI
) -> None:
    link = server.ask("POST", "/session/links", token="viewer-token").json()["url"]
    with server.client() as browser:
        sign_in(browser)
        data = installed.get(SECRET, "sympozium-server", SYSTEM)["data"]
        old = base64.b64decode(data["session.key"])
        set_keys(installed, **{"session.key": os.urandom(32), "session.key.previous": old})
        server.kill()
        server.start()
        assert who(browser) == "viewer"
        assert browser.post("/api/v1/session/link", json={"ticket": ticket_of(link)}).status_code == 401


def test_a_session_lasts_twelve_hours_at_most(server: ApiServer) -> None:
    with server.client() as browser:
        sign_in(browser)
        ends = browser.get("/api/v1/session").json()["expiresAt"]
        seconds = time.mktime(time.strptime(ends, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time()
        assert 11.9 * 3600 < seconds <= 12 * 3600


def test_guards_stand_before_the_routes(server: ApiServer) -> None:
    large = server.ask("POST", "/session/token", {"token": "x" * 2_000_000})
    assert large.status_code == 413
    assert large.headers["content-type"] == "application/problem+json"
    assert server.ask("GET", "/session", Host="evil.example").status_code == 421
    answer = server.ask("GET", "/session")
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in server.ask("GET", "/session", Origin=server.url).headers


def test_guessing_tokens_ends_and_those_who_are_known_go_on(server: ApiServer) -> None:
    assert server.ask("GET", "/session", token="operator-token").status_code == 200
    codes = {server.ask("GET", "/session", token=f"guess-{number}").status_code for number in range(80)}
    assert codes == {401, 429}
    assert server.ask("GET", "/session", token="operator-token").status_code == 200
    assert server.ask("GET", "/session", token="stranger-token").status_code == 429
