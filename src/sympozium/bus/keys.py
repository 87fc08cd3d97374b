"""Ed25519 keys in the notation of NATS, and keys that are derived instead of stored.

NATS writes keys in base32 with a prefix that tells their role and a CRC-16 (github.com/nats-io/nkeys): `SU...` is
the seed of a user, `A...` the public key of an account.

Keys of a run are derived from a master key by HMAC-SHA256 over their names. So issuing them twice gives
the same keys, whoever crashed in between, and whoever holds the master knows all of them without a list.
"""

import hashlib
import hmac
import os
from enum import Enum

import nkeys
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

SEED_SIZE = 32
_SEPARATOR = b"\0"


class Role(Enum):
    """What a key stands for; the value is its prefix byte."""

    OPERATOR = nkeys.PREFIX_BYTE_OPERATOR
    ACCOUNT = nkeys.PREFIX_BYTE_ACCOUNT
    USER = nkeys.PREFIX_BYTE_USER


class NKey:
    """A key pair with a role in NATS."""

    def __init__(self, role: Role, seed: bytes) -> None:
        assert len(seed) == SEED_SIZE, "an Ed25519 seed has 32 bytes"
        self.role = role
        self._seed = seed
        self._key = SigningKey(seed)

    @classmethod
    def generate(cls, role: Role) -> "NKey":
        return cls(role, os.urandom(SEED_SIZE))

    @classmethod
    def parse(cls, text: str) -> "NKey":
        """From a seed as NATS writes it. Raises ValueError."""
        try:
            prefix, seed = nkeys.decode_seed(text.encode())
            return cls(Role(prefix), bytes(seed))
        except (nkeys.NkeysError, ValueError) as exc:
            raise ValueError(f"not a seed of NATS: {exc}") from exc

    @property
    def seed(self) -> str:
        """As NATS writes it; secret."""
        return bytes(nkeys.encode_seed(self._seed, self.role.value)).decode()

    @property
    def raw_seed(self) -> bytes:
        return self._seed

    @property
    def public(self) -> str:
        """As NATS writes it."""
        pair = nkeys.from_seed(nkeys.encode_seed(self._seed, self.role.value))
        return bytes(pair.public_key).decode()

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return bytes(self._key.sign(message).signature)


def derive(master: bytes, *names: str) -> bytes:
    """32 bytes that only a holder of `master` can compute. No name may contain a NUL."""
    assert not any("\0" in name for name in names), "names are joined with NUL"
    message = _SEPARATOR.join(name.encode() for name in names)
    return hmac.new(master, message, hashlib.sha256).digest()


class Signer:
    """A plain Ed25519 key that signs envelopes."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_SIZE:
            raise ValueError(f"a signing key has {SEED_SIZE} bytes, this one {len(seed)}")
        self._key = SigningKey(seed)
        self.public = bytes(self._key.verify_key)
        self._secret = derive(seed, "message-id")

    def sign(self, message: bytes) -> bytes:
        return bytes(self._key.sign(message).signature)

    def secret_id(self, *names: str) -> str:
        """An id that others cannot guess, the same each time for the same names."""
        return derive(self._secret, *names).hex()[:32]


def verified(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is of this message and this key."""
    try:
        VerifyKey(public).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True
