"""SPDY/3.1 frames: round trips in any pieces, and anything else refused."""

import struct
import zlib

import pytest
from hypothesis import given, strategies as st

from sympozium.node.streaming import spdy
from sympozium.node.streaming.spdy import (
    Data,
    Decoder,
    Encoder,
    GoAway,
    Opened,
    Ping,
    Replied,
    Reset,
    SpdyError,
)
from sympozium.node.streaming.spdydict import DICTIONARY

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40)
STREAMS = st.integers(1, 0x7FFFFFFF)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=5)
FRAMES = st.one_of(
    st.tuples(st.just("open"), STREAMS, HEADERS, st.booleans()),
    st.tuples(st.just("reply"), STREAMS, HEADERS),
    st.tuples(st.just("data"), STREAMS, st.binary(max_size=300), st.booleans()),
    st.tuples(st.just("reset"), STREAMS, st.integers(0, 11)),
    st.tuples(st.just("ping"), st.integers(0, 0xFFFFFFFF)),
    st.tuples(st.just("goaway"), STREAMS),
)


def written(encoder: Encoder, frame: tuple) -> tuple[bytes, spdy.Event]:
    match frame:
        case ("open", stream, headers, fin):
            return encoder.open(stream, headers, fin=fin), Opened(stream, headers, fin)
        case ("reply", stream, headers):
            return encoder.reply(stream, headers), Replied(stream, headers, False)
        case ("data", stream, content, fin):
            return spdy.data(stream, content, fin=fin), Data(stream, content, fin)
        case ("reset", stream, status):
            return spdy.reset(stream, status), Reset(stream, status)
        case ("ping", number):
            return spdy.ping(number), Ping(number)
    return spdy.go_away(frame[1]), GoAway(frame[1])


def joined(events: list[spdy.Event]) -> list[spdy.Event]:
    """Pieces of a data frame as one; frames of the same stream too, unless the first one ended it."""
    result: list[spdy.Event] = []
    for event in events:
        last = result[-1] if result else None
        if (
            isinstance(event, Data)
            and isinstance(last, Data)
            and last.stream == event.stream
            and not last.fin
        ):
            result[-1] = Data(event.stream, last.data + event.data, event.fin)
        else:
            result.append(event)
    return result


@given(frames=st.lists(FRAMES, max_size=12), size=st.integers(1, 60))
def test_what_is_written_is_read_in_pieces_of_any_size(frames: list[tuple], size: int) -> None:
    encoder, decoder = Encoder(), Decoder()
    made = [written(encoder, frame) for frame in frames]
    raw = b"".join(data for data, _ in made)
    events = [event for i in range(0, len(raw), size) for event in decoder.feed(raw[i : i + size])]
    assert joined(events) == joined([event for _, event in made])


@given(raw=st.binary(max_size=400), size=st.integers(1, 50))
def test_garbage_is_read_or_refused(raw: bytes, size: int) -> None:
    decoder = Decoder()
    try:
        for i in range(0, len(raw), size):
            list(decoder.feed(raw[i : i + size]))
    except SpdyError:
        return


@given(data=st.data())
def test_damaged_frames_are_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(Encoder().open(1, {"streamtype": "stdin"}) + spdy.data(1, b"x" * 20, fin=True))
    for _ in range(3):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        list(Decoder().feed(bytes(raw)))
    except SpdyError:
        return


def control(kind: int, body: bytes, version: int = 3) -> bytes:
    return struct.pack(">HHI", 0x8000 | version, kind, len(body)) + body


def block(text: bytes) -> bytes:
    deflate = zlib.compressobj(zdict=DICTIONARY)
    return deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (control(6, b"\0\0\0\1", version=2), "version 2"),
        (struct.pack(">HHI", 0x8003, 1, spdy.CONTROL_LIMIT + 1), "a control frame of"),
        (control(6, b"\0"), "type 6 with 1 bytes"),
        (control(3, b"\0" * 8), "stream 0"),
        (spdy.data(0, b"x"), "stream 0"),
        (struct.pack(">II", 1, 0x80000000 | 1), "flags"),
        (control(1, struct.pack(">IIH", 1, 0, 0) + b"garbage"), "headers"),
        (control(1, struct.pack(">IIH", 1, 0, 0) + block(b"\0\0\0\1\0\0\0\1a\0\0\xff\xffb")), "end within"),
        (control(1, struct.pack(">IIH", 1, 0, 0) + block(b"\0" * 10_000_000)), "more than"),
    ],
)  # fmt: skip
def test_refused(raw: bytes, why: str) -> None:
    with pytest.raises(SpdyError, match=why):
        list(Decoder().feed(raw))


def test_a_large_data_frame_is_passed_on_as_it_comes() -> None:
    decoder = Decoder()
    assert list(decoder.feed(struct.pack(">II", 5, 0x01FFFFFF) + b"a")) == [Data(5, b"a", fin=False)]
    assert list(decoder.feed(b"bc")) == [Data(5, b"bc", fin=False)]


def test_the_dictionary_is_that_of_the_specification() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)
