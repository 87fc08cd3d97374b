"""Envelopes and what they carry: versioned, typed, signed by their one sender.

    {"v": 1, "epoch": "18c2f...", "seq": 7, "time": "...", "type": "tool.intent", "source": "tools",
     "run": {"namespace": ..., "name": ..., "uid": ...}, "data": {...}, "sig": "base64"}

The signature (Ed25519) is over the canonical JSON of everything else: keys sorted, no spaces, ASCII. `seq`
rises by one for each message of a sending process, and `epoch` tells that process from the one before it: the
pair, with the key that signed, is what a message is recognized by when it is stored twice.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sympozium.bus.data import wrong
from sympozium.bus.subjects import AGENT, CONTROLLER, TOOLS, RunRef

VERSION: Final = 1
MAX_BYTES: Final = 900 * 1024
"""Below the server's max_payload, with room for the envelope."""

RUN_STARTED: Final = "run.started"
STEP_STARTED: Final = "step.started"
MODEL_DELTA: Final = "model.delta"
MODEL_MESSAGE: Final = "model.message"
TOOL_INTENT: Final = "tool.intent"
TOOL_APPROVAL: Final = "tool.approval"
TOOL_OUTCOME: Final = "tool.outcome"
RUN_RESULT: Final = "run.result"
APPROVAL_REQUEST: Final = "approval"
APPROVAL_DECIDED: Final = "approval.decided"
RUN_CANCEL: Final = "run.cancel"
RUN_KEYS: Final = "run.keys"
POLICY_CHANGED: Final = "policy.changed"
POLICY_APPLIED: Final = "policy.applied"
RUN_FREEZE: Final = "run.freeze"
RUN_FROZEN: Final = "run.frozen"
SPAWN_REQUEST: Final = "spawn"
SCHEDULE_REQUEST: Final = "schedule"
MEMORY_REQUEST: Final = "memory"
REQUEST_ANSWERED: Final = "request.answered"

SENDERS: Final[Mapping[str, str]] = {
    **dict.fromkeys((RUN_STARTED, STEP_STARTED, MODEL_DELTA, MODEL_MESSAGE, RUN_RESULT), AGENT),
    **dict.fromkeys(
        (
            TOOL_INTENT,
            TOOL_APPROVAL,
            TOOL_OUTCOME,
            APPROVAL_REQUEST,
            POLICY_APPLIED,
            RUN_FROZEN,
            SPAWN_REQUEST,
            SCHEDULE_REQUEST,
            MEMORY_REQUEST,
        ),
        TOOLS,
    ),
    **dict.fromkeys(
        (APPROVAL_DECIDED, RUN_CANCEL, RUN_KEYS, POLICY_CHANGED, RUN_FREEZE, REQUEST_ANSWERED), CONTROLLER
    ),
}
"""Who says what: an agent that was talked into it must not be able to put a tool's outcome on the record."""


class MessageError(Exception):
    """Not a message of ours: the text says what is wrong with it."""


class SignatureError(MessageError):
    """Well-formed, but not signed by who it says."""


class DataError(MessageError):
    """Signed, but the data is not what its type carries."""


class TooLargeError(MessageError):
    """More than fits into one message; nothing was sent."""


def now() -> str:
    """RFC 3339, microseconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `data` is what docs/contracts.md lists for its type."""

    type: str
    run: RunRef
    source: str
    epoch: str
    seq: int
    data: Mapping[str, Any]
    time: str = field(default_factory=now)


def _body(message: Message) -> dict[str, Any]:
    return {
        "v": VERSION,
        "epoch": message.epoch,
        "seq": message.seq,
        "time": message.time,
        "type": message.type,
        "source": message.source,
        "run": {"namespace": message.run.namespace, "name": message.run.name, "uid": message.run.uid},
        "data": dict(message.data),
    }


