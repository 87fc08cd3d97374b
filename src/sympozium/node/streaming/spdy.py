"""SPDY/3.1 frames, without I/O: bytes in, events out, and frames as bytes.

The part that Kubernetes' streaming uses, strictly checked. Its peers know no flow control (they neither send
WINDOW_UPDATE nor wait for it), so there is none here either: back-pressure is that of the connection below,
for all streams together. Data is passed on as it arrives and never gathered, so a frame of 16 MiB needs no
memory; headers have limits. Anything that is not SPDY/3.1 raises, and ends the connection.
https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sympozium.node.streaming.spdydict import DICTIONARY

VERSION = 3
FIN = 1
UNIDIRECTIONAL = 2
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5

CONTROL_LIMIT = 64 * 1024
"""Bytes of a control frame; ours are below one KiB."""
HEADERS_LIMIT = 128 * 1024
"""Bytes of a header block, decompressed."""
DATA_SIZE = 32 * 1024
"""Bytes of the data frames that are sent."""

Headers = dict[str, str]


class SpdyError(Exception):
    """The peer does not speak SPDY/3.1."""


@dataclass(frozen=True, slots=True)
class Opened:
    stream: int
    headers: Headers
    fin: bool


@dataclass(frozen=True, slots=True)
class Replied:
    stream: int
    headers: Headers
    fin: bool


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of a stream; `fin` says that its sender has ended it."""

    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last_stream: int


Event = Opened | Replied | Data | Reset | Ping | GoAway


class Decoder:
    """Takes the bytes of one direction of a connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._stream = 0
        self._rest = 0
        """Bytes that the data frame in progress still has."""
        self._fin = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """Raises SpdyError; nothing is to be fed after that."""
        self._buffer += data
        while True:
            if self._rest:
                if not self._buffer:
                    return
                piece = bytes(self._buffer[: self._rest])
                del self._buffer[: len(piece)]
                self._rest -= len(piece)
                yield Data(self._stream, piece, self._fin and not self._rest)
                continue
            if len(self._buffer) < 8:
                return
            first, second = struct.unpack_from(">II", self._buffer)
            flags, length = second >> 24, second & 0xFFFFFF
            if first >> 31:
                if length > CONTROL_LIMIT:
                    raise SpdyError(f"a control frame of {length} bytes; the limit is {CONTROL_LIMIT}")
                if len(self._buffer) < 8 + length:
                    return
                body = bytes(self._buffer[8 : 8 + length])
                del self._buffer[: 8 + length]
                yield from self._control(first >> 16 & 0x7FFF, first & 0xFFFF, flags, body)
            else:
                del self._buffer[:8]
                self._begin(first, flags, length)
                if not length:
                    yield Data(first, b"", self._fin)

    def _begin(self, stream: int, flags: int, length: int) -> None:
        if not stream:
            raise SpdyError("data for stream 0")
        if flags & ~FIN:
            raise SpdyError(f"data frame with flags {flags:#x}")
        self._stream, self._rest, self._fin = stream, length, bool(flags & FIN)

    def _control(self, version: int, kind: int, flags: int, body: bytes) -> Iterator[Event]:
        if version != VERSION:
            raise SpdyError(f"version {version} of SPDY; only 3 is spoken here")
        try:
            match kind:
                case 1:
                    stream, _, _ = struct.unpack_from(">IIH", body)
                    yield Opened(_stream(stream), self._headers(body[10:]), bool(flags & FIN))
                case 2:
                    (stream,) = struct.unpack_from(">I", body)
                    yield Replied(_stream(stream), self._headers(body[4:]), bool(flags & FIN))
                case 3:
                    stream, status = struct.unpack(">II", body)
                    yield Reset(_stream(stream), status)
                case 6:
                    (number,) = struct.unpack(">I", body)
                    yield Ping(number)
                case 7:
                    last, _ = struct.unpack(">II", body)
                    yield GoAway(last & 0x7FFFFFFF)
                case 8:
                    (stream,) = struct.unpack_from(">I", body)
                    self._headers(body[4:])  # for the state of the compression
                    if flags & FIN:
                        yield Data(_stream(stream), b"", fin=True)
                # SETTINGS, WINDOW_UPDATE and what the specification says to ignore: unknown types
        except struct.error as exc:
            raise SpdyError(f"a frame of type {kind} with {len(body)} bytes") from exc

    def _headers(self, block: bytes) -> Headers:
        try:
            text = self._inflate.decompress(block, HEADERS_LIMIT)
        except zlib.error as exc:
            raise SpdyError(f"headers: {exc}") from exc
        if self._inflate.unconsumed_tail or self._inflate.eof:
            raise SpdyError(f"headers of more than {HEADERS_LIMIT} bytes, or their compression has ended")
        return _parse_headers(text)


def _stream(number: int) -> int:
    if not number & 0x7FFFFFFF:
        raise SpdyError("a control frame for stream 0")
    return number & 0x7FFFFFFF


def _parse_headers(text: bytes) -> Headers:
    """Names are lower-cased; of several values the first one counts. Raises SpdyError, struct.error."""
    (count,) = struct.unpack_from(">I", text)
    position, found = 4, {}

    def word() -> str:
        nonlocal position
        (length,) = struct.unpack_from(">I", text, position)
        position += 4 + length
        if position > len(text):
            raise SpdyError("headers end within a header")
        return text[position - length : position].decode("latin-1")

    for _ in range(count):
        name = word().lower()
        if not name or name in found:
            raise SpdyError(f"header name {name!r} is empty or comes twice")
        found[name] = word().split("\0", 1)[0]
    return found


class Encoder:
    """Makes the frames of one direction: the header compression has a state, so send them in this order."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        body = struct.pack(">IIH", stream, 0, 0) + self._block(headers)
        return _frame(SYN_STREAM, body, FIN if fin else 0)

    def reply(self, stream: int, headers: Mapping[str, str] | None = None) -> bytes:
        return _frame(SYN_REPLY, struct.pack(">I", stream) + self._block(headers or {}))

    def _block(self, headers: Mapping[str, str]) -> bytes:
        text = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for word in (name.lower().encode("latin-1"), value.encode("latin-1")):
                text += len(word).to_bytes(4) + word
        return self._deflate.compress(text) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _frame(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(body)) + body


def data(stream: int, content: bytes, *, fin: bool = False) -> bytes:
    """One data frame of at most 16 MiB."""
    return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(content)) + content


def reset(stream: int, status: int) -> bytes:
    return _frame(RST_STREAM, struct.pack(">II", stream, status))


def ping(number: int) -> bytes:
    return _frame(PING, struct.pack(">I", number))


def go_away(last_stream: int, status: int = 0) -> bytes:
    return _frame(GOAWAY, struct.pack(">II", last_stream, status))
