"""The sidecar's tools: calls become processes with a deadline, and end when the caller goes away."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import mcp_types as types

from sympozium.mcpsocket import text_result
from sympozium.shell import execute
from sympozium.shell.render import render
from sympozium.skills.k8s_ops.reads import READS, ArgumentError

if TYPE_CHECKING:
    from pathlib import Path

READ_TIMEOUT = 60.0
"""Seconds for one kubectl of a typed read."""

EXECUTE = types.Tool(
    name="execute_command",
    description="Run a shell command here, where kubectl has the rights of the k8s-ops pack.",
    input_schema={
        "type": "object",
        "properties": {
            "command": {"type": "string", "description": "Command line for /bin/sh."},
            "workdir": {"type": "string", "description": "Directory, relative to the workspace."},
            "timeout": {"type": "number", "exclusiveMinimum": 0, "maximum": execute.MAX_TIMEOUT},
        },
        "required": ["command"],
        "additionalProperties": False,
    },
)


class K8sOps:
    """The tools of the pack. `kubectl` is the program, `environment` what it and commands run with."""

    def __init__(self, *, kubectl: str, environment: dict[str, str], workspace: Path) -> None:
        self._kubectl = kubectl
        self._environment = environment
        self._workspace = workspace
        self._reads = {read.name: read for read in READS}

    async def list_tools(self) -> list[types.Tool]:
        reads = [types.Tool(name=r.name, description=r.description, input_schema=r.schema) for r in READS]
        return [*reads, EXECUTE]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], _meta: dict[str, Any]
    ) -> types.CallToolResult:
        """One call. Wrong arguments and failing commands are results with `is_error`, never exceptions."""
        try:
            if name == EXECUTE.name:
                return await self._execute(arguments)
            read = self._reads.get(name)
            if read is None:
                known = ", ".join([*self._reads, EXECUTE.name])
                return text_result(f"k8s-ops has no tool {name!r}; there are {known}", is_error=True)
            argv = [self._kubectl, *read.argv(arguments)]
            return await self._run(argv, cwd="/", seconds=READ_TIMEOUT)
        except ArgumentError as error:
            return text_result(f"{name}: {error}", is_error=True)
        except OSError as error:
            return text_result(f"{name} could not be started: {error}", is_error=True)

    async def _execute(self, arguments: dict[str, Any]) -> types.CallToolResult:
        command = arguments.get("command")
        if not isinstance(command, str) or not command.strip():
            raise ArgumentError("command is missing; give a command line")
        timeout = float(arguments.get("timeout") or execute.DEFAULT_TIMEOUT)
        if not 0 < timeout <= execute.MAX_TIMEOUT:
            raise ArgumentError(
                f"timeout is {timeout}; it must be above 0 and at most {execute.MAX_TIMEOUT} seconds"
            )
        # A pack without mountWorkspace has no workspace: then commands start in HOME.
        base = self._workspace if self._workspace.is_dir() else self._environment["HOME"]
        directory = str(base / str(arguments.get("workdir") or ".") if not isinstance(base, str) else base)
        return await self._run(["/bin/sh", "-c", command], cwd=directory, seconds=timeout)

    async def _run(self, argv: list[str], *, cwd: str, seconds: float) -> types.CallToolResult:
        """Run in a thread; cancelling this coroutine hangs up on it, which kills the process group."""
        ours, theirs = socket.socketpair()
        with ours:
            result = await asyncio.to_thread(self._blocking, argv, cwd, seconds, theirs)
        text, failed = render(result)
        return text_result(text, is_error=failed)

    def _blocking(self, argv: list[str], cwd: str, seconds: float, peer: socket.socket) -> dict[str, Any]:
        with peer:
            return execute.run(argv, cwd=cwd, env=self._environment, timeout=seconds, peer=peer)
