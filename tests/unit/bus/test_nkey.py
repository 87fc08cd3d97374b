"""Nkeys against a seed and a signature that the reference implementation made (nkeys 0.2.1 of NATS)."""

import pytest

from sympozium.bus import nkey

_SIGNED = "f874eae1de830c754d6fc32c4d1019b5221ad2f5c0ff2b996e5c1303b253e7063398a071276c2961f8c787b85ca6d66589d6d5c3fe992f2b9b8e6ff20e4f8e09"
_KNOWN = {
    "operator": (
        "SOAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2AJA",
        "OAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QZVT",
    ),
    "account": (
        "SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI",
        "AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV",
    ),
    "user": (
        "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y",
        "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK",
    ),
}
"""Of the secret bytes 0 to 31: the seed, and the public key; `_SIGNED` is the signature of `nonce`."""


@pytest.mark.parametrize("kind", _KNOWN)
def test_what_the_reference_made_is_read(kind: str) -> None:
    seed, public = _KNOWN[kind]

    assert nkey.public(seed) == public
    assert nkey.sign(seed, b"nonce").hex() == _SIGNED


@pytest.mark.parametrize("kind", _KNOWN)
def test_a_fresh_seed_is_of_its_kind(kind: str) -> None:
    seed = nkey.new_seed(kind)

    assert seed[:2] == _KNOWN[kind][0][:2]
    assert nkey.public(seed)[0] == _KNOWN[kind][1][0]
    assert seed != nkey.new_seed(kind)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not base32!", "base32"),
        (_KNOWN["user"][0][:-1] + "A", "damaged"),
        (_KNOWN["user"][1], "damaged"),
        ("", "damaged"),
        ("SNAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2D5U", "kind"),
    ],
)
def test_what_is_no_seed_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        nkey.public(text)
