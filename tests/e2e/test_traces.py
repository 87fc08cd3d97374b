"""The trace of a run, at a collector: one tree from whoever caused it to the tools of its sub-agents."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from collector import Collector, Seen
from e2e.support import agent, decide, finished, policy, run
from sympozium.testing import AGENT_RUN, Cluster, ScriptedModel
from sympozium.testing.waiting import until
from sympozium.up.state import read

TRACE, CAUSE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "canary-that-nobody-traces"
SCRIPT = {
    "banner": False,
    "models": ["scripted"],
    "rules": [
        {
            "name": "boss",
            "match": {"task": "^boss"},
            "steps": [
                {"id": "ask", "call": [{"tool": "spawn_agent", "arguments": {"task": f"helper {SECRET}"}}]},
                {"id": "end", "say": f"done {SECRET}"},
            ],
        },
        {
            "name": "helper",
            "match": {"task": "^helper"},
            "steps": [
                {
                    "id": "run",
                    "call": [{"tool": "execute_command", "arguments": {"command": f"echo {SECRET}"}}],
                },
                {"id": "end", "say": "helped"},
            ],
        },
    ],
}
ASK = {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as found:
        yield found


def traced(cluster: Cluster, namespace: str, model: ScriptedModel, port: int) -> None:
    named = {"denyAll": False, "allowedEgress": [{"host": "127.0.0.1", "port": port}]}
    policy(cluster, namespace, toolGating=ASK, networkPolicy=named)
    wanted = {"enabled": True, "otlpEndpoint": f"http://127.0.0.1:{port}", "serviceName": "trace-test"}
    agent(cluster, namespace, model.base_url, observability=wanted)


def begin(cluster: Cluster, namespace: str, task: str) -> None:
    cluster.create(
        {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "AgentRun",
            "metadata": {
                "name": "run",
                "namespace": namespace,
                "annotations": {"sympozium.ai/traceparent": f"00-{TRACE}-{CAUSE}-01"},
            },
            "spec": {"instanceRef": "agent", "task": task, "cleanup": "keep"},
        }
    )


def one(spans: list[Seen], name: str) -> Seen:
    found = [span for span in spans if span.name == name]
    assert len(found) == 1, (name, [span.name for span in spans])
    return found[0]


def beneath(spans: list[Seen], parent: Seen) -> list[Seen]:
    return [span for span in spans if span.parent == parent.id]


def names(spans: list[Seen]) -> list[str]:
    return sorted(span.name for span in spans)


def test_one_trace_from_its_cause_to_the_tools_of_a_sub_agent(
    sympozium_cluster: Cluster, namespace: str, collector: Collector
) -> None:
    with ScriptedModel(SCRIPT) as model:
        traced(sympozium_cluster, namespace, model, collector.port)
        begin(sympozium_cluster, namespace, f"boss {SECRET}")
        child = sympozium_cluster.wait_any(
            AGENT_RUN, lambda r: r["metadata"]["name"] != "run", namespace, timeout=90
        )["metadata"]["name"]
        decide(sympozium_cluster, namespace, "Approved", run_name=child)
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded", status
    assert status["traceID"] == TRACE
    until(lambda: len(collector.named("run agent")) == 2, "the spans of both runs")
    spans = collector.spans
    assert {span.trace for span in spans} == {TRACE}
    assert len({span.id for span in spans}) == len(spans)
    outer = next(span for span in collector.named("run agent") if span.parent == CAUSE)
    assert names(beneath(spans, outer)) == ["invoke_agent agent", "queue", "start"]
    invoked = next(span for span in beneath(spans, outer) if span.name.startswith("invoke_agent"))
    assert names(beneath(spans, invoked)) == ["chat scripted", "chat scripted", "execute_tool spawn_agent"]
    spawn = one(beneath(spans, invoked), "execute_tool spawn_agent")
    inner = one(beneath(spans, spawn), "run agent")
    helping = next(span for span in beneath(spans, inner) if span.name.startswith("invoke_agent"))
    command = one(beneath(spans, helping), "execute_tool execute_command")
    approval = one(beneath(spans, command), "approval execute_command")
    assert approval.attributes["sympozium.approval.decision"] == "Approved"
    for within, around in ((approval, command), (command, helping), (helping, inner), (invoked, outer)):
        assert around.start <= within.start <= within.end <= around.end, (within.name, around.name)
    assert_conventions(spans, invoked, command)
    assert SECRET not in str(spans), "nothing that was said is in a trace"


def assert_conventions(spans: list[Seen], invoked: Seen, command: Seen) -> None:
    """https://opentelemetry.io/docs/specs/semconv/gen-ai/"""
    assert invoked.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert invoked.attributes["gen_ai.agent.name"] == "agent"
    assert invoked.attributes["gen_ai.usage.input_tokens"] > 0
    assert command.attributes["gen_ai.operation.name"] == "execute_tool"
    assert command.attributes["gen_ai.tool.name"] == "execute_command"
    assert command.attributes["gen_ai.tool.call.id"]
    assert command.attributes["sympozium.gate.action"] == "ask"
    for chat in (span for span in spans if span.name == "chat scripted"):
        assert chat.kind == "client"
        assert chat.attributes["gen_ai.operation.name"] == "chat"
        assert chat.attributes["gen_ai.request.model"] == "scripted"
        assert chat.attributes["gen_ai.usage.output_tokens"] >= 0
        assert chat.resource["service.name"] == "trace-test"


def figures(cluster: Cluster) -> dict[str, float]:
    """What the controllers' /metrics say, without labels."""
    state = read(cluster.data)
    assert state is not None
    port = state.ports["controllers-health"]
    lines = httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=60).text.splitlines()
    found: dict[str, float] = {}
    for line in lines:
        if not line.startswith("#"):
            name = line.partition("{")[0].split()[0]
            found[name] = found.get(name, 0) + float(line.rpartition(" ")[2])
    return found


def test_a_collector_that_is_away_costs_spans_and_nothing_else(
    sympozium_cluster: Cluster, namespace: str, unused_tcp_port: int
) -> None:
    before = figures(sympozium_cluster).get("sympozium_trace_spans_dropped_total", 0)
    with ScriptedModel(SCRIPT) as model:
        traced(sympozium_cluster, namespace, model, unused_tcp_port)
        run(sympozium_cluster, namespace, task="helper x")
        decide(sympozium_cluster, namespace, "Approved")
        status: dict[str, Any] = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded", status
    until(
        lambda: figures(sympozium_cluster).get("sympozium_trace_spans_dropped_total", 0) > before,
        "the dropped spans to be counted", timeout=60,
    )  # fmt: skip


def test_an_endpoint_that_the_policy_does_not_name_is_refused_with_a_condition(
    sympozium_cluster: Cluster, namespace: str, collector: Collector
) -> None:
    policy(sympozium_cluster, namespace)
    with ScriptedModel(SCRIPT) as model:
        wanted = {"enabled": True, "otlpEndpoint": collector.endpoint}
        agent(sympozium_cluster, namespace, model.base_url, observability=wanted)
        run(sympozium_cluster, namespace, task="helper x")
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded", status
    [refused] = [c for c in status["conditions"] if c["type"] == "TracesRefused"]
    assert f"127.0.0.1:{collector.port}" in refused["message"]
    assert collector.paths == []
