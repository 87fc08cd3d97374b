"""Reading a run's stored messages: verified, in order, each once.

Who signed is learned from the run's `keys` messages, which the controller signs; everything on the run's
subjects that does not verify by them is dropped and counted, never shown.
"""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nats.aio.client import Client as Nats
from nats.errors import Error as NatsError

from sympozium.bus import messages
from sympozium.bus.connection import API_TIMEOUT, words
from sympozium.bus.errors import BusError
from sympozium.bus.figures import DROPPED
from sympozium.bus.getting import get_subject, message_of
from sympozium.bus.messages import Message, MessageError, SignatureError, unseal
from sympozium.bus.subjects import CONTROLLER, STREAM, TOOLS, RunRef

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """A verified message with its place in the stream: larger is later. 0: seen live, place unknown."""

    sequence: int
    message: Message


@dataclass(frozen=True, slots=True)
class Raw:
    """What is in the stream, before it is believed."""

    sequence: int
    subject: str
    data: bytes


@dataclass(slots=True)
class Verifier:
    """Knows the keys of one run."""

    run: RunRef
    controller: Ed25519PublicKey
    dropped: int = 0
    keys_read: int = 0
    """Place in the stream up to which `keys` messages were learned."""
    issuers: set[str] = field(default_factory=set)
    """Public keys of the account that issued the NATS users of the run."""
    _keys: dict[str, list[Ed25519PublicKey]] = field(default_factory=dict)
    _namesakes: set[str] = field(default_factory=set)
    _last: dict[tuple[str, str], int] = field(default_factory=dict)
    """By source and epoch: each publisher counts up and stores its messages in that order."""

    def take(self, raw: Raw) -> Message | None:
        """The message; None when it was seen before, is of an earlier run of the same name, or is the keys.

        What is not to be believed is dropped, counted and logged.
        """
        message = self.look(raw)
        if message is not None:
            self.see(message)
        return message

    def look(self, raw: Raw) -> Message | None:
        """As `take`, of a message that may not be seen yet."""
        try:
            message = self.check(raw)
        except MessageError as exc:
            self.drop(raw, exc)
            return None
        return None if message is None or self.is_seen(message) else message

    def check(self, raw: Raw) -> Message | None:
        """The verified message, None for keys (which are learned). Raises MessageError."""
        if raw.subject == self.run.keys:
            self._learn(raw)
            return None
        source = _source(self.run, raw.subject)
        keys = [self.controller] if source == CONTROLLER else self._keys.get(source, [])
        error: MessageError = SignatureError(f"no key of {source} is known")
        for key in reversed(keys):  # the newest attempt is the likeliest sender
            try:
                return unseal(raw.data, key, run=self.run, source=source)
            except MessageError as exc:
                error = exc
        raise error

    def drop(self, raw: Raw, error: MessageError) -> None:
        if not self._of_namesake(raw.data):
            self.dropped += 1
            DROPPED.labels(type(error).__name__.removesuffix("Error") or "Message").inc()
            log.error("dropped a message on %s: %s", raw.subject, error)

    def is_seen(self, message: Message) -> bool:
        """Also a delta of a text that is here as a whole: it carries the number of the message before it."""
        last = self._last.get((message.source, message.epoch), 0)
        return last > message.seq if message.type == messages.MODEL_DELTA else last >= message.seq

    def follows_unseen(self, message: Message) -> bool:
        """Whether its sender had stored another one before it that was not seen: they are counted without holes."""
        before = message.seq if message.type == messages.MODEL_DELTA else message.seq - 1
        return self._last.get((message.source, message.epoch), 0) < before

    def see(self, message: Message) -> None:
        if message.type != messages.MODEL_DELTA:
            self._last[message.source, message.epoch] = message.seq

    def _learn(self, raw: Raw) -> None:
        owner = replace(self.run, uid=self._uid(raw.data))
        message = unseal(raw.data, self.controller, run=owner, source=CONTROLLER)
        if message.type != messages.RUN_KEYS:  # a run can have its own control messages delivered here
            raise MessageError(f"{message.type} where keys are")
        self.keys_read = max(self.keys_read, raw.sequence)
        if owner != self.run:
            self._namesakes.add(owner.uid)
            return
        for source, text in message.data["keys"].items():
            known = self._keys.setdefault(source, [])
            if all(messages.public_text(key) != text for key in known):
                known.append(messages.public_key(text))
        self.issuers.add(message.data["issuer"])

    def _of_namesake(self, data: bytes) -> bool:
        """An earlier run of the same name: not ours, and no attack. Such a run had keys of the controller."""
        try:
            return self._uid(data) in self._namesakes
        except MessageError:
            return False

    @staticmethod
    def _uid(data: bytes) -> str:
        """The uid that a message claims."""
        try:
            return str(messages.decode(data)["run"]["uid"])
        except (KeyError, TypeError) as exc:
            raise MessageError("the envelope names no run") from exc


def _source(run: RunRef, subject: str) -> str:
    """Who may write to a subject of the run."""
    if subject == run.control:
        return CONTROLLER
    if subject.startswith(f"{run.root}.requests."):
        return TOOLS
    return subject.rpartition(".")[2]


async def stored(
    connection: Nats, run: RunRef, *, after: int = 0, subject: str | None = None
) -> AsyncIterator[Raw]:
    """The raw messages on a run's subjects (or on `subject`), in order. Raises BusError.

    One request for each message: a history is short, and a consumer would need the right to make consumers,
    by which a reader could make the server write.
    """
    sequence = after
    while True:
        query = json.dumps({"seq": sequence + 1, "next_by_subj": subject or run.everything}).encode()
        try:
            answer = await connection.request(get_subject(STREAM), query, timeout=API_TIMEOUT)
            found = message_of(answer.data)
        except (NatsError, TimeoutError, BusError) as exc:
            raise BusError(
                f"the history of run {run.namespace}/{run.name} cannot be read: {words(exc)}"
            ) from exc
        if found is None:
            return
        raw = Raw(*found)
        sequence = raw.sequence
        yield raw


async def transcript(connection: Nats, verifier: Verifier) -> list[Stored]:
    """All verified messages of the verifier's run, in order. Raises BusError."""
    return [
        Stored(raw.sequence, message)
        async for raw in stored(connection, verifier.run)
        if (message := verifier.take(raw)) is not None
    ]
