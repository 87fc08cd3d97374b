"""Connections over real sockets: slow ones, too many, large heads, a renewed certificate."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from sympozium.kube.errors import ConfigError
from sympozium.localkube.access.pki import CertificateAuthority
from sympozium.server.guards.connections import BoundedConnection, Certificate, bounded

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.asynccontextmanager
async def serving(
    protocol: type[BoundedConnection], *, certificate: Certificate | None = None, content: str = "hello"
) -> AsyncIterator[int]:
    config = uvicorn.Config(
        PlainTextResponse(content), host="127.0.0.1", port=0, http=protocol, ws="none", lifespan="off",
        log_config=None, access_log=False, timeout_graceful_shutdown=1,
        ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
    )  # fmt: skip

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self):
            yield

    server = Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.started:
            await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


class Connections:
    """Opens them, and cuts them in the end."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    async def __call__(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def connect() -> AsyncIterator[Connections]:
    made = Connections()
    yield made
    await made.close()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(60):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_a_head_that_trickles_in_is_cut(connect: Connections) -> None:
    class Hasty(BoundedConnection):
        head_seconds = 0.1

    async with serving(Hasty) as port:
        silent, _ = await connect(port)
        assert await read_all(silent) == b""
        reader, writer = await connect(port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert await read_all(reader) == b""
        # A second head on a connection that was good once.
        reader, writer = await connect(port)
        writer.write(GET + b"GET / HTTP/1.1\r\n")
        assert (await read_all(reader)).count(b"HTTP/1.1 200") == 1


async def test_a_head_may_have_64_kib(connect: Connections) -> None:
    async with serving(BoundedConnection) as port:
        for size, status in ((20_000, b"200"), (100_000, b"431")):
            reader, writer = await connect(port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-A: " + b"a" * size)
            writer.write(b"\r\n\r\n")
            assert (await read_all(reader)).startswith(b"HTTP/1.1 " + status)


async def test_at_the_limit_an_idle_connection_makes_room_and_busy_ones_stay(connect: Connections) -> None:
    async with serving(bounded(2)) as port:
        idle_reader, idle_writer = await connect(port)
        idle_writer.write(GET)
        await idle_reader.readuntil(b"hello")
        busy = [await connect(port) for _ in range(2)]
        assert await read_all(idle_reader) == b""
        # Both are within a request: nobody makes room.
        refused, _ = await connect(port)
        assert (await read_all(refused)).startswith(b"HTTP/1.1 503")
        for reader, writer in busy:
            writer.write(GET)
            assert b"200 OK" in await reader.readuntil(b"hello")


async def test_who_reads_nothing_is_cut_and_who_reads_slowly_is_not(connect: Connections) -> None:
    seen: list[BoundedConnection] = []

    class Seen(BoundedConnection):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            seen.append(self)

    size = 20_000_000
    async with serving(Seen, content="x" * size) as port, asyncio.timeout(60):
        reader, writer = await connect(port)
        writer.write(GET)
        await reader.readexactly(1_000_000)
        (served,) = seen
        # The clock is the test's own: what the timer would find is asked.
        assert served._write_timer is not None
        unread = served.transport.get_write_buffer_size()
        assert unread > 0
        await reader.readexactly(10_000_000)
        served._look_at_reading(unread)
        assert not served.transport.is_closing()
        served._look_at_reading(0)
        assert served.transport.is_closing()


async def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path / "pki")

    def issue(name: str) -> None:
        pair = authority.issue_server(name, ["127.0.0.1"], path=tmp_path / name)
        (tmp_path / "tls.key").write_bytes(pair.key.read_bytes())
        (tmp_path / "tls.crt").write_bytes(pair.certificate.read_bytes())

    issue("one")
    certificate = Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    async with serving(BoundedConnection, certificate=certificate) as port:
        first = await _serial(port)
        assert await _serial(port) == first
        assert not certificate.load()
        issue("two")
        assert certificate.load()
        second = await _serial(port)
        assert second != first
        (tmp_path / "tls.crt").write_text("broken")
        with pytest.raises(ssl.SSLError):
            certificate.load()
        assert await _serial(port) == second
    with pytest.raises(ConfigError, match="--tls-cert"):
        Certificate(tmp_path / "tls.crt", tmp_path / "none.key")


async def _serial(port: int) -> bytes | None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return found
