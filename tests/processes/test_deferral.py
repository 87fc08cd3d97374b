"""What a start does not pay for, in processes of their own."""

import subprocess
import sys

import pytest

from sympozium.deferral import defer, deferred

MCP = """
import sympozium.mcpsocket, mcp.client.session, sys
from sympozium.deferral import deferred
assert deferred("mcp") and deferred("mcp.client") and deferred("mcp.server")
assert "mcp.server.mcpserver" not in sys.modules
from mcp import Client
assert Client.__module__ == "mcp.client.client"
assert not deferred("mcp")
"""

MODELS = """
import sympozium.mcpsocket, pydantic
from mcp_types import CallToolResult, TextContent
from mcp_types.methods import parse_client_request
assert not CallToolResult.__pydantic_complete__
assert CallToolResult(content=[TextContent(type="text", text="x")]).content[0].text == "x"
assert CallToolResult.__pydantic_complete__
assert parse_client_request("tools/call", "2025-11-25", {"name": "x"}).params.name == "x"

class Ours(pydantic.BaseModel):
    field: int

assert Ours.__pydantic_complete__
"""

OPENAI = """
import asyncio, sys
from sympozium.deferral import deferred
from sympozium.agent.sdk import openai

async def ask():
    client = openai.AsyncOpenAI(base_url="http://127.0.0.1:9", api_key="none", max_retries=0)
    try:
        await client.chat.completions.create(model="m", messages=[], stream=True)
    except openai.APIConnectionError:
        return
    raise AssertionError("somebody answers")

asyncio.run(ask())
assert deferred("openai.types") and deferred("openai.types.responses")
assert "openai.types.responses.response" not in sys.modules
from openai.types.responses import Response
from openai.types import Batch
assert openai.types.Batch is Batch and not deferred("openai.types")
"""


@pytest.mark.parametrize(
    "module",
    [
        "sympozium.agent.toolbox",
        "sympozium.tools.__main__",
        "sympozium.tools.skills",
        "sympozium.tools.builtin",
        "sympozium.skills.k8s_ops.__main__",
        "sympozium.skills.k8s_ops.server",
    ],
)
def test_no_process_of_a_run_imports_all_of_an_sdk(module: str) -> None:
    """Whichever module of it comes first."""
    code = f"""
import {module}, sys
from sympozium.deferral import deferred
import mcp.client.session
assert deferred("mcp") and deferred("mcp.client") and deferred("mcp.server")
from mcp_types import CallToolResult
assert not CallToolResult.__pydantic_complete__
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("code", [MCP, MODELS, OPENAI], ids=["mcp", "models", "openai"])
def test_what_an_sdk_gathers_is_imported_when_somebody_asks_for_it(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(ImportError, match=r"no_such_package\.inner is not installed"):
        defer("no_such_package.inner")
    assert not deferred("no_such_package.inner")


def test_what_is_imported_stays() -> None:
    defer("pytest")
    assert not deferred("pytest")
