"""The proxy over real sockets: who may pass, what is passed on, what is cut."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator

import pytest

from sympozium.egress.authority import NotAllowedError
from sympozium.egress.proxy import Proxy
from sympozium.egresstoken import Claims
from sympozium.tools.proxy import Proxy as Client

CLAIMS = Claims("team", "run", "u", ("model", 1))


class Judge:
    """Knows one token, and allows every port of the hosts in `open_to`."""

    def __init__(self) -> None:
        self.open_to = {"127.0.0.1"}

    async def identify(self, token: str) -> Claims:
        if token != "good":
            raise NotAllowedError("the credential is refused")
        return CLAIMS

    def judge(self, claims: Claims, host: str, port: int, addresses: list[str]) -> None:
        assert claims == CLAIMS
        if host not in self.open_to:
            raise NotAllowedError(f"{host}:{port} is not allowed")


@contextlib.asynccontextmanager
async def world(judge: Judge) -> AsyncIterator[tuple[Proxy, int, int, list[bytes]]]:
    """A proxy and a server that answers whatever it gets: the proxy, their ports, and what the server got."""
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if data := await reader.read(65536):
            got.append(data)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            await writer.drain()
        writer.close()

    proxy = Proxy(judge)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    front = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server, front:
        yield proxy, front.sockets[0].getsockname()[1], server.sockets[0].getsockname()[1], got


async def ask(port: int, request: str, token: str | None = "good") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = request.split("\n")
    if token is not None:
        pair = base64.b64encode(f"run:{token}".encode()).decode()
        lines.insert(1, f"Proxy-Authorization: Basic {pair}")
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while data := await reader.read(65536):
        answer += data
    writer.close()
    return answer


async def test_an_absolute_request_is_passed_on_without_the_credential() -> None:
    async with world(Judge()) as (_, port, target, got):
        lines = (
            f"GET http://127.0.0.1:{target}/a?b=c HTTP/1.1\nHost: other\nX-Mine: 1\nConnection: keep-alive"
        )
        answer = await ask(port, lines)
    assert answer.endswith(b"hi")
    expected = f"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{target}\r\nX-Mine: 1\r\nConnection: close\r\n\r\n"
    assert got == [expected.encode()]


async def test_a_tunnel() -> None:
    async with world(Judge()) as (_, port, target, got):
        client = Client(f"http://run:good@127.0.0.1:{port}")
        reader, writer = await client.connect("127.0.0.1", target, None)
        writer.write(b"anything")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 OK")
        writer.close()
    assert got == [b"anything"]


@pytest.mark.parametrize(
    ("request_line", "token", "status"),
    [
        ("CONNECT 127.0.0.1:{port} HTTP/1.1\nHost: x", "bad", b"407"),
        ("CONNECT 127.0.0.1:{port} HTTP/1.1\nHost: x", None, b"407"),
        ("CONNECT localhost:{port} HTTP/1.1\nHost: x", "good", b"403"),
        ("GET http://localhost:{port}/ HTTP/1.1\nHost: x", "good", b"403"),
        ("GET http://127.0.0.1@localhost:{port}/ HTTP/1.1\nHost: x", "good", b"400"),
        ("CONNECT 127.0.0.1 HTTP/1.1\nHost: x", "good", b"400"),
        ("GET / HTTP/1.1\nHost: x", "good", b"400"),
        ("GET https://127.0.0.1:{port}/ HTTP/1.1\nHost: x", "good", b"400"),
        ("nonsense", "good", b"400"),
        ("CONNECT no-such-name.invalid:1 HTTP/1.1\nHost: x", "good", b"502"),
    ],
)
async def test_refusals(request_line: str, token: str | None, status: bytes) -> None:
    async with world(Judge()) as (_, port, target, got):
        answer = await ask(port, request_line.replace("{port}", str(target)), token)
    assert answer.split(b" ", 2)[1] == status, answer
    assert got == []


async def test_what_is_no_longer_allowed_is_cut() -> None:
    judge = Judge()
    async with world(judge) as (proxy, port, target, _):
        client = Client(f"http://run:good@127.0.0.1:{port}")
        reader, writer = await client.connect("127.0.0.1", target, None)
        assert proxy.recheck() == 0
        judge.open_to.clear()
        assert proxy.recheck() == 1
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError, match="is not allowed"):
            await client.connect("127.0.0.1", target, None)
