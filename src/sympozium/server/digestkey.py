"""The installation's key of digests: by it the server knows the keys of endpoints and triggers, and can read none of them."""

import base64
import binascii
import logging
import time
from collections.abc import Callable
from typing import Final

from sympozium.api.endpoint import HMAC_KEY, SERVER
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client, KubeError
from sympozium.kube.resources import SECRETS

log = logging.getLogger(__name__)
_BELIEVE: Final = 20.0
"""Seconds."""


class DigestKey:
    """Read again when it is older than `_BELIEVE`."""

    def __init__(self, kube: Client, *, now: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._now = now
        self._key = b""
        self._read = float("-inf")

    async def get(self) -> bytes:
        """The key; empty while there is none, and then nothing has the right digest."""
        if self._now() - self._read < _BELIEVE:
            return self._key
        self._read = self._now()
        try:
            found = await self._kube.find(SECRETS, SERVER, SYSTEM_NAMESPACE)
            self._key = base64.b64decode(((found or {}).get("data") or {}).get(HMAC_KEY) or "", validate=True)
        except (KubeError, binascii.Error) as error:
            # What was read before stays in force: an API that is away for a moment shuts nobody out.
            log.warning("Secret %s in %s cannot be read: %s", SERVER, SYSTEM_NAMESPACE, error)
        return self._key
