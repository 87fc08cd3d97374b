"""A person decides -> the tool starts, end to end on one machine: API, controller, bus, tool server, shell.

The decision is the patch of the ApprovalRequest's status, as kubectl would make it; the clock starts before it. The
tool is a command that prints the time.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.table import head, row
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, Cluster, ScriptedModel, phase

_DECISIONS = 20
_API = "sympozium.ai/v1alpha1"


def objects(url: str) -> list[dict[str, Any]]:
    gating = {"defaultAction": "ask", "rules": []}
    key = {"OPENAI_API_KEY": "bench", "OPENAI_BASE_URL": url}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bench-key"}, "stringData": key},
        {
            "apiVersion": _API, "kind": "SympoziumPolicy", "metadata": {"name": "bench"},
            "spec": {"toolGating": gating, "networkPolicy": {"denyAll": False}},
        },
        {
            "apiVersion": _API, "kind": "SympoziumInstance", "metadata": {"name": "bench"},
            "spec": {"agents": {"default": {"model": "scripted"}}, "policyRef": "bench", "authRefs": [{"secret": "bench-key"}]},
        },
    ]  # fmt: skip


def script() -> dict[str, Any]:
    tick = {"tool": "execute_command", "arguments": {"command": "date +%s.%N >> times; cat times"}}
    steps = [{"id": f"s{number}", "call": [tick]} for number in range(_DECISIONS)]
    steps.append({"id": "end", "say": "{{result}}"})
    return {"banner": False, "models": ["scripted"], "rules": [{"name": "all", "match": {}, "steps": steps}]}


def milliseconds(cluster: Cluster) -> list[float]:
    decided = []
    for _ in range(_DECISIONS):
        waiting = cluster.wait_any(
            APPROVAL_REQUEST, lambda a: not (a.get("status") or {}).get("decision"), "default"
        )
        cluster.wait(AGENT_RUN, "bench", lambda r: phase(r) == "AwaitingApproval", "default")
        decided.append(time.time())
        name = waiting["metadata"]["name"]
        cluster.patch(
            APPROVAL_REQUEST, name, {"status": {"decision": "Approved"}}, "default", subresource="status"
        )
    run = cluster.wait(
        AGENT_RUN, "bench", lambda r: phase(r) in ("Succeeded", "Failed"), "default", timeout=60
    )
    started = [float(line) for line in run["status"]["result"].split()]
    return [(start - patch) * 1000 for start, patch in zip(started, decided, strict=True)]


def main() -> None:
    with (
        ScriptedModel(script()) as model,
        tempfile.TemporaryDirectory() as directory,
        Cluster(Path(directory)) as cluster,
    ):
        for obj in objects(model.base_url):
            cluster.apply(obj)
        spec = {"instanceRef": "bench", "task": "Tell the time.", "cleanup": "keep"}
        cluster.create({"apiVersion": _API, "kind": "AgentRun", "metadata": {"name": "bench"}, "spec": spec})
        found = milliseconds(cluster)
    print(head("a person decides -> the tool starts", _DECISIONS))
    print(row("end to end", found, "ms", 200))
