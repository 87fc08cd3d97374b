"""What a pod does to its relay stays with that pod's connection. The pod's side is 127.0.0.2, where names would be."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Network
from unittest.mock import Mock

import pytest

from sympozium.node import relay
from sympozium.node.network import Egress, Rule
from sympozium.node.relay import PodNetwork


@asynccontextmanager
async def relayed(*bad: str) -> AsyncIterator[tuple[PodNetwork, int]]:
    """A relay to a server that echoes, by the name localhost at 127.0.0.2, and to `bad` names at 127.0.0.3 and on."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(100):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    names = {(host, port): f"127.0.0.{2 + n}" for n, host in enumerate(["localhost", *bad])}
    egress = Egress(rules=[Rule(IPv4Network("127.0.0.1"), port)], names=names)
    listening = {(address, port): socket.create_server((address, port)) for address in names.values()}
    for opened in listening.values():
        opened.setblocking(False)
    made = PodNetwork(egress, "pod", Mock(), listening)
    serving = asyncio.create_task(made.serve())
    try:
        yield made, port
        assert not serving.done(), "the relay has failed"
    finally:
        serving.cancel()
        await asyncio.wait({serving})
        made.close()
        server.close()


async def answers(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.2", port)
    try:
        writer.write(b"x")
        return await reader.read(1) == b"x"
    except ConnectionResetError:
        return False
    finally:
        writer.close()


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example"])
async def test_a_name_that_is_none_is_refused_and_the_relay_goes_on(host: str) -> None:
    async with relayed(host) as (made, port):
        reader, writer = await asyncio.open_connection("127.0.0.3", port)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        assert await answers(port)
        assert made.refused == 1


async def test_a_pod_has_so_many_connections_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MOST", 3)
    async with relayed() as (made, port):
        held = [await asyncio.open_connection("127.0.0.2", port) for _ in range(3)]
        for reader, writer in held:
            writer.write(b"x")
            assert await reader.read(1) == b"x"
        assert not await answers(port)
        assert made.refused == 1
        held[0][1].close()
        async with asyncio.timeout(60):
            while len(made._connections) == 3:
                await asyncio.sleep(0.01)
        assert await answers(port)
        for _, writer in held:
            writer.close()
