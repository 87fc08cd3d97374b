"""How a container of a run speaks: every message is stored before the call returns.

A publish is tried again, with the same message id, until the stream has acknowledged it; only the
caller's cancellation ends it. Calls are served in order. The message id starts with a secret of the
run, because ids are compared across the whole stream and a guessed one would make a message vanish.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Self

import nats.errors
import nats.js.errors
from nats.aio.client import Client as Nats
from nats.js.api import Header

from sympozium.bus import messages, subjects
from sympozium.bus.connection import BusError, connect, words
from sympozium.bus.credentials import Credentials
from sympozium.bus.messages import Message, MessageError, seal, unseal

log = logging.getLogger(__name__)
_ACK_TIMEOUT = 3.0
_RETRY_DELAY = 0.2
_CLOSE_TIMEOUT = 5.0
_TRANSIENT = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)


class Publisher:
    """Use `await Publisher.open(credentials)`, and `close()` at the end."""

    def __init__(self, credentials: Credentials, connection: Nats) -> None:
        self._credentials = credentials
        self._nats = connection
        self._js = connection.jetstream(timeout=_ACK_TIMEOUT)
        self._seq = 0
        self._epoch = format(time.time_ns(), "x")
        self._order = asyncio.Lock()
        secret = credentials.signing.sign(b"sympozium message id")
        self._secret = hashlib.sha256(secret).hexdigest()[:32]
        self.dropped = 0
        """Messages on the control subject that were not from the controller."""

    @classmethod
    async def open(cls, credentials: Credentials) -> Self:
        """Connect, waiting for a bus that is not there yet. Raises BusError when it refuses the user."""
        run, source = credentials.run, credentials.source
        while True:
            try:
                connection = await connect(
                    credentials.url,
                    credentials.user,
                    name=f"{run.namespace}/{run.name}/{source}",
                    inbox=run.inbox(source),
                )
            except BusError as exc:
                if "authorization" in str(exc).lower():
                    raise
                log.warning("%s; trying again", exc)
                await asyncio.sleep(_RETRY_DELAY)
                continue
            return cls(credentials, connection)

    async def publish(self, kind: str, data: Mapping[str, Any]) -> int:
        """Store an event; returns its `seq`. Raises TooLargeError, and nothing else but cancellation."""
        return await self._store(self._credentials.run.events(self._credentials.source), kind, data)

    async def request_approval(self, data: Mapping[str, Any]) -> int:
        """Store a request of the control plane; `callId` in `data` makes a second one harmless."""
        return await self._store(
            self._credentials.run.request(subjects.APPROVAL), messages.APPROVAL_REQUEST, data
        )

    async def publish_delta(self, data: Mapping[str, Any]) -> None:
        """Show a piece of text to whoever looks now; lost while the bus is away, since nobody needs it later."""
        if not self._nats.is_connected:
            return
        message = Message(
            messages.MODEL_DELTA,
            self._credentials.run,
            self._credentials.source,
            self._epoch,
            self._seq,
            data,
        )
        with suppress(*_TRANSIENT):
            await self._nats.publish(
                self._credentials.run.live(self._credentials.source), seal(message, self._credentials.signing)
            )

    async def _store(self, subject: str, kind: str, data: Mapping[str, Any]) -> int:
        async with self._order:
            seq = self._seq + 1
            message = Message(kind, self._credentials.run, self._credentials.source, self._epoch, seq, data)
            payload = seal(message, self._credentials.signing)
            self._seq = seq
            headers: dict[str, Any] = {Header.MSG_ID: f"{self._secret}-{self._epoch}-{seq}"}
            while True:
                try:
                    await self._js.publish(subject, payload, headers=headers)
                except _TRANSIENT as exc:
                    log.warning("%s %d is not stored yet: %s", kind, seq, words(exc))
                    await asyncio.sleep(_RETRY_DELAY)
                else:
                    return seq

    async def control(self) -> AsyncIterator[Message]:
        """What the controller tells this run, from the beginning, until cancelled.

        The consumer was made by the controller; after a crash of this process the messages that it had not
        acknowledged come again. A message is acknowledged when the next one is asked for.
        """
        run, source = self._credentials.run, self._credentials.source
        subscription = await self._js.pull_subscribe_bind(
            consumer=run.consumer(source), stream=subjects.STREAM
        )
        while True:
            try:
                batch = await subscription.fetch(1, timeout=30)
            except TimeoutError:
                continue
            except _TRANSIENT as exc:
                log.debug("control: %s", words(exc))
                await asyncio.sleep(_RETRY_DELAY)
                continue
            for stored in batch:
                try:
                    message = unseal(
                        stored.data, self._credentials.controller, run=run, source=subjects.CONTROLLER
                    )
                except MessageError as exc:
                    self.dropped += 1
                    log.error("dropped a message on the control subject: %s", exc)  # noqa: TRY400 - an attack, not a failure of ours
                else:
                    yield message
                with suppress(*_TRANSIENT):
                    await stored.ack()

    async def close(self) -> None:
        """Let go of the connection; what was published is stored already."""
        with suppress(*_TRANSIENT):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._nats.close()
