"""The containers of a run without a kubelet: the real processes on directories of the test's own."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from cluster.bus_server import BusServer
from sympozium.api.policy import PolicySpec
from sympozium.api.runconfig import (
    AgentConfigFile,
    AgentLimits,
    AgentModel,
    PolicyFile,
    PolicyLayer,
    RunRef as ConfigRun,
    Target,
    ToolsConfigFile,
)
from sympozium.bus.admin import Admin
from sympozium.bus.history import Stored
from sympozium.bus.subjects import RunRef

RUN = RunRef("team", "run", "uid-1")
TERMINAL = 60.0


class Pod:
    """One run. `start` starts rehearsal, shell, tools and agent; `end` waits for the agent."""

    def __init__(self, directory: Path, bus: BusServer, admin: Admin) -> None:
        self.directory = directory
        self.workspace = directory / "ws"
        self.bus = bus
        self.admin = admin
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        for name in ("ws", "agent", "tools", "journal", "bus-agent", "bus-tools"):
            (directory / name).mkdir()

    async def start(
        self, script: dict[str, Any], *, skill: bool = False, max_steps: int = 20,
        approval_timeout: float = 60, run_timeout: float = 120, **policy: Any,
    ) -> None:  # fmt: skip
        (self.directory / "script.yaml").write_text(yaml.safe_dump({"banner": False, **script}))
        for source, credentials in (await self.admin.issue(RUN)).items():
            for name, content in credentials.files().items():
                (self.directory / f"bus-{source}" / name).write_bytes(content)
        rehearsal = await self.spawn(
            "rehearsal", "sympozium.rehearsal", "--script", self.directory / "script.yaml"
        )
        assert rehearsal.stdout is not None
        async with asyncio.timeout(60):
            url = json.loads(await rehearsal.stdout.readline())["url"]
        self._configure(url, max_steps, run_timeout, approval_timeout, skill=skill, policy=policy)
        await self.spawn(
            "shell",
            "sympozium.shell",
            "--socket",
            self.directory / "shell.sock",
            "--workspace",
            self.workspace,
        )
        if skill:
            await self.spawn("skill", "sympozium.skills.k8s_ops", "--socket", self.directory / "skill.sock",
                             "--workspace", self.workspace, KUBECONFIG="/dev/null")  # fmt: skip
        await self.start_tools()
        await self.start_agent()

    def _configure(
        self, url: str, steps: int, run_timeout: float, approval: float, *, skill: bool, policy: Any
    ) -> None:
        run = ConfigRun(
            namespace=RUN.namespace, name=RUN.name, uid=RUN.uid, instance="i", agent_id="i", session_key="s"
        )
        agent = AgentConfigFile(
            run=run, task="Do it.", system_prompt="You are tested.",
            model=AgentModel(provider="scripted", model="scripted", base_url=url),
            limits=AgentLimits(max_steps=steps, timeout_seconds=run_timeout),
        )  # fmt: skip
        (self.directory / "agent/agent.json").write_text(
            agent.model_dump_json(by_alias=True, exclude_none=True)
        )
        spec = PolicySpec.model_validate({"toolGating": {"defaultAction": "allow", "rules": []}} | policy)
        targets = [Target(name="shell", kind="shell", socket=str(self.directory / "shell.sock"))]
        if skill:
            targets.append(Target(name="k8s-ops", kind="skill", socket=str(self.directory / "skill.sock")))
        tools = ToolsConfigFile(
            run=run, policy=PolicyFile(name="p", generation=1, digest="sha256:0", layers=[PolicyLayer(name="p", spec=spec)]),
            approval_timeout_seconds=approval, targets=targets,
        )  # fmt: skip
        (self.directory / "tools/tools.json").write_text(
            tools.model_dump_json(by_alias=True, exclude_none=True)
        )

    async def start_tools(self) -> None:
        await self.spawn("tools", "sympozium.tools", "--run-dir", self.directory / "tools",
                         "--bus-dir", self.directory / "bus-tools", "--socket", self.directory / "tools.sock",
                         "--journal-dir", self.directory / "journal")  # fmt: skip

    async def start_agent(self) -> None:
        await self.spawn("agent", "sympozium.agent", "--run-dir", self.directory / "agent",
                         "--bus-dir", self.directory / "bus-agent", "--socket", self.directory / "tools.sock",
                         "--termination-log", self.directory / "termination", OPENAI_API_KEY="sk-canary")  # fmt: skip

    async def spawn(
        self, name: str, module: str, *arguments: object, **environ: str
    ) -> asyncio.subprocess.Process:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = {"PATH": path, "HOME": str(self.directory), "PYTHONUNBUFFERED": "1", **environ}
        with (self.directory / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *map(str, arguments), env=env,
                stdout=asyncio.subprocess.PIPE if name == "rehearsal" else log, stderr=log,
            )  # fmt: skip
        self.processes[name] = process
        return process

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    async def end(self) -> dict[str, Any]:
        """The termination message of the agent, after its exit code was checked against it."""
        try:
            async with asyncio.timeout(TERMINAL):
                code = await self.processes["agent"].wait()
        except TimeoutError:
            raise AssertionError(f"no end:\n{self.log('agent')}\n{self.log('tools')}") from None
        assert (self.directory / "termination").exists(), self.log("agent")
        message = json.loads((self.directory / "termination").read_bytes())
        assert code == (0 if message["phase"] == "Succeeded" else 1), self.log("agent")
        return message

    async def transcript(self) -> list[Stored]:
        return await self.admin.transcript(RUN)

    async def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Data of the stored events of a type."""
        return [dict(s.message.data) for s in await self.transcript() if kind in (None, s.message.type)]

    async def until(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many events of a type."""
        async with asyncio.timeout(TERMINAL):
            while len(found := await self.events(kind)) < count:
                agent = self.processes["agent"]
                assert agent.returncode is None, self.log("agent") + self.log("tools")
                await asyncio.sleep(0.05)
        return found

    async def stop(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.terminate()
        for process in self.processes.values():
            async with asyncio.timeout(60):
                await process.wait()
