"""The wire between `tools` and `shell`: one request and one answer on each connection.

A frame is four bytes of length (big endian) and that much UTF-8 JSON. Requests are
`{"op": NAME, ...arguments}` with these operations:

    exec            command, workdir?, timeout (seconds), maxOutput (bytes kept of each stream)
    read_file       path, offset? (first line, from 1), limit? (lines)
    write_file      path, content, expect? (the basis of a preview: only if the file is still like that)
    edit_file       path, edits [{old, new, all?}], expect?
    list_directory  path
    preview         tool (write_file or edit_file), arguments: what it would do, without doing it

An answer is `{"ok": true, "result": {...}}` or `{"ok": false, "error": "what and what to do"}`.
Not JSON lines, because a length lets the reader refuse a frame before it holds it in memory.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

MAX_FRAME = 16 * 1024 * 1024
"""Bytes of one frame; larger than any argument `tools` lets through."""

_LENGTH = struct.Struct(">I")


class ProtocolError(Exception):
    """The other side sent something that is no frame of this protocol."""


def encode(message: dict[str, Any]) -> bytes:
    """One frame. Lone surrogates (undecodable file names) are escaped, never an error."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME:
        raise ProtocolError(f"a frame of {len(body)} bytes is above the limit of {MAX_FRAME}")
    return _LENGTH.pack(len(body)) + body


def length(header: bytes) -> int:
    """Size in bytes of the body that follows `header`, checked against MAX_FRAME."""
    (size,) = _LENGTH.unpack(header)
    if size > MAX_FRAME:
        raise ProtocolError(f"a frame of {size} bytes is above the limit of {MAX_FRAME}")
    return int(size)


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object of a frame's body."""
    try:
        message = json.loads(body)
    except ValueError as error:
        raise ProtocolError(f"the frame is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolError("the frame is not a JSON object")
    return message


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """Read one frame from a blocking socket; None when the peer closed before sending any."""
    header = _exactly(connection, _LENGTH.size)
    if header is None:
        return None
    body = _exactly(connection, length(header))
    if body is None:
        raise ProtocolError("the connection ended inside a frame")
    return decode(body)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 20))
        if not part:
            if parts:
                raise ProtocolError("the connection ended inside a frame")
            return None
        parts += part
    return bytes(parts)
