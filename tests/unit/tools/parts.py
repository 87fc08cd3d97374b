"""A tool server's parts on temporary directories; only the bus is a list."""

import asyncio
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sympozium.api.policy import PolicySpec
from sympozium.api.runconfig import PolicyFile, PolicyLayer, RunRef, Target, ToolLimits, ToolsConfigFile
from sympozium.shell.client import ShellClient
from sympozium.shell.server import ShellServer
from sympozium.tools.approvals import Approvals
from sympozium.tools.builtin import Builtin
from sympozium.tools.calls import Calls
from sympozium.tools.catalogue import Catalogue
from sympozium.tools.consent import Consent
from sympozium.tools.fetch import is_public
from sympozium.tools.journal import Journal
from sympozium.tools.judge import Judge
from sympozium.tools.live import Live
from sympozium.tools.previews import Previews
from sympozium.tools.requests import Requests


@dataclass(frozen=True)
class Said:
    type: str
    data: Mapping[str, Any]
    sequence: int = 1


@dataclass
class ListRecord:
    """Record in memory. `down` holds publishing back, as a bus that is away does."""

    events: list[tuple[str, dict]] = field(default_factory=list)
    requests: list[dict] = field(default_factory=list)
    incoming: asyncio.Queue = field(default_factory=asyncio.Queue)
    down: asyncio.Event | None = None

    async def publish(self, kind: str, data: Mapping[str, Any]) -> int:
        if self.down is not None:
            await self.down.wait()
        self.events.append((kind, dict(data)))
        return len(self.events)

    async def publish_delta(self, data: Mapping[str, Any]) -> None:
        self.events.append(("model.delta", dict(data)))

    async def request_approval(self, data: Mapping[str, Any]) -> int:
        self.requests.append(dict(data))
        return len(self.requests)

    async def request(self, kind: str, data: Mapping[str, Any]) -> int:
        self.requests.append({"kind": kind, **data})
        return len(self.requests)

    async def control(self):
        while True:
            yield await self.incoming.get()

    def of(self, kind: str) -> list[dict]:
        return [data for name, data in self.events if name == kind]


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def changed(settings: ToolsConfigFile) -> dict[str, Any]:
    """Data of `policy.changed` for what a config says."""
    return {
        "policy": settings.policy.model_dump(mode="json", by_alias=True),
        "toolPolicies": [p.model_dump(mode="json", by_alias=True) for p in settings.tool_policies],
        "approvalTimeoutSeconds": settings.approval_timeout_seconds,
    }


def config(
    directory: Path,
    *,
    tool_policies=(),
    limits=None,
    timeout: float = 60,
    generation=1,
    digest="sha256:0",
    memory: bool = False,
    **spec,
) -> ToolsConfigFile:
    gating = {"defaultAction": "allow", "rules": []}
    layer = PolicyLayer(
        name="p", generation=generation, spec=PolicySpec.model_validate({"toolGating": gating} | spec)
    )
    return ToolsConfigFile(
        run=RunRef(namespace="ns", name="r", uid="u-1", instance="i", agent_id="a", session_key="s"),
        policy=PolicyFile(name="p", generation=generation, digest=digest, layers=[layer]),
        tool_policies=list(tool_policies),
        approval_timeout_seconds=timeout,
        targets=[Target(name="shell", kind="shell", socket=str(directory / "shell.sock"))],
        memory=memory,
        limits=limits or ToolLimits(),
    )  # fmt: skip


@contextmanager
def shell(directory: Path):
    (directory / "ws").mkdir(exist_ok=True)
    server = ShellServer(
        path=str(directory / "shell.sock"), workspace=str(directory / "ws"), before_command=lambda _: None
    )
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield directory / "ws"
    finally:
        server.stop()
        thread.join(10)
        server.close()


@dataclass
class Parts:
    calls: Calls
    record: ListRecord
    journal: Journal
    approvals: Approvals
    requests: Requests
    live: Live
    judge: Judge


def parts(
    directory: Path,
    settings: ToolsConfigFile,
    *,
    skills=(),
    record: ListRecord | None = None,
    allowed=is_public,
    journal_dir: Path | None = None,
) -> Parts:
    record = record or ListRecord()
    journal = Journal(journal_dir or directory)
    live = Live(settings, journal)
    approvals = Approvals(journal, live.news)
    requests = Requests(journal, record)
    catalogue = Catalogue(skills=skills, has_shell=True, has_memory=settings.memory)
    judge = Judge(settings, catalogue, live)
    client = ShellClient(str(directory / "shell.sock"))
    previews = Previews(shell=client, catalogue=catalogue, judge=judge)
    calls = Calls(
        config=settings,
        live=live,
        judge=judge,
        catalogue=catalogue,
        builtin=Builtin(shell=client, judge=judge, live=live, allowed=allowed),
        journal=journal,
        consent=Consent(
            journal=journal, approvals=approvals, record=record, live=live, previews=previews, grace=0
        ),
        record=record,
        requests=requests,
    )
    return Parts(calls, record, journal, approvals, requests, live, judge)
