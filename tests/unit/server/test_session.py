"""Sessions and the cookies that hold them."""

from http.cookies import SimpleCookie

import jwt
import pytest
from hypothesis import given, strategies as st

from sympozium.server.problems import Problem
from sympozium.server.signin.keys import Keys
from sympozium.server.signin.session import IDLE, LIFE, TOKEN_LIMIT, Jar, Session, begin
from sympozium.server.signin.signin import ends

JAR = Jar.of(secure=False, port=8080)


def kept(cookies: list[str]) -> dict[str, str]:
    """What a browser would send back."""
    found: dict[str, str] = {}
    for cookie in cookies:
        for name, morsel in SimpleCookie(cookie).items():
            found[name] = morsel.value
    return found


@given(st.text(alphabet="abcXYZ019-_=", min_size=1, max_size=17_000))
def test_any_sealed_text_comes_back_from_its_pieces(sealed: str) -> None:
    cookies = JAR.write(sealed, 60)
    assert JAR.read(kept(cookies)) == sealed
    assert all(len(cookie) <= 4096 for cookie in cookies)


def test_the_largest_token_fits_and_a_larger_one_is_refused() -> None:
    keys = Keys([b"k" * 32])
    sealed = keys.seal("session", begin("oidc", "t" * TOKEN_LIMIT, 0).to_bytes())
    assert JAR.read(kept(JAR.write(sealed, 60))) == sealed
    with pytest.raises(Problem, match="too large") as refusal:
        JAR.write("x" * 20_000, 60)
    assert refusal.value.status == 413


def test_a_missing_piece_or_a_wrong_number_is_no_session() -> None:
    cookies = kept(JAR.write("x" * 9000, 60))
    assert len(cookies) == 3
    for name in cookies:
        assert JAR.read({key: value for key, value in cookies.items() if key != name}) is None
    for number in ("0", "6", "-1", "²", "x", ""):
        assert JAR.read({**cookies, JAR.name: f"{number}.abc"}) is None


def test_scripts_and_other_sites_do_not_get_the_cookie() -> None:
    plain = JAR.write("x", 60)[0]
    assert plain == "sympozium-8080=1.x; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"
    secure = Jar.of(secure=True, port=443).write("x", 60)[0]
    assert secure == "__Host-sympozium=1.x; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"


def test_clearing_removes_what_the_browser_has_and_nothing_else() -> None:
    names = [
        cookie.partition("=")[0]
        for cookie in JAR.clear({"sympozium-8080": "1.x", "sympozium-8080.2": "", "other": ""})
    ]
    assert names == ["sympozium-8080", "sympozium-8080.2"]
    assert all("Max-Age=0" in cookie for cookie in JAR.clear({"sympozium-8080": ""}))


def test_a_session_ends_when_idle_and_at_its_end_whatever_happens() -> None:
    session = begin("token", "t", 1000.0)
    assert session.lives(1000.0 + IDLE - 1)
    assert not session.lives(1000.0 + IDLE)
    moved = session
    now = 1000.0
    while moved.lives(now := now + IDLE / 2):
        moved = moved.moved_on(now)
    assert now == pytest.approx(1000.0 + LIFE, abs=IDLE / 2)
    assert not begin("token", "t", 1000.0, until=1010.0).lives(1010.0)


def test_a_session_of_another_version_is_none() -> None:
    session = begin("link", "t", 1.0)
    assert Session.of_bytes(session.to_bytes()) == session
    assert Session.of_bytes(session.to_bytes().replace(b'"v":1', b'"v":2')) is None


def test_a_token_is_not_in_what_is_printed_of_a_session() -> None:
    assert "s3cret" not in repr(begin("token", "s3cret", 1.0))


@pytest.mark.parametrize(
    ("claims", "end"), [({"exp": 1234}, 1234.0), ({"exp": 1.5}, 1.5), ({}, None), ({"exp": True}, None)]
)
def test_the_end_of_a_token_is_read_where_it_says_one(claims: dict[str, object], end: float | None) -> None:
    assert ends(jwt.encode(claims, "k" * 32, algorithm="HS256")) == end


@pytest.mark.parametrize("token", ["", "plain", "a.b.c", "é.é.é", "..", "e30.e30.", "bnVsbA.bnVsbA."])
def test_other_tokens_have_no_end(token: str) -> None:
    assert ends(token) is None


@pytest.mark.parametrize("number", ["9" * 5000, "0", "6", "01", "-1", "²", ""])
def test_a_cookie_with_an_odd_number_of_pieces_is_none(number: str) -> None:
    assert JAR.read({"sympozium-8080": f"{number}.x"}) is None
