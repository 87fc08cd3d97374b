"""One run, read from the bus once for all its viewers.

Live messages and pieces of text arrive on two subscriptions of the server's one connection. A live message only says
that the stream has more (the package's docstring); a piece of text is verified here and never stored. Whatever arrives
is of the run or forged: signatures are verified before anything is shown, and what does not verify is counted.

A live message may be there before the stream has stored it, so the stream is asked again, soon and then less often, until
it has come. A message that never comes out of the stream, such as a repetition that the stream knew already, is given up.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from sympozium.bus.connection import FAILURES, words
from sympozium.bus.errors import BusError
from sympozium.bus.history import Raw, Verifier, stored
from sympozium.bus.messages import MODEL_DELTA, RUN_RESULT, RUN_STARTED, Message, MessageError
from sympozium.bus.subjects import AGENT, RunRef
from sympozium.server.bus import Bus
from sympozium.server.feed.frames import event_of, frame
from sympozium.server.feed.log import Entry, Log
from sympozium.server.feed.text import Text

log = logging.getLogger(__name__)
_FAILURES: Final = (BusError, *FAILURES)
_FIRST_WAIT: Final = 0.001
_LONGEST_WAIT: Final = 0.01
_PATIENCE: Final = 5.0
"""Seconds after which a message that was seen live and is not in the stream is given up."""
_PIECE_PATIENCE: Final = 1.0
_RETRY: Final = 0.5
_AWAITED: Final = 1024
_KNOWN: Final = 512
_PIECES: Final = 4096


class Feed:
    """`log` and `text` are what there is to show; `changed` is called after each change of anything here."""

    def __init__(self, bus: Bus, run: RunRef, changed: Callable[[], None]) -> None:
        self.run = run
        self.log = Log()
        self.text = Text()
        self.complete = asyncio.Event()
        """Set when the history was read to its end once."""
        self.finished = False
        """Whether the newest attempt of the run has given its result."""
        self.broken = False
        """Whether reading it failed for a reason of ours; it will not go on."""
        self._bus = bus
        self._changed = changed
        self._verifier: Verifier | None = None
        self._read_to = 0
        self._stir = asyncio.Event()
        self._missed = True
        """Whether there may be more in the stream, and pieces that nobody saw."""
        self._reading: asyncio.Timeout | None = None
        self._awaited: OrderedDict[int, float] = OrderedDict()
        """What was seen live and has not come out of the stream, and until when it is waited for."""
        self._known: OrderedDict[int, None] = OrderedDict()
        self._pieces: deque[tuple[bytes, float]] = deque()
        """With the time until which it waits for what its sender has stored before it."""

    @property
    def connected(self) -> bool:
        return self._bus.connected

    @property
    def dropped(self) -> int:
        """Messages on the run's subjects that nobody of the run has signed."""
        return self._verifier.dropped if self._verifier else 0

    def stir(self) -> None:
        """Look again at what there is: the run's object, or the connection, has changed."""
        self._stir.set()

    def look_again(self) -> None:
        """Read the stream on: it has something of which nobody has heard, as when a server dies that was to tell it."""
        self._missed = True
        self._stir.set()

    # -- reading

    async def follow(self) -> None:
        """Until cancelled. A bus that is away is waited for; what was missed meanwhile is in the stream."""
        forget = self._bus.listen(self._connection_changed)
        try:
            while True:
                subscriptions: list[Subscription] = []
                try:
                    subscriptions = await self._subscribe()
                    await self._read_on(subscriptions)
                except _FAILURES as exc:
                    log.warning("run %s/%s: %s; asking again", self.run.namespace, self.run.name, words(exc))
                    await asyncio.sleep(_RETRY)
                finally:
                    await _unsubscribe(subscriptions)
        finally:
            forget()

    async def _subscribe(self) -> list[Subscription]:
        """On the connection of now, when there is one. Raises NatsError."""
        while self._bus.connection is None or self._bus.controller is None:
            await self._stirred()
        connection = self._bus.connection
        if self._verifier is None:
            self._verifier = Verifier(self.run, self._bus.controller)
        found = [
            await connection.subscribe(self.run.everything, cb=self._seen_live),
            await connection.subscribe(self.run.live(AGENT), cb=self._seen_piece),
        ]
        await connection.flush()
        self._missed = True
        return found

    async def _read_on(self, subscriptions: list[Subscription]) -> None:
        """Until the connection is another."""
        connection = self._bus.connection
        while self._bus.connection is connection:
            if (self._missed or self._awaited) and self._bus.connected:
                await self._try_to_catch_up()
            self._take_pieces()
            self._changed()
            await self._stirred()
        subscriptions.clear()  # they went with their connection

    async def _stirred(self) -> None:
        await self._stir.wait()
        self._stir.clear()

    def _connection_changed(self) -> None:
        self._missed = True
        self.text.gap()
        self._changed()
        self._stir.set()
        if self._reading is not None:  # whoever owed an answer is gone
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def _try_to_catch_up(self) -> None:
        try:
            async with asyncio.timeout(None) as self._reading:
                await self._catch_up()
        except _FAILURES as exc:
            log.warning("%s; asking again", words(exc))
            self._missed = True
            await asyncio.sleep(_RETRY)
            self._stir.set()
        finally:
            self._reading = None

    async def _catch_up(self) -> None:
        """Read the stream to its end, and on until all that was seen live has come out of it. Raises BusError."""
        wait = _FIRST_WAIT
        while True:
            read = await self._read_stored()
            if self._missed:
                self._missed = False
                self.text.gap()
                self.complete.set()
            self._take_pieces()
            self._give_up()
            if not self._awaited:
                return
            wait = _FIRST_WAIT if read else min(wait * 2, _LONGEST_WAIT)
            await asyncio.sleep(wait)

    async def _read_stored(self) -> bool:
        """Whether there was anything new. Ends with the stream, or with the last of what was seen live."""
        connection, verifier = self._bus.connection, self._verifier
        assert connection is not None, "there is a connection when this is read"
        assert verifier is not None, "its keys are known with the connection"
        before = self._read_to
        async for raw in stored(connection, self.run, after=self._read_to):
            self._read_to = raw.sequence
            self._note(raw.data)
            message = verifier.take(raw)
            if message is not None:
                self._show(raw.sequence, message)
                self._changed()
            if not self._missed and not self._awaited:
                break
        return self._read_to > before

    def _show(self, place: int, message: Message) -> None:
        self.log.add(Entry(place, frame("message", event_of(place, message), place=place)))
        if message.source == AGENT:
            self.text.begin()
        if message.type == RUN_STARTED:
            self.finished = False
        elif message.type == RUN_RESULT:
            self.finished = True

    async def older(self, after: int, size: int) -> list[Entry]:
        """About `size` bytes of what comes after a place and is not kept any more, at least one. Raises BusError."""
        connection, verifier = self._bus.connection, self._verifier
        if connection is None or verifier is None:
            raise BusError("the bus is away")
        found: list[Entry] = []
        head = self.log.head
        async for raw in stored(connection, self.run, after=after):
            if raw.sequence > head:
                break
            if not self.log.shows(raw.sequence):
                continue
            try:
                message = verifier.check(raw)
            except MessageError as exc:  # what has been verified once and is not the same now
                raise BusError(f"place {raw.sequence} of the stream has changed: {exc}") from exc
            assert message is not None, "keys are not shown"
            found.append(
                Entry(raw.sequence, frame("message", event_of(raw.sequence, message), place=raw.sequence))
            )
            size -= len(found[-1].frame)
            if size <= 0:
                break
        return found

    # -- what arrives live

    async def _seen_live(self, message: Msg) -> None:
        key = hash(message.data)
        if key not in self._known:
            self._awaited[key] = time.monotonic() + _PATIENCE
            if len(self._awaited) > _AWAITED:
                self._awaited.popitem(last=False)
                self._missed = True
        self._stir.set()

    async def _seen_piece(self, message: Msg) -> None:
        if len(self._pieces) >= _PIECES:
            self._pieces.clear()
            self.text.gap()
        self._pieces.append((message.data, time.monotonic() + _PIECE_PATIENCE))
        self._stir.set()

    def _note(self, data: bytes) -> None:
        """A message has come out of the stream."""
        key = hash(data)
        self._awaited.pop(key, None)
        self._known[key] = None
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def _give_up(self) -> None:
        now = time.monotonic()
        for key in [key for key, until in self._awaited.items() if until < now]:
            del self._awaited[key]

    def _take_pieces(self) -> None:
        """Pieces of what was read so far. One that is ahead of the stream has it read on, and waits."""
        if self._verifier is None or not self.complete.is_set():
            return
        while self._pieces:
            data, until = self._pieces[0]
            piece = self._checked_piece(self._verifier, data)
            if piece is not None and self._verifier.follows_unseen(piece) and time.monotonic() < until:
                self._awaited[hash(data)] = until
                return
            self._pieces.popleft()
            self._awaited.pop(hash(data), None)
            if piece is not None:
                self.text.add(piece.epoch, piece.data["step"], piece.data["text"])

    def _checked_piece(self, verifier: Verifier, data: bytes) -> Message | None:
        """None for what is not to be believed, and for a piece of a text that is here as a whole."""
        raw = Raw(0, self.run.events(AGENT), data)
        try:
            piece = verifier.check(raw)
        except MessageError as exc:
            verifier.drop(raw, exc)
            return None
        if piece is None or piece.type != MODEL_DELTA or verifier.is_seen(piece):
            return None
        return piece


async def _unsubscribe(subscriptions: list[Subscription]) -> None:
    for subscription in subscriptions:
        try:
            await subscription.unsubscribe()
        except _FAILURES as exc:
            log.debug("the connection is gone with its subscriptions: %s", exc)
