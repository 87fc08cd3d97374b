"""A tunnel to the bus that ends while it is used ends what uses it, with words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sympozium.actions import bus
from sympozium.actions.errors import UnavailableError
from sympozium.actions.tunnel import Tunnel

INSIDE = "nats://sympozium-nats.sympozium-system.svc:4222"


async def test_the_end_of_the_tunnel_is_the_end_of_what_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    process = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)

    @asynccontextmanager
    async def forwarded(_client: Any, service: str) -> AsyncIterator[Tunnel]:
        assert service == "sympozium-nats"
        yield Tunnel("127.0.0.1:4", process)

    monkeypatch.setattr(bus, "forwarded", forwarded)
    client: Any = None

    async def use() -> None:
        async with bus.near(client, INSIDE) as url:
            assert url == "nats://127.0.0.1:4"
            assert process.stdin is not None
            process.stdin.close()
            await asyncio.Event().wait()

    with pytest.raises(UnavailableError, match="the tunnel to the bus ended"):
        await use()
    # What the one who uses it gives up by itself is its own.
    other = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
    process = other
    with pytest.raises(TimeoutError, match="mine"):
        async with bus.near(client, INSIDE):
            raise TimeoutError("mine")
    assert other.returncode is None
    assert other.stdin is not None
    other.stdin.close()
    await other.wait()


async def test_an_address_that_is_known_here_needs_no_tunnel() -> None:
    client: Any = None
    async with bus.near(client, "nats://127.0.0.1:4222") as url:
        assert url == "nats://127.0.0.1:4222"
