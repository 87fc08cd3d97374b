"""The gRPC health check of a probe: one call of `grpc.health.v1.Health/Check` over HTTP/2 without TLS.

A client of a single call needs little of HTTP/2: it sends three frames and reads until the answer's data or its
end. Answers' headers are not decoded (HPACK): an answer without a message is a failure whatever it says.
https://github.com/grpc/grpc/blob/master/doc/health-checking.md, RFC 9113, RFC 7541 (literals without indexing)
"""

import asyncio
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 1, 4, 1, 8
_LIMIT = 1 << 16
SERVING = 1
_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


async def check(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service: str, authority: str
) -> tuple[bool, str]:
    """Whether the service is SERVING, and why not. Raises OSError or IncompleteReadError on a broken connection."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    writer.write(
        _PREFACE
        + frame(_SETTINGS, 0, 0, b"")
        + frame(_HEADERS, _END_HEADERS, 1, _headers(authority))
        + frame(_DATA, _END_STREAM, 1, struct.pack(">BI", 0, len(message)) + message)
    )
    await writer.drain()
    received = b""
    while True:
        kind, flags, stream, payload = await read_frame(reader)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            writer.write(frame(_PING, _ACK, 0, payload))
        elif kind in {_RESET, _GOAWAY}:
            return False, "service unhealthy: the server has ended the call"
        elif stream == 1 and kind == _DATA:
            received += payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
        if len(received) >= 5 and len(received) >= 5 + struct.unpack(">I", received[1:5])[0]:
            state = status(received[5:])
            return state == SERVING, f'service unhealthy (responded with "{_STATES.get(state, state)}")'
        if stream == 1 and flags & _END_STREAM and kind in {_DATA, _HEADERS}:
            return (
                False,
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)",
            )


def status(message: bytes) -> int:
    """Field 1 of a HealthCheckResponse; absent is 0."""
    return message[1] if len(message) >= 2 and message[0] == 8 else 0


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """RFC 9113, section 4.1."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, int, int, bytes]:
    """Type, flags, stream and payload. Raises OSError for one that no health check sends."""
    head = await reader.readexactly(9)
    size = int.from_bytes(head[:3], "big")
    kind, flags, stream = struct.unpack(">BBI", head[3:])
    if size > _LIMIT:
        raise OSError("the answer is not HTTP/2")
    return kind, flags, stream & 0x7FFFFFFF, await reader.readexactly(size)


def _headers(authority: str) -> bytes:
    pairs = {
        ":method": "POST", ":scheme": "http", ":path": "/grpc.health.v1.Health/Check", ":authority": authority,
        "content-type": "application/grpc", "te": "trailers", "user-agent": "kube-probe/sympozium",
    }  # fmt: skip
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in pairs.items())


def _text(text: str) -> bytes:
    """A string literal without Huffman coding, of less than 127 bytes."""
    data = text.encode()[:126]
    return bytes([len(data)]) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