def _canonical(body: Mapping[str, Any]) -> bytes:
    # ASCII escapes keep lone surrogates, which a model can produce, from breaking the encoding. NaN is not JSON.
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def seal(message: Message, key: Ed25519PrivateKey) -> bytes:
    """The signed envelope. Raises DataError or TooLargeError before anything is sent."""
    if problem := wrong(message.type, message.data):
        raise DataError(problem)
    body = _body(message)
    try:
        signature = key.sign(_canonical(body))
    except (TypeError, ValueError, RecursionError) as exc:
        raise DataError(f"{message.type}: not JSON: {exc}") from exc
    sealed = _canonical({**body, "sig": base64.b64encode(signature).decode()})
    if len(sealed) > MAX_BYTES:
        raise TooLargeError(
            f"{message.type} has {len(sealed)} bytes; {MAX_BYTES} fit into a message: shorten it"
        )
    return sealed


def unseal(payload: bytes, key: Ed25519PublicKey, *, run: RunRef, source: str) -> Message:
    """The message in an envelope from `source` of `run`. Raises MessageError.

    Nothing in it is believed for being well signed alone: the sender may say only what is its to say.
    """
    body = decode(payload)
    signature = body.pop("sig", None)
    if not isinstance(signature, str):
        raise SignatureError("the message is not signed")
    try:
        key.verify(base64.b64decode(signature, validate=True), _canonical(body))
    except (InvalidSignature, ValueError, RecursionError) as exc:
        raise SignatureError(
            f"the message is not signed by {source} of run {run.namespace}/{run.name}"
        ) from exc
    message = _message(body)
    if message.run != run or message.source != source:
        raise SignatureError(
            f"a message of {message.source} of run {message.run.name} on a subject of another"
        )
    if source != SENDERS.get(message.type):
        raise DataError(f"{message.type[:80]!r} is not for {source} to say")
    if problem := wrong(message.type, message.data):
        raise DataError(problem)
    return message


def decode(payload: bytes) -> dict[str, Any]:
    """An envelope, not verified. Raises MessageError."""
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as exc:
        raise MessageError(f"not JSON: {payload[:40]!r}") from exc
    if not isinstance(body, dict) or body.get("v") != VERSION:
        raise MessageError(f"not an envelope of version {VERSION}: {payload[:60]!r}")
    return body


_FIELDS: Final = {
    "epoch": str, "seq": int, "time": str, "type": str, "source": str, "run": dict, "data": dict,
}  # fmt: skip


def _message(body: Mapping[str, Any]) -> Message:
    for name, kind in _FIELDS.items():
        if type(body.get(name)) is not kind:
            raise MessageError(f"the envelope's {name} is no {kind.__name__}")
    run = body["run"]
    if not all(isinstance(run.get(name), str) for name in ("namespace", "name", "uid")):
        raise MessageError("the envelope's run has not namespace, name and uid")
    try:
        moment = datetime.fromisoformat(body["time"])
    except ValueError as exc:
        raise MessageError(f"the envelope's time is not RFC 3339: {exc}") from exc
    if moment.tzinfo is None or body["seq"] < 1:
        raise MessageError("the envelope's time has no zone, or its seq is below 1")
    return Message(
        type=body["type"],
        run=RunRef(run["namespace"], run["name"], run["uid"]),
        source=body["source"],
        epoch=body["epoch"],
        seq=body["seq"],
        data=_encodable(body["data"]),
        time=body["time"],
    )


def _encodable(data: dict[str, Any]) -> dict[str, Any]:
    """Without lone surrogates, which models produce and no encoder takes: each becomes a question mark."""
    text = json.dumps(data, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        replaced: dict[str, Any] = json.loads(text.encode("utf-8", "replace"))
        return replaced
    return data


def new_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def private_text(key: Ed25519PrivateKey) -> str:
    """32 bytes, base64."""
    return base64.b64encode(key.private_bytes_raw()).decode()


def public_text(key: Ed25519PublicKey) -> str:
    """32 bytes, base64."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def private_key(text: str) -> Ed25519PrivateKey:
    """Raises ValueError."""
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text.strip(), validate=True))


def public_key(text: str) -> Ed25519PublicKey:
    """Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.strip(), validate=True))
