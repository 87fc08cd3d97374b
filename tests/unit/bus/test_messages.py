"""Envelopes: who may say what, and that nothing else is believed."""

import base64
import json
from typing import Any

import pytest

from cluster.bus_data import whole
from sympozium.bus import messages
from sympozium.bus.messages import (
    DataError,
    Message,
    MessageError,
    SignatureError,
    TooLargeError,
    seal,
    unseal,
)
from sympozium.bus.subjects import RunRef

RUN = RunRef("ns", "run.one", "uid-1")
KEY = messages.new_key()


def sealed(kind: str = "step.started", source: str = "agent", **fields: Any) -> bytes:
    return seal(Message(kind, RUN, source, "e", 1, whole(kind, fields)), KEY)


def opened(payload: bytes, source: str = "agent") -> Message:
    return unseal(payload, KEY.public_key(), run=RUN, source=source)


def signed(**changes: Any) -> bytes:
    """A well-signed envelope, whatever is in it."""
    body = {**messages._body(Message("step.started", RUN, "agent", "e", 1, {"step": 1})), **changes}
    text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return json.dumps({**body, "sig": base64.b64encode(KEY.sign(text)).decode()}).encode()


def test_what_is_sealed_comes_out_again() -> None:
    message = opened(sealed(step=7))
    assert (message.type, message.run, message.source, message.seq) == ("step.started", RUN, "agent", 1)
    assert message.data == {"step": 7}
    assert message.time.endswith("Z")


def test_another_key_another_run_another_source_are_refused() -> None:
    payload = sealed()
    with pytest.raises(SignatureError):
        unseal(payload, messages.new_key().public_key(), run=RUN, source="agent")
    for run in (RunRef("ns", "two", "uid-1"), RunRef("ns", "run.one", "uid-2")):
        with pytest.raises(SignatureError, match="on a subject of another"):
            unseal(payload, KEY.public_key(), run=run, source="agent")
    with pytest.raises(SignatureError, match="on a subject of another"):
        opened(payload, source="tools")


def test_one_changed_byte_is_noticed() -> None:
    payload = sealed(step=1)
    with pytest.raises(SignatureError):
        opened(payload.replace(b'"step":1', b'"step":2'))


@pytest.mark.parametrize(
    ("source", "kind"),
    [("agent", "tool.outcome"), ("agent", "approval"), ("tools", "run.result"), ("tools", "approval.decided"), ("agent", "run.keys")],
)  # fmt: skip
def test_a_container_may_not_say_what_another_says(source: str, kind: str) -> None:
    with pytest.raises(DataError, match="to say"):
        opened(sealed(kind, source), source)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'{"v":2}',
        b"[" * 100_000,
        b'{"v":1}',
        b'{"v":1,"sig":5}',
        b'{"v":1,"sig":"*"}',
        b"\xff\xfe",
        b'{"stream":"RUNS","seq":2}',
    ],
)
def test_what_is_no_envelope_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageError):
        opened(payload)


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 0}, {"seq": "1"}, {"seq": True}, {"epoch": 1}, {"time": "yesterday"}, {"time": "2026-01-01T00:00:00"},
        {"run": {}}, {"run": None}, {"run": {"namespace": "ns", "name": "run.one", "uid": 1}}, {"data": []},
        {"data": {"step": -1}}, {"data": {"step": 1e999}}, {"data": {"step": 1, "more": float("nan")}}, {"type": "other"},
    ],
)  # fmt: skip
def test_signed_nonsense_is_refused(changes: dict[str, Any]) -> None:
    opened(signed())
    with pytest.raises(MessageError):
        opened(signed(**changes))


def test_lone_surrogates_are_gone_when_read() -> None:
    message = opened(sealed("model.message", text="a\ud800b ä 😀"))
    assert message.data["text"] == "a?b ä 😀"


def test_publishing_nonsense_fails_where_it_is_made() -> None:
    with pytest.raises(DataError, match=r"step\.started: data\.step is no whole number"):
        sealed(step="one")
    with pytest.raises(DataError, match="not JSON"):
        sealed("tool.intent", "tools", args={"when": object()})
    with pytest.raises(DataError, match="not JSON"):
        sealed("tool.intent", "tools", args=float("inf"))


def test_the_largest_message_fits_and_one_more_byte_does_not() -> None:
    empty = len(sealed("model.message", text=""))
    assert len(sealed("model.message", text="x" * (messages.MAX_BYTES - empty))) == messages.MAX_BYTES
    with pytest.raises(TooLargeError, match="shorten"):
        sealed("model.message", text="x" * (messages.MAX_BYTES - empty + 1))


def test_keys_survive_their_text() -> None:
    assert messages.public_text(
        messages.private_key(messages.private_text(KEY)).public_key()
    ) == messages.public_text(KEY.public_key())
    for text in ("", "AAAA", "not base64 !"):
        with pytest.raises(ValueError):
            messages.private_key(text)
        with pytest.raises(ValueError):
            messages.public_key(text)


def test_every_type_has_a_sender_and_data() -> None:
    from sympozium.bus import data

    assert set(messages.SENDERS) == set(data.TYPES)
