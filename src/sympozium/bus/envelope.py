"""What is around the data of a message, and the signature that says who wrote it.

    payload   {"v": 1, "uid", "boot", "seq", "time", "type", "data"} as JSON
    headers   Sympozium-Signature   Ed25519 over a context, the subject, and the payload's bytes as they travel
              Nats-Msg-Id           from a secret of the signer: nobody else can take it first

`boot` is new in each process that publishes and `seq` counts up in it: together they tell a repetition from
news, however late. Where the thing itself has a name (a request, a decision), that is `boot`.

Whatever is not signed rightly for its very subject is dropped and counted. It does get here: a user of one
run can make the server write its acknowledgements or copies of its own messages to another run's subjects.
"""

import base64
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import orjson

from sympozium.bus import messages, subjects
from sympozium.bus.keys import Signer, verified
from sympozium.bus.subjects import Place, RunRef, Source

log = logging.getLogger(__name__)

VERSION: Final = 1
SIGNATURE: Final = "Sympozium-Signature"
MESSAGE_ID: Final = "Nats-Msg-Id"
MAX_PAYLOAD: Final = 1024 * 1024
"""Bytes that nats-server takes at most, headers included."""
MAX_ENVELOPE: Final = MAX_PAYLOAD - 4096
_CONTEXT: Final = b"sympozium bus v1"


class TooLargeError(ValueError):
    """A message is larger than the bus takes; shorten it and say so in it."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message, verified. `time` is the writer's, in RFC 3339."""

    uid: str
    boot: str
    seq: int
    time: str
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Received:
    """A verified message, and where it was found.

    `sequence` is its place in the stream (0 for a message that came live); larger is later.
    """

    place: Place
    envelope: Envelope
    sequence: int = 0

    @property
    def ref(self) -> RunRef:
        return RunRef(self.place.namespace, self.place.run, self.envelope.uid)

    @property
    def type(self) -> str:
        return self.envelope.type

    @property
    def data(self) -> dict[str, Any]:
        return self.envelope.data


@dataclass(frozen=True, slots=True)
class Signed:
    """What goes to the server."""

    subject: str
    payload: bytes
    headers: dict[str, str]


class Rejected(Exception):  # noqa: N818 - an outcome, not an error of ours
    """A message that must not be believed. `reason` is one word, for the counter."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Keyring(Protocol):
    """Knows who may have written what."""

    def public_key(self, place: Place, uid: str) -> bytes | None:
        """The key of the writer, 32 bytes; None when there is none for this run."""


def seal(
    signer: Signer, subject: str, *, uid: str, boot: str, seq: int, message_type: str, data: Mapping[str, Any]
) -> Signed:
    """Check, encode and sign. Raises MessageError, TooLargeError."""
    place = subjects.parse(subject)
    assert place is not None, "subjects are made by `subjects`"
    messages.check(place.kind, message_type, data)
    body = {
        "v": VERSION, "uid": uid, "boot": boot, "seq": seq, "time": now(), "type": message_type, "data": data,
    }  # fmt: skip
    try:
        payload = orjson.dumps(body)
    except TypeError as exc:
        raise messages.MessageError(f"{message_type}: not JSON: {exc}") from None
    if len(payload) > MAX_ENVELOPE:
        raise TooLargeError(
            f"{message_type} has {len(payload)} bytes and the bus takes {MAX_ENVELOPE}: shorten what it carries"
        )
    signature = base64.b64encode(signer.sign(_signed(subject, payload))).decode()
    headers = {SIGNATURE: signature, MESSAGE_ID: signer.secret_id(boot, str(seq))}
    return Signed(subject, payload, headers)


def unseal(
    keyring: Keyring, subject: str, payload: bytes, headers: Mapping[str, str] | None, *, sequence: int = 0
) -> Received:
    """Verify and decode. Raises Rejected."""
    place = subjects.parse(subject)
    if place is None:
        raise Rejected("subject", f"{subject} is no subject of a run")
    signature = _signature(headers)
    body = _body(payload)
    public = keyring.public_key(place, body["uid"])
    if public is None:
        raise Rejected("key", f"no key is known for {place.source} of this run (uid {body['uid'][:64]!r})")
    if not verified(public, _signed(subject, payload), signature):
        raise Rejected("signature", "signed by another key, or for another subject")
    try:
        messages.check(place.kind, body["type"], body["data"])
    except messages.MessageError as exc:
        raise Rejected("data", str(exc)) from None
    envelope = Envelope(
        uid=body["uid"], boot=body["boot"], seq=body["seq"], time=body["time"], type=body["type"], data=body["data"],
    )  # fmt: skip
    return Received(place, envelope, sequence)


def now() -> str:
    """This moment, in RFC 3339 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Drops:
    """Counts what was dropped, by reason, and says so once for each message."""

    by_reason: Counter[str] = field(default_factory=Counter)

    def add(self, subject: str, rejected: Rejected) -> None:
        self.by_reason[rejected.reason] += 1
        log.warning("dropped a message on %s: %s (%s)", subject, rejected, rejected.reason)

    @property
    def total(self) -> int:
        return self.by_reason.total()


@dataclass(slots=True)
class Once:
    """Recognises repetitions: a publisher that was not answered says the same again."""

    _last: dict[tuple[Source, str, str], int] = field(default_factory=dict)

    def is_new(self, received: Received) -> bool:
        envelope = received.envelope
        key = (received.place.source, envelope.uid, envelope.boot)
        if self._last.get(key, 0) >= envelope.seq:
            return False
        self._last[key] = envelope.seq
        return True


def _signed(subject: str, payload: bytes) -> bytes:
    return b"\0".join((_CONTEXT, subject.encode(), payload))


def _signature(headers: Mapping[str, str] | None) -> bytes:
    text = (headers or {}).get(SIGNATURE)
    if text is None:
        raise Rejected("unsigned", "it has no signature")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Rejected("signature", "its signature is not base64") from None


_FIELDS: Final = {"uid": str, "boot": str, "seq": int, "time": str, "type": str, "data": dict}


def _body(payload: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as exc:
        raise Rejected("format", f"not JSON: {exc}") from None
    if not isinstance(body, dict) or body.get("v") != VERSION:
        version = body.get("v") if isinstance(body, dict) else None
        raise Rejected("version", f"version {version!r}, this reads {VERSION}")
    for name, kind in _FIELDS.items():
        if type(body.get(name)) is not kind:
            raise Rejected("format", f"{name} is no {kind.__name__}")
    if body["seq"] < 1 or "\0" in body["uid"]:
        raise Rejected("format", "seq starts at 1, and a uid holds no NUL")
    try:
        moment = datetime.fromisoformat(body["time"])
    except ValueError:
        raise Rejected("format", "time is not RFC 3339") from None
    if moment.tzinfo is None:
        raise Rejected("format", "time has no zone")
    return body
