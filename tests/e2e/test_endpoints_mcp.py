"""An agent as a tool of MCP clients, with the SDK's own client."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from e2e.endpoint_support import SCRIPT, Endpoint, closed, opened
from e2e.support import policy
from sympozium.mcpsocket import result_text
from sympozium.testing import Cluster, ScriptedModel, phase
from sympozium.testing.waiting import until


@pytest.fixture
def bot(sympozium_cluster: Cluster, namespace: str) -> Iterator[Endpoint]:
    policy(sympozium_cluster, namespace)
    with ScriptedModel(SCRIPT) as model:
        yield opened(sympozium_cluster, namespace, model.base_url)


@asynccontextmanager
async def client(bot: Endpoint) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {bot.key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http,
        Client(streamable_http_client(f"{bot.url}/mcp", http_client=http)) as found,
    ):
        yield found


async def test_an_agent_is_a_tool(bot: Endpoint) -> None:
    said: list[str] = []

    async def heard(_progress: float, _total: float | None, message: str | None) -> None:
        said.append(message or "")

    async with client(bot) as mcp:
        [tool] = (await mcp.list_tools()).tools
        assert (tool.name, tool.title) == ("ask", "Ask agent")
        answer = await mcp.call_tool("ask", {"task": "Look."}, progress_callback=heard)
        assert (result_text(answer), answer.is_error) == ("It has [empty directory].", False)
        assert said[0] == "I look."
        for arguments in ({}, {"task": ""}, {"task": "x", "model": "y"}):
            assert "one argument" in result_text(await mcp.call_tool("ask", arguments))
    assert {run["metadata"]["labels"]["sympozium.ai/endpoint"] for run in bot.runs()} == {"mcp"}
    assert len(bot.runs()) == 1


async def test_a_run_that_fails_is_an_error(sympozium_cluster: Cluster, namespace: str) -> None:
    bot = closed(sympozium_cluster, namespace)
    async with client(bot) as mcp:
        failed = await mcp.call_tool("ask", {"task": "Fail."})
    assert failed.is_error
    assert "allowEventBus" in result_text(failed)


async def test_a_client_that_goes_away_ends_its_run(bot: Endpoint) -> None:
    async with client(bot) as mcp:
        call = asyncio.ensure_future(mcp.call_tool("ask", {"task": "Slow."}))
        await asyncio.to_thread(until, lambda: len(bot.runs()) == 1, "the run is made")
        call.cancel()
    await asyncio.to_thread(
        until, lambda: phase(bot.runs()[0]) == "Cancelled", "the run is cancelled", timeout=60
    )


async def test_without_its_key_there_is_no_server(bot: Endpoint) -> None:
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
        answer = await http.post(f"{bot.url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
