"""What the tool server adds to a call: from its arrival to its answer, with a tool that does nothing and a bus that acks at once.

The journal is on a real disk and synced: two synced commits for each call. The model's list of tools is that of a run
with a shell; the policy has ten rules of which none is about the call.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.table import head, row
from sympozium.api.policy import PolicySpec
from sympozium.api.runconfig import PolicyFile, PolicyLayer, RunRef, ToolsConfigFile
from sympozium.shell.client import ShellClient
from sympozium.tools.approvals import Approvals
from sympozium.tools.asked import Asked
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

_CALLS = 2000
_WARM = 50
_BOUND = 5.0


class Record:
    """A bus that has everything at once."""

    async def publish(self, kind: str, data: Mapping[str, Any]) -> int:  # noqa: ARG002
        return 1

    async def request_approval(self, data: Mapping[str, Any]) -> int:  # noqa: ARG002
        return 1


class Nothing(Builtin):
    """Does nothing, at once."""

    async def call(self, asked: Asked, *, expect: str | None = None) -> tuple[str, bool]:
        return f"{asked.tool}: done" if expect is None else "", False


def config() -> ToolsConfigFile:
    rules = [{"tool": f"vendor{number}_*", "action": "deny"} for number in range(10)]
    spec = PolicySpec.model_validate({"toolGating": {"defaultAction": "allow", "rules": rules}})
    layer = PolicyLayer(name="p", generation=1, spec=spec)
    return ToolsConfigFile(
        run=RunRef(namespace="n", name="r", uid="u", instance="i", agent_id="a", session_key="s"),
        policy=PolicyFile(name="p", generation=1, digest="sha256:0", layers=[layer]),
        approval_timeout_seconds=60,
        targets=[],
    )


def calls(directory: Path) -> Calls:
    settings, record, journal = config(), Record(), Journal(directory)
    live = Live(settings, journal)
    catalogue = Catalogue(skills=[], has_shell=True)
    judge = Judge(settings, catalogue, live)
    shell = ShellClient("")
    consent = Consent(
        journal=journal,
        approvals=Approvals(journal, live.news),
        record=record,
        live=live,
        previews=Previews(shell=shell, catalogue=catalogue, judge=judge),
    )
    return Calls(
        config=settings,
        live=live,
        judge=judge,
        catalogue=catalogue,
        builtin=Nothing(shell=shell, judge=judge, live=live, allowed=is_public),
        journal=journal,
        consent=consent,
        record=record,
        requests=Requests(journal, record),
    )


async def milliseconds(directory: Path) -> list[float]:
    made, found = calls(directory), []
    for number in range(_WARM + _CALLS):
        arguments = {"command": "kubectl get pods -n shop", "workdir": "a/b"}
        began = time.perf_counter()
        await made.call(call=f"{number}", tool="execute_command", arguments=arguments)
        found.append((time.perf_counter() - began) * 1000)
    return found[_WARM:]


def main() -> None:
    # Not /tmp, which may be in memory.
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        before = time.process_time()
        found = asyncio.run(milliseconds(Path(directory)))
        cpu = (time.process_time() - before) * 1000 / (_WARM + _CALLS)
    print(head("gate and synced journal of one call", _CALLS))
    print(row("in all", found, "ms"))
    print(row("of that CPU, the start included", [cpu], "ms"))
    print(row("99th percentile", [statistics.quantiles(found, n=100)[98]], "ms", _BOUND))
