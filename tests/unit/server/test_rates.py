"""Token buckets, and whom they are kept for."""

import pytest
from hypothesis import given, strategies as st
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from sympozium.server.guards.rates import (
    GUESSES,
    REQUESTS,
    SIGN_IN,
    Buckets,
    Known,
    Rate,
    RateLimit,
    address_of,
    key_of,
)


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@given(st.lists(st.floats(min_value=0, max_value=10), max_size=60))
def test_never_more_than_the_burst_and_what_has_flowed_in(pauses: list[float]) -> None:
    clock = Clock()
    buckets = Buckets(Rate(5, 2), now=clock)
    taken = 0
    for pause in pauses:
        clock.time += pause
        wait = buckets.take("me")
        taken += wait == 0
        assert taken <= 5 + 2 * clock.time + 1e-6
        if wait:
            clock.time += wait + 1e-9
            assert buckets.take("me") == 0
            taken += 1


def test_buckets_are_bounded_and_each_key_has_its_own() -> None:
    buckets = Buckets(Rate(1, 0.1), now=Clock(), kept=3)
    assert [buckets.take("a"), buckets.take("b")] == [0, 0]
    assert buckets.take("a") > 0
    for key in "cde":
        buckets.take(key)
    assert len(buckets._levels) == 3


def test_known_credentials_are_bounded() -> None:
    known = Known()
    for number in range(10_050):
        known.add(str(number))
    assert "49" not in known
    assert "10049" in known


def asked(app: RateLimit, path: str, **headers: str) -> int:
    return TestClient(app).post(path, headers=headers).status_code


def test_signing_in_is_limited_by_address_whatever_is_tried() -> None:
    app = RateLimit(PlainTextResponse("ok"), Known(), now=Clock())
    for number in range(int(SIGN_IN.burst)):
        assert asked(app, "/api/v1/session/token", Authorization=f"Bearer {number}") == 200
    answer = TestClient(app).post("/api/v1/session/link")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    assert asked(app, "/api/v1/other") == 200


def test_guessing_tokens_is_limited_and_who_is_known_goes_on() -> None:
    known = Known()
    app = RateLimit(PlainTextResponse("ok"), known, now=Clock())
    for number in range(int(GUESSES.burst)):
        assert asked(app, "/api/v1/x", Authorization=f"Bearer {number}") == 200
    assert asked(app, "/api/v1/x", Authorization="Bearer another") == 429
    key = key_of({"headers": [(b"authorization", b"Bearer good")]})
    assert key is not None
    known.add(key)
    assert asked(app, "/api/v1/x", Authorization="Bearer good") == 200


def test_one_credential_is_limited_and_another_is_not() -> None:
    known, clock = Known(), Clock()
    app = RateLimit(PlainTextResponse("ok"), known, now=clock)
    for token in ("a", "b"):
        known.add(str(key_of({"headers": [(b"authorization", f"Bearer {token}".encode())]})))
    client = TestClient(app)
    codes = [client.get("/api/v1/x", headers={"Authorization": "Bearer a"}).status_code for _ in range(201)]
    assert codes == [200] * int(REQUESTS.burst) + [429]
    assert client.get("/api/v1/x", headers={"Authorization": "Bearer b"}).status_code == 200
    clock.time += 1
    assert client.get("/api/v1/x", headers={"Authorization": "Bearer a"}).status_code == 200


def test_a_header_does_not_change_the_address() -> None:
    app = RateLimit(PlainTextResponse("ok"), Known(), now=Clock())
    codes = [
        asked(app, "/api/v1/session/link", **{"X-Forwarded-For": f"10.0.0.{number}"})
        for number in range(int(SIGN_IN.burst) + 1)
    ]
    assert codes[-1] == 429


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("10.0.0.1", 1), "10.0.0.1"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::"),
        (("2001:db8:1:2:ffff::1", 1), "2001:db8:1:2::"),
        (("::ffff:10.0.0.1", 1), "10.0.0.1"),
        (("x" * 1000, 1), "x" * 64),
        (None, ""),
    ],
)
def test_an_address_is_what_one_person_has(client: tuple[str, int] | None, address: str) -> None:
    assert address_of({"client": client}) == address
