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
from dataclasses import dataclass
from typing import Any, Self

from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.js.api import Header
from nats.js.client import JetStreamContext

from sympozium.bus import messages, subjects
from sympozium.bus.connection import FAILURES, PULL_TIMEOUT, Reconnections, connect, words
from sympozium.bus.credentials import Credentials
from sympozium.bus.errors import BusError
from sympozium.bus.messages import Message, MessageError, seal, unseal

log = logging.getLogger(__name__)
_ACK_TIMEOUT = 3.0
_RETRY_DELAY = 0.1
_LONGEST_DELAY = 2.0
_CLOSE_TIMEOUT = 5.0
_TRANSIENT = (*FAILURES, BusError)


@dataclass(frozen=True, slots=True)
class Control:
    """What the controller told a run, with its place in the stream: larger was said later."""

    sequence: int
    type: str
    data: Mapping[str, Any]


class Publisher:
    """Use `await Publisher.open(credentials)`, and `close()` at the end."""

    def __init__(self, credentials: Credentials, connection: Nats, reconnections: Reconnections) -> None:
        self._credentials = credentials
        self._nats = connection
        self._reconnections = reconnections
        self._seq = 0
        self._epoch = format(time.time_ns(), "x")
        self._order = asyncio.Lock()
        self._reopening = asyncio.Lock()
        secret = credentials.signing.sign(b"sympozium message id")
        self._secret = hashlib.sha256(secret).hexdigest()[:32]
        self.dropped = 0
        """Messages on the control subject that were not from the controller."""

    @classmethod
    async def open(cls, credentials: Credentials) -> Self:
        """Connect, waiting for a bus that is not there yet. Raises BusRefusedError when it refuses the user."""
        reconnections = Reconnections()
        return cls(credentials, await _connect(credentials, reconnections), reconnections)

    async def _js(self) -> JetStreamContext:
        """Of a connection that is there or comes back. nats-py lets go for good after errors that it does not know."""
        async with self._reopening:
            if self._nats.is_closed:
                self._nats = await _connect(self._credentials, self._reconnections)
                await self._reconnections.happened()
        return self._nats.jetstream(timeout=_ACK_TIMEOUT)

    async def publish(self, kind: str, data: Mapping[str, Any]) -> int:
        """Store an event; returns its `seq`. Raises TooLargeError, and nothing else but cancellation."""
        return await self._store(self._credentials.run.events(self._credentials.source), kind, data)

    async def request(self, kind: str, data: Mapping[str, Any]) -> int:
        """Store a request to the control plane (one of `REQUESTS`); `callId` in `data` makes a second one harmless."""
        return await self._store(self._credentials.run.request(kind), kind, data)

    async def request_approval(self, data: Mapping[str, Any]) -> int:
        return await self.request(messages.APPROVAL_REQUEST, data)

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
            delay = _RETRY_DELAY
            while True:
                try:
                    js = await self._js()
                    await self._reconnections.answer(js.publish(subject, payload, headers=headers))
                except _TRANSIENT as exc:
                    log.warning("%s %d is not stored yet: %s", kind, seq, words(exc))
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, _LONGEST_DELAY)
                else:
                    return seq

    async def control(self) -> AsyncIterator[Control]:
        """What the controller tells this run, from the beginning, until cancelled.

        The consumer was made by the controller; after a crash of this process the messages that it had not
        acknowledged come again. A message is acknowledged when the next one is asked for.
        """
        while True:
            try:
                js = await self._js()
                subscription = await js.pull_subscribe_bind(
                    consumer=self._credentials.run.consumer(self._credentials.source), stream=subjects.STREAM
                )
                try:
                    while True:
                        for stored in await self._fetch(subscription):
                            if (message := self._from_controller(stored)) is not None:
                                yield Control(stored.metadata.sequence.stream, message.type, message.data)
                            await stored.ack()
                finally:
                    with suppress(*_TRANSIENT):
                        await subscription.unsubscribe()
            except _TRANSIENT as exc:
                log.info("control messages: %s; asking again", words(exc))
                await asyncio.sleep(_RETRY_DELAY)

    async def _fetch(self, subscription: JetStreamContext.PullSubscription) -> list[Msg]:
        with suppress(TimeoutError):  # nothing was said meanwhile
            return await self._reconnections.answer(subscription.fetch(1, timeout=PULL_TIMEOUT))
        return []

    def _from_controller(self, stored: Msg) -> Message | None:
        """What is on the control subject and not signed by the controller is dropped and counted."""
        credentials = self._credentials
        try:
            return unseal(
                stored.data, credentials.controller, run=credentials.run, source=subjects.CONTROLLER
            )
        except MessageError as exc:
            self.dropped += 1
            log.error("dropped a message on the control subject: %s", exc)  # noqa: TRY400 - an attack, not a failure of ours
            return None

    async def close(self) -> None:
        """Let go of the connection; what was published is stored already."""
        with suppress(*_TRANSIENT):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._nats.close()


async def _connect(credentials: Credentials, reconnections: Reconnections) -> Nats:
    run, source = credentials.run, credentials.source
    return await connect(
        credentials.url,
        credentials.user,
        name=f"{run.namespace}/{run.name}/{source}",
        inbox=run.inbox(source),
        reconnections=reconnections,
    )
