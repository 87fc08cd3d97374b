"""A run as its containers make it: real rehearsal, nats-server, tools, shell and agent, without Kubernetes."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.agent_pod import RUN, Pod
from cluster.bus_server import BusServer
from sympozium.bus import messages
from sympozium.bus.admin import Admin

ASK = {"toolGating": {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]}}


def call(tool: str, raw: str | None = None, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, **({"raw": raw} if raw is not None else {"arguments": arguments})}


def script(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"models": ["scripted"], "rules": [{"steps": list(steps)}]}


def run_command(command: str, **more: Any) -> dict[str, Any]:
    return {"id": "go", "say": "I go.", "call": [call("execute_command", command=command, **more)]}


END = {"id": "end", "say": "answer: {{result|head(5)}}"}


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    (tmp_path / "nats").mkdir()
    bus = BusServer(tmp_path / "nats")
    await bus.start()
    admin = await Admin.open(bus.url, bus.keyring)
    await admin.ensure_stream()
    pod = Pod(tmp_path, bus, admin)
    try:
        yield pod
    finally:
        await pod.stop()
        await admin.close()
        bus.stop()


async def decide(pod: Pod, decision: str, *, number: int = 0, **more: Any) -> None:
    async with asyncio.timeout(30):
        while len(asked := await pod.events(messages.APPROVAL_REQUEST)) <= number:
            await asyncio.sleep(0.05)
    request = asked[number]
    data = {"callId": request["callId"], "argsDigest": request["argsDigest"], "decision": decision,
            "decidedBy": "olivia", "scope": "once", "comment": "looked at it", **more}  # fmt: skip
    await pod.admin.tell(RUN, messages.APPROVAL_DECIDED, data, once=f"{request['callId']}-{decision}")


async def test_a_run_from_its_start_to_its_result(pod: Pod) -> None:
    await pod.start(script(
        {"id": "w", "say": "Two at once.", "call": [call("write_file", path="a", content="one\n"), call("read_file", path="a")]},
        run_command("cat a; pwd"), END,
    ))  # fmt: skip
    message = await pod.end()
    assert (message["phase"], message["reason"]) == ("Succeeded", "Completed")
    assert message["result"] == f"answer: one\n{pod.workspace}"
    kinds = [s.message.type for s in await pod.transcript()]
    assert kinds.pop(0) == "policy.applied"
    assert kinds == [
        "run.started",
        "step.started", "model.message", "tool.intent", "tool.outcome", "tool.intent", "tool.outcome",
        "step.started", "model.message", "tool.intent", "tool.outcome",
        "step.started", "model.message", "run.result",
    ]  # fmt: skip
    (started,) = await pod.events("run.started")
    assert (started["model"], started["provider"]) == ("scripted", "scripted")
    assert "execute_command" in started["tools"]
    (result,) = await pod.events("run.result")
    assert (result["phase"], result["steps"], result["result"]) == ("Succeeded", 3, message["result"])
    assert result["usage"]["inputTokens"] > 0
    ids = [c["id"] for m in await pod.events("model.message") for c in m["toolCalls"]]
    assert ids == [i["callId"] for i in await pod.events("tool.intent")]
    log = pod.log("agent")
    assert "-> execute_command" in log
    assert "-- Succeeded: Completed, 3 steps" in log


async def test_the_bus_is_killed_in_the_middle_and_nothing_is_lost(pod: Pod) -> None:
    steps = [run_command(f"echo {n} >> log; cat log") | {"id": f"s{n}"} for n in range(4)]
    held = {"id": "held", "call": [call("execute_command", command="while [ ! -e go ]; do sleep 0.05; done")]}
    await pod.start(script(steps[0], held, *steps[1:], END))
    await pod.until("tool.intent", 2)
    pod.bus.kill()
    (pod.workspace / "go").touch()  # the run meets a bus that is not there
    await asyncio.sleep(0)
    await pod.bus.start()
    assert (await pod.end())["result"] == "answer: 0\n1\n2\n3"
    kinds = [s.message.type for s in await pod.transcript()]
    assert kinds.count("tool.intent") == kinds.count("tool.outcome") == 5
    assert kinds.count("step.started") == kinds.count("model.message") == 6
    assert kinds[-1] == "run.result"


async def test_tools_killed_in_the_middle_of_a_command(pod: Pod) -> None:
    """The call is interrupted, reported so, and not made a second time."""
    await pod.start(script(run_command("echo x >> log; sleep 600"), END))
    async with asyncio.timeout(30):
        while not (pod.workspace / "log").exists():
            await asyncio.sleep(0.02)
    pod.processes["tools"].kill()
    await pod.processes["tools"].wait()
    await pod.start_tools()
    message = await pod.end()
    assert message["phase"] == "Succeeded"
    assert "may or may not have happened" in message["result"]
    assert (pod.workspace / "log").read_text() == "x\n"
    (outcome,) = await pod.events("tool.outcome")
    assert outcome["summary"].startswith("interrupted")


async def test_a_person_approves(pod: Pod) -> None:
    await pod.start(script(run_command("echo changed > it; cat it"), END), **ASK)
    await pod.until("tool.approval")
    assert not (pod.workspace / "it").exists()
    await decide(pod, "Approved")
    assert (await pod.end())["result"] == "answer: changed"
    assert [a["state"] for a in await pod.events("tool.approval")] == ["waiting", "Approved"]


async def test_a_person_denies(pod: Pod) -> None:
    await pod.start(script(run_command("echo changed > it"), END), **ASK)
    await decide(pod, "Denied")
    assert "denied by olivia: looked at it" in (await pod.end())["result"]
    assert not (pod.workspace / "it").exists()


async def test_a_decision_for_other_arguments_does_not_count(pod: Pod) -> None:
    await pod.start(script(run_command("echo changed > it"), END), **ASK)
    await decide(pod, "Approved", argsDigest="sha256:" + "0" * 64)
    await decide(pod, "Expired", decidedBy="", comment="nobody decided")
    assert "expired" in (await pod.end())["result"]
    assert not (pod.workspace / "it").exists()


async def test_tools_killed_while_a_person_thinks(pod: Pod) -> None:
    await pod.start(script(run_command("echo x >> log; cat log"), END), **ASK)
    await pod.until("tool.approval")
    pod.processes["tools"].kill()
    await pod.processes["tools"].wait()
    await decide(pod, "Approved")  # while nobody listens
    await pod.start_tools()
    assert (await pod.end())["result"] == "answer: x"
    assert (pod.workspace / "log").read_text() == "x\n"
    assert len(await pod.events("tool.intent")) == 1


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "undeclared tool": (call("launch_rocket", where="moon"), "launch_rocket"),
    "broken schema": (call("read_file", path=["a"]), "path"),
    "broken JSON": (call("read_file", raw='{"path": "a'), "JSON"),
    "no object": (call("read_file", raw="[1]"), "must be a JSON object"),
    "5 MB of arguments": (call("read_file", path={"repeat": "x", "times": 5_000_000}), "too large"),
    "a path outside": (call("read_file", path="/etc/passwd"), "outside the workspace"),
    "a private address": (call("fetch_url", url="http://127.0.0.1:1/"), "not of the public internet"),
}


async def test_hostile_calls_are_tool_errors_and_the_record_shows_them(pod: Pod) -> None:
    steps = [{"id": f"s{n}", "call": [bad]} for n, (bad, _) in enumerate(HOSTILE.values())]
    await pod.start(script(*steps, END), max_steps=len(steps) + 1)
    assert (await pod.end())["phase"] == "Succeeded"
    outcomes = await pod.events("tool.outcome")
    for outcome, (_, says) in zip(outcomes, HOSTILE.values(), strict=True):
        assert outcome["isError"] is True
        assert says in outcome["summary"]
    assert len(json.dumps(await pod.events())) < 100_000


async def test_a_model_that_never_stops_calling_tools(pod: Pod) -> None:
    again = {"id": "again", "call": [call("list_directory", path=".")], "next": [{"goto": "again"}]}
    await pod.start(script(again), max_steps=6)
    message = await pod.end()
    assert (message["phase"], message["reason"]) == ("Failed", "StepLimit")
    (result,) = await pod.events("run.result")
    assert result["steps"] == 6
    assert "6 steps" in result["error"]


async def test_an_endpoint_that_stumbles_is_asked_again(pod: Pod) -> None:
    await pod.start(script(
        run_command("echo once >> log; cat log") | {"fault": {"status": 503, "times": 1, "retryAfter": 0}},
        {"id": "end", "say": "a long answer that breaks, {{result}}", "fault": {"breakAfter": 2, "times": 1}},
    ))  # fmt: skip
    assert (await pod.end())["result"] == "a long answer that breaks, once"
    assert (pod.workspace / "log").read_text() == "once\n"


async def test_an_endpoint_that_refuses(pod: Pod) -> None:
    await pod.start(script({"say": "x", "fault": {"status": 401, "times": 99, "message": "no such key"}}))
    message = await pod.end()
    assert (message["phase"], message["reason"]) == ("Failed", "ModelError")
    assert "no such key" in message["error"]
    assert "OPENAI_API_KEY" in message["error"]


async def test_a_stopped_run_says_so(pod: Pod) -> None:
    await pod.start(script(run_command("touch on; sleep 600"), END))
    async with asyncio.timeout(30):
        while not (pod.workspace / "on").exists():
            await asyncio.sleep(0.02)
    pod.processes["agent"].send_signal(signal.SIGTERM)
    message = await pod.end()
    assert (message["phase"], message["reason"]) == ("Failed", "Cancelled")
    assert (await pod.events("run.result"))[0]["reason"] == "Cancelled"
    pod.processes["tools"].terminate()
    await pod.processes["tools"].wait()
    (outcome,) = await pod.events("tool.outcome")
    assert "cancelled" in outcome["summary"]


async def test_a_run_that_is_stopped_while_the_bus_is_away_says_so_in_the_termination_message(
    pod: Pod,
) -> None:
    await pod.start(script(run_command("touch on; sleep 600"), END))
    async with asyncio.timeout(30):
        while not (pod.workspace / "on").exists():
            await asyncio.sleep(0.02)
    pod.bus.kill()
    pod.processes["agent"].send_signal(signal.SIGTERM)
    assert (await pod.end())["reason"] == "Cancelled"
    await pod.bus.start()
    assert await pod.events("run.result") == []


async def test_a_run_that_takes_too_long(pod: Pod) -> None:
    await pod.start(script(run_command("sleep 600"), END), run_timeout=2)
    assert (await pod.end())["reason"] == "Timeout"


async def test_cancel_by_control_ends_the_running_call(pod: Pod) -> None:
    await pod.start(script(run_command("touch on; sleep 600"), run_command("touch two") | {"id": "two"}, END))
    async with asyncio.timeout(30):
        while not (pod.workspace / "on").exists():
            await asyncio.sleep(0.02)
    await pod.admin.tell(RUN, messages.RUN_CANCEL, {"reason": "olivia stops it"}, once="cancel")
    assert (await pod.end())["result"].startswith(
        "answer: error: denied: no tool runs any more: olivia stops it"
    )
    assert not (pod.workspace / "two").exists()


async def test_the_skill_is_offered_and_is_a_target_of_commands(pod: Pod) -> None:
    await pod.start(
        script(
            {"id": "get", "call": [call("kubectl_get", resource="--all")]},
            run_command("kubectl version --client -o json", target="k8s-ops"),
            {"id": "end", "say": "{{result_of_get|head(1)}} {{result|head(30)}}"},
        ),
        skill=True,
    )
    result = (await pod.end())["result"]
    assert "resource is '--all'" in result
    assert "gitVersion" in result
    assert [i["target"] for i in await pod.events("tool.intent")] == ["k8s-ops", "k8s-ops"]


async def test_tools_know_no_model_key_and_shell_nothing(pod: Pod) -> None:
    await pod.start(script(run_command("env; cat /proc/$PPID/environ | tr '\\0' '\\n'"), END))
    assert (await pod.end())["phase"] == "Succeeded"
    (outcome,) = await pod.events("tool.outcome")
    assert "sk-canary" not in outcome["summary"]
    environ = Path(f"/proc/{pod.processes['tools'].pid}/environ").read_bytes()
    assert b"sk-canary" not in environ


async def test_a_policy_that_changes_binds_the_next_call_also_after_a_kill(pod: Pod) -> None:
    hold = "touch on; while [ ! -e go ]; do sleep 0.05; done"
    await pod.start(script(run_command(hold), run_command("touch two") | {"id": "two"}, END))
    async with asyncio.timeout(30):
        while not (pod.workspace / "on").exists():
            await asyncio.sleep(0.02)
    deny = {"toolGating": {"defaultAction": "deny", "rules": []}}
    policy = {
        "name": "p",
        "generation": 2,
        "digest": "sha256:" + "2" * 64,
        "layers": [{"name": "p", "spec": deny}],
    }
    data = {"policy": policy, "toolPolicies": [], "approvalTimeoutSeconds": 60.0}
    await pod.admin.tell(RUN, messages.POLICY_CHANGED, data, once="changed")
    applied = await pod.until("policy.applied", 2)
    assert applied[1]["generation"] == 2
    pod.processes["tools"].kill()
    await pod.processes["tools"].wait()
    await pod.start_tools()
    assert (await pod.until("policy.applied", 3))[2] == applied[1]
    message = await pod.end()
    assert "denied: policy p denies execute_command" in message["result"]
    assert not (pod.workspace / "two").exists()


async def test_a_frozen_run_does_nothing_until_it_goes_on(pod: Pod) -> None:
    hold = "touch on; while [ ! -e go ]; do sleep 0.05; done"
    await pod.start(script(run_command(hold), run_command("echo two | tee two") | {"id": "two"}, END))
    async with asyncio.timeout(30):
        while not (pod.workspace / "on").exists():
            await asyncio.sleep(0.02)
    await pod.admin.tell(RUN, messages.RUN_FREEZE, {"frozen": True, "reason": "look"}, once="freeze")
    (frozen,) = await pod.until("run.frozen")
    assert [call["tool"] for call in frozen["inFlight"]] == ["execute_command"]
    (pod.workspace / "go").touch()
    await pod.until("tool.outcome")
    pod.processes["tools"].kill()  # the freeze outlives it
    await pod.processes["tools"].wait()
    await pod.start_tools()
    await pod.until("policy.applied", 2)
    assert len(await pod.events("step.started")) == 1
    await pod.admin.tell(RUN, messages.RUN_FREEZE, {"frozen": False, "reason": "go"}, once="thaw")
    assert (await pod.end())["result"] == "answer: two"
    assert (await pod.events("run.frozen"))[1] == {"frozen": False, "inFlight": []}
