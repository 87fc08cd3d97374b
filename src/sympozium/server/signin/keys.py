"""Sealing with the keys of the Secret `sympozium-server`.

`session.key` seals and opens; `session.key.previous`, where there is one, opens. To change the key, move the old value
there: whoever is signed in stays so. Each purpose has a key of its own, derived by HKDF, so that what was sealed as one
thing never opens as another. Fernet (AES-CBC and HMAC) is the library's own recipe, with the time of sealing inside.
https://cryptography.io/en/latest/fernet/
"""

import asyncio
import base64
import binascii
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client, KubeError
from sympozium.kube.resources import SECRETS
from sympozium.server.problems import Problem

log = logging.getLogger(__name__)
SECRET: Final = "sympozium-server"  # noqa: S105 - a name
NAMES: Final = ("session.key", "session.key.previous")
LOOK_EVERY: Final = 60.0
"""Seconds between looks at the Secret."""
LOOK_AGAIN: Final = 5.0
"""How soon it is looked at again for the sake of something that does not open: another replica may know a newer key."""
_SIZE: Final = 32


class Keys:
    """The keys as they were last read. Without any nothing is sealed, and nothing opens."""

    def __init__(self, raw: Sequence[bytes] = (), *, now: Callable[[], float] = time.monotonic) -> None:
        self._raw = tuple(raw)
        self._derived: dict[str, MultiFernet] = {}
        self._now = now
        self._looked = float("-inf")
        self._said = ""

    def __bool__(self) -> bool:
        return bool(self._raw)

    def seal(self, purpose: str, data: bytes) -> str:
        """Text that may stand in a cookie. Raises Problem 503 without a key."""
        if not self._raw:
            raise Problem(
                503,
                f"nobody can sign in: Secret {SYSTEM_NAMESPACE}/{SECRET} has no {NAMES[0]}: see docs/api.md",
            )
        return self._fernet(purpose).encrypt(data).decode()

    def open(self, purpose: str, sealed: str) -> bytes | None:
        """What was sealed; None for what was not sealed here for this purpose."""
        if not self._raw or not sealed.isascii():
            return None
        try:
            return self._fernet(purpose).decrypt(sealed.encode())
        except InvalidToken:
            return None

    def replace(self, raw: Sequence[bytes]) -> None:
        if tuple(raw) != self._raw:
            self._raw = tuple(raw)
            self._derived.clear()

    async def look(self, client: Client) -> None:
        """Read the Secret, as the server itself. What cannot be read changes nothing."""
        self._looked = self._now()
        problem = ""
        try:
            found = await client.find(SECRETS, SECRET, SYSTEM_NAMESPACE)
            raw, problem = of_secret((found or {}).get("data") or {})
            self.replace(raw)
        except KubeError as exc:
            problem = str(exc)
        if problem and problem != self._said:
            log.warning("sessions: Secret %s/%s: %s", SYSTEM_NAMESPACE, SECRET, problem)
        self._said = problem

    async def look_again(self, client: Client) -> None:
        """For the sake of something that does not open; a flood of such things does not become a flood of reads."""
        if self._now() - self._looked >= LOOK_AGAIN:
            await self.look(client)

    async def follow(self, client: Client) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY if self else LOOK_AGAIN)
            await self.look(client)

    def _fernet(self, purpose: str) -> MultiFernet:
        found = self._derived.get(purpose)
        if found is None:
            found = self._derived[purpose] = MultiFernet([Fernet(_derive(raw, purpose)) for raw in self._raw])
        return found


def of_secret(data: dict[str, str]) -> tuple[list[bytes], str]:
    """The keys that a Secret's data holds, and what is wrong with them in words."""
    raw = []
    for name in NAMES:
        if name not in data:
            continue
        try:
            key = base64.b64decode(data[name], validate=True)
        except binascii.Error:
            return [], f"{name} is not base64"
        if len(key) != _SIZE:
            return [], f"{name} has {len(key)} bytes: {_SIZE} random ones are needed"
        raw.append(key)
    if NAMES[0] not in data:
        return [], f"there is no {NAMES[0]}: nobody can sign in with a browser"
    return raw, ""


def _derive(raw: bytes, purpose: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=_SIZE, salt=None, info=f"sympozium {purpose}".encode())
    return base64.urlsafe_b64encode(kdf.derive(raw))
