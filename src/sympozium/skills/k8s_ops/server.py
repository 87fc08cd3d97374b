"""The sidecar's tools: calls become processes with a deadline, and end when the caller goes away."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

from sympozium.mcpsocket import text_result, types
from sympozium.shell import execute
from sympozium.shell.render import render
from sympozium.skills.k8s_ops import preview
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


PREVIEW = types.Tool(
    name="sympozium_preview",
    description="Say what a call would do, without doing it. For the tool server (docs/previews.md).",
    input_schema={
        "type": "object",
        "properties": {"tool": {"type": "string"}, "arguments": {"type": "object"}},
        "required": ["tool", "arguments"],
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
        return [*reads, EXECUTE, PREVIEW]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], _meta: dict[str, Any]
    ) -> types.CallToolResult:
        """One call. Wrong arguments and failing commands are results with `is_error`, never exceptions."""
        try:
            if name == EXECUTE.name:
                return await self._execute(arguments)
            if name == PREVIEW.name:
                return await self._preview(arguments)
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
        directory = self._directory(arguments)
        return await self._run(["/bin/sh", "-c", command], cwd=directory, seconds=timeout)

    async def _preview(self, arguments: dict[str, Any]) -> types.CallToolResult:
        """What a command would change. Of the typed tools there is nothing to say: they read."""
        inner = arguments.get("arguments")
        if arguments.get("tool") != EXECUTE.name or not isinstance(inner, dict):
            answer: dict[str, Any] = {"kind": "none", "problem": "the tool only reads"}
        else:
            directory = self._directory(inner)

            async def run(argv: list[str]) -> dict[str, Any]:
                return await self._result(
                    [self._kubectl, *argv],
                    cwd=directory,
                    seconds=preview.SECONDS,
                    max_output=preview.MAX_OUTPUT,
                    # A file that an earlier command may have left must not add flags to ours.
                    environment={**self._environment, "KUBECTL_KUBERC": "false"},
                )

            try:
                answer = await preview.preview(str(inner.get("command") or ""), run)
            except (ValueError, KeyError) as error:
                answer = {"kind": "none", "problem": f"the dry run cannot be read: {error}"}
        return text_result(json.dumps(answer))

    def _directory(self, arguments: dict[str, Any]) -> str:
        """Where a command starts: in HOME when the pack does not mount the workspace."""
        if not self._workspace.is_dir():
            return self._environment["HOME"]
        return str(self._workspace / str(arguments.get("workdir") or "."))

    async def _run(self, argv: list[str], *, cwd: str, seconds: float) -> types.CallToolResult:
        text, failed = render(await self._result(argv, cwd=cwd, seconds=seconds))
        return text_result(text, is_error=failed)

    async def _result(
        self,
        argv: list[str],
        *,
        cwd: str,
        seconds: float,
        max_output: int = execute.DEFAULT_OUTPUT,
        environment: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Run in a thread; cancelling this coroutine hangs up on it, which kills the process group."""
        ours, theirs = socket.socketpair()

        def blocking() -> dict[str, Any]:
            with theirs:
                return execute.run(
                    argv, cwd=cwd, env=environment or self._environment, timeout=seconds,
                    max_output=max_output, peer=theirs,
                )  # fmt: skip

        with ours:
            return await asyncio.to_thread(blocking)
