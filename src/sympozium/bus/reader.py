"""Reading runs as a person does: the stored history, then what comes, each message once.

The reader's user may read all runs and write nowhere; who may read the Secret with its credentials is
Kubernetes RBAC. Signatures are verified here too, by public keys, so that a reader needs no secret to
tell true from forged.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any, Self

from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from sympozium.bus import messages
from sympozium.bus.connection import Reconnections, connect
from sympozium.bus.credentials import User
from sympozium.bus.errors import BusError
from sympozium.bus.history import Raw, Stored, Verifier, stored, transcript
from sympozium.bus.keyring import READER_INBOX
from sympozium.bus.subjects import AGENT, RunRef

log = logging.getLogger(__name__)
_PENDING = 10_000
_RETRY = 0.5
_SILENCE = 2.0


class Reader:
    """Use `await Reader.open(...)`, and `close()` at the end."""

    def __init__(self, connection: Nats, controller: str, reconnections: Reconnections) -> None:
        self._nats = connection
        self._controller = messages.public_key(controller)
        self._reconnections = reconnections
        self.dropped = 0
        """Messages that did not verify."""

    @classmethod
    async def open(cls, url: str, user: User, controller: str) -> Self:
        """`controller`: its public signing key, from the ConfigMap `sympozium-bus`. Raises BusError."""
        # Ask once without patience: a person wants to hear that the bus is away.
        probe = await connect(url, user, name="reader", inbox=READER_INBOX, patient=False)
        await probe.close()
        reconnections = Reconnections()
        connection = await connect(url, user, name="reader", inbox=READER_INBOX, reconnections=reconnections)
        return cls(connection, controller, reconnections)

    async def close(self) -> None:
        with suppress(NatsError, OSError, TimeoutError):
            await self._nats.close()

    async def transcript(self, run: RunRef) -> list[Stored]:
        """All verified messages of a run, in order. Raises BusError."""
        verifier = Verifier(run, self._controller)
        found = await transcript(self._nats, verifier)
        self.dropped += verifier.dropped
        return found

    async def follow(self, run: RunRef) -> AsyncGenerator[Stored, None]:
        """The history, then live messages and deltas, until the caller stops.

        Live messages are looked at only after the history, and the history again after each reconnection, where they
        have a hole, and after a while of silence: what was missed is in the stream. A bus that is away is waited for.
        Raises BusError when it refuses this reader.
        """
        verifier = Verifier(run, self._controller)
        arriving: asyncio.Queue[Raw] = asyncio.Queue(_PENDING)

        async def arrived(said: Msg) -> None:
            raw = Raw(0, run.events(AGENT) if said.subject == run.live(AGENT) else said.subject, said.data)
            with suppress(asyncio.QueueFull):  # stored ones are read from the stream below
                arriving.put_nowait(raw)

        subscriptions = [await self._nats.subscribe(s, cb=arrived) for s in (run.everything, run.live(AGENT))]
        last = 0
        try:
            await self._nats.flush()
            while True:
                back = asyncio.ensure_future(self._reconnections.wait())
                try:
                    async for raw in stored(self._nats, run, after=last):
                        last = raw.sequence
                        if (message := verifier.take(raw)) is not None:
                            yield Stored(raw.sequence, message)
                    async for found in self._live(verifier, arriving, back):
                        yield found
                except BusError as exc:
                    if self._nats.is_closed:
                        raise
                    # It was away, and its stream may need a moment more.
                    log.warning("%s; asking again", exc)
                    await asyncio.sleep(_RETRY)
                finally:
                    back.cancel()
                if arriving.full():  # what is stored of it comes from the stream
                    while not arriving.empty():
                        arriving.get_nowait()
        finally:
            self.dropped += verifier.dropped
            for subscription in subscriptions:
                with suppress(NatsError, OSError):
                    await subscription.unsubscribe()

    async def _live(
        self, verifier: Verifier, arriving: "asyncio.Queue[Raw]", back: "asyncio.Future[None]"
    ) -> AsyncIterator[Stored]:
        """Ends where there may be more in the stream: it was not heard while the connection was away, more came than could
        be held, a server died that was to tell it.
        """
        while not back.done() and not arriving.full():
            get: asyncio.Future[Raw] = asyncio.ensure_future(arriving.get())
            both: set[asyncio.Future[Any]] = {get, back}
            try:
                await asyncio.wait(both, timeout=_SILENCE, return_when=asyncio.FIRST_COMPLETED)
                if not get.done():
                    return
            finally:
                get.cancel()
            message = verifier.look(get.result())
            if message is None:
                continue
            if verifier.follows_unseen(message):
                return
            verifier.see(message)
            yield Stored(0, message)
