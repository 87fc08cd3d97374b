"""The bus as the server reads it: one connection for all streams, kept through everything that happens to it.

nats-py comes back by itself from a server that was away. It closes for good when the server refuses the user (the
installation was made anew, say): then the Secret is read again, and a new connection takes the place of the old one.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nats.aio.client import Client as Nats

from sympozium.actions.bus import BusAccess, bus_access
from sympozium.actions.errors import ActionError
from sympozium.bus import messages
from sympozium.bus.connection import FAILURES, connect
from sympozium.bus.errors import BusError
from sympozium.bus.history import Stored, Verifier, transcript
from sympozium.bus.keyring import READER_INBOX
from sympozium.bus.subjects import RunRef
from sympozium.kube import Client, KubeError

log = logging.getLogger(__name__)
_RETRY: Final = (0.5, 10.0)
_FAILURES: Final = (ActionError, KubeError, BusError, *FAILURES)


class Bus:
    """`connection`, `controller` (the key by which messages are believed) and `record_key` are None until there was one."""

    def __init__(self, kube: Client) -> None:
        self._kube = kube
        self._changed = asyncio.Event()
        self._listeners: set[Callable[[], None]] = set()
        self.connection: Nats | None = None
        self.controller: Ed25519PublicKey | None = None
        self.record_key: str | None = None
        """By which records are believed, in base64."""

    @property
    def connected(self) -> bool:
        return self.connection is not None and self.connection.is_connected

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Hear when the connection is lost, is back or is another; returns what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def transcript(self, run: RunRef) -> list[Stored]:
        """What a run has said so far, verified, in order. Raises BusError."""
        if self.connection is None or self.controller is None:
            raise BusError("the bus, where transcripts are, does not answer")
        return await transcript(self.connection, Verifier(run, self.controller))

    async def run(self) -> None:
        """Be connected until cancelled."""
        delay, said = _RETRY[0], ""
        while True:
            try:
                access = await bus_access(self._kube)
                await self._connect(access)
                delay, said = _RETRY[0], ""
                await self._until_closed()
            except _FAILURES as exc:
                if str(exc) != said:  # one line for an outage, not one for each attempt
                    said = str(exc)
                    log.warning("the bus cannot be read: %s", said or type(exc).__name__)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _RETRY[1])
            finally:
                if self.connection is not None:
                    with suppress(*_FAILURES):
                        await self.connection.close()

    async def _connect(self, access: BusAccess) -> None:
        connection = await connect(
            access.url, access.user, name="apiserver", inbox=READER_INBOX, changed=self._tell
        )
        self.controller = messages.public_key(access.controller_key)
        self.record_key = access.record_key
        self.connection = connection
        self._tell()

    async def _until_closed(self) -> None:
        while self.connection is not None and not self.connection.is_closed:
            self._changed.clear()
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        for listener in list(self._listeners):
            listener()
