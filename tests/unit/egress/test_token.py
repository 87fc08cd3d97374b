"""Credentials of runs: what was not signed with the key is refused."""

import pytest

from sympozium.egresstoken import BadTokenError, Claims, sign, verify

KEY = b"k" * 32
CLAIMS = Claims("team", "run", "uid-1", ("api.example.org", 443))


def test_what_was_signed_is_read() -> None:
    assert verify(sign(CLAIMS, KEY), KEY) == CLAIMS


def test_what_was_not_signed_is_refused() -> None:
    token = sign(CLAIMS, KEY)
    body, _, signature = token.partition(".")
    other = sign(Claims("team", "other", "uid-2", ("api.example.org", 443)), KEY).partition(".")[0]
    forged = ["", ".", body, f"{body}.", f"{other}.{signature}", f"{body}.{signature}x", "é.é"]
    for bad in (*forged, sign(CLAIMS, b"x" * 32)):
        with pytest.raises(BadTokenError):
            verify(bad, KEY)
