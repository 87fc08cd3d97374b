"""Nkeys, the Ed25519 keys of NATS in their base32 form: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth

    seed     S, then the kind: `SO` operator, `SA` account, `SU` user; 32 secret bytes; CRC-16/XMODEM, little-endian
    public   the kind, 32 bytes, the same checksum

The package `nkeys` does the same with PyNaCl, a second Ed25519 beside that of `cryptography`, and has no wheel.
"""

import base64
import binascii
import os
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SEED: Final = 18 << 3
_KINDS: Final = {"operator": 14 << 3, "account": 0, "user": 20 << 3}


def new_seed(kind: str) -> str:
    """A fresh seed of an `operator`, `account` or `user`."""
    prefix = _KINDS[kind]
    # Five bits say that it is a seed, the next eight of which kind.
    return _text(bytes([_SEED | prefix >> 5, (prefix & 31) << 3]) + os.urandom(32))


def public(seed: str) -> str:
    """The public key that belongs to a seed. Raises ValueError for what is no seed."""
    prefix, key = _read(seed)
    return _text(bytes([prefix]) + key.public_key().public_bytes_raw())


def sign(seed: str, data: bytes) -> bytes:
    """64 bytes. Raises ValueError for what is no seed."""
    return _read(seed)[1].sign(data)


def _read(seed: str) -> tuple[int, Ed25519PrivateKey]:
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except binascii.Error:
        raise ValueError("what should be an nkey seed is no base32") from None
    body, checksum = raw[:-2], raw[-2:]
    if len(body) != 34 or body[0] & 248 != _SEED or checksum != _checksum(body):
        raise ValueError("what should be an nkey seed is none, or has been damaged")
    prefix = (body[0] & 7) << 5 | body[1] >> 3
    if prefix not in _KINDS.values():
        raise ValueError("the nkey seed is of a kind that has no part here")
    return prefix, Ed25519PrivateKey.from_private_bytes(body[2:])


def _text(body: bytes) -> str:
    return base64.b32encode(body + _checksum(body)).decode().rstrip("=")


def _checksum(body: bytes) -> bytes:
    return binascii.crc_hqx(body, 0).to_bytes(2, "little")
