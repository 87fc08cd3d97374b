"""The health check of gRPC, against frames as servers send them."""

import asyncio

import pytest

from sympozium.node import grpchealth
from sympozium.node.grpchealth import frame

SETTINGS = frame(4, 0, 0, b"")
HEADERS = frame(1, 4, 1, b"\x88")
TRAILERS = frame(1, 5, 1, b"\x88")


def data(status: int) -> bytes:
    message = bytes([8, status])
    return frame(0, 0, 1, b"\0" + len(message).to_bytes(4, "big") + message)


async def ask(answer: bytes, service: str = "") -> tuple[tuple[bool, str], bytes]:
    """The verdict, and what the server was sent."""
    got = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        while chunk := await reader.read(4096):
            got.extend(chunk)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            async with asyncio.timeout(60):
                verdict = await grpchealth.check(reader, writer, service, "pod:1")
        finally:
            writer.close()
            await writer.wait_closed()
    return verdict, bytes(got)


@pytest.mark.parametrize(("answer", "ok", "words"), [
    (SETTINGS + HEADERS + data(1) + TRAILERS, True, ""),
    (SETTINGS + frame(6, 0, 0, b"12345678") + HEADERS + data(1), True, ""),
    (SETTINGS + HEADERS + data(2) + TRAILERS, False, "NOT_SERVING"),
    (SETTINGS + HEADERS + frame(0, 0, 1, b"\0\0\0\0\0") + TRAILERS, False, "UNKNOWN"),
    (SETTINGS + TRAILERS, False, "does not implement"),
    (SETTINGS + frame(7, 0, 0, bytes(8)), False, "ended the call"),
])  # fmt: skip
async def test_answers(answer: bytes, ok: bool, words: str) -> None:
    verdict, _ = await ask(answer)
    assert verdict[0] is ok
    assert words in verdict[1]


async def test_a_message_in_pieces() -> None:
    whole = data(1)[9:]
    pieces = b"".join(frame(0, 0, 1, whole[i : i + 2]) for i in range(0, len(whole), 2))
    assert (await ask(SETTINGS + HEADERS + pieces))[0][0]


async def test_the_request_names_the_service() -> None:
    _, sent = await ask(SETTINGS + HEADERS + data(1), "my.Service")
    assert sent.startswith(b"PRI * HTTP/2.0")
    assert b"/grpc.health.v1.Health/Check" in sent
    assert b"\x0a\x0amy.Service" in sent


async def test_something_else_than_http2() -> None:
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await ask(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(64))
