"""A run as its containers make it: real rehearsal, nats-server, tools, shell and agent, without Kubernetes."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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


@asynccontextmanager
async def one_pod(directory: Path) -> AsyncIterator[Pod]:
    (directory / "nats").mkdir()
    bus = BusServer(directory / "nats")
    await bus.start()
    admin = await Admin.open(bus.url, bus.keyring)
    await admin.ensure_stream()
    pod = Pod(directory, bus, admin)
    try:
        yield pod
    finally:
        await pod.stop()
        await admin.close()
        bus.stop()


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    async with one_pod(tmp_path) as pod:
        yield pod


async def there(path: Path) -> None:
    async with asyncio.timeout(60):
        while not path.exists():
            await asyncio.sleep(0.02)


async def kill_tools(pod: Pod) -> None:
    pod.processes["tools"].kill()
    await pod.processes["tools"].wait()


async def asked(pod: Pod, number: int) -> dict[str, Any]:
    """The request to people with that number, from 0."""
    async with asyncio.timeout(60):
        while len(found := await pod.events(messages.APPROVAL_REQUEST)) <= number:
            await asyncio.sleep(0.05)
    return found[number]


async def decide(pod: Pod, decision: str, *, number: int, **more: Any) -> None:
    request = await asked(pod, number)
    data = {"callId": request["callId"], "argsDigest": request["argsDigest"], "decision": decision,
            "decidedBy": "olivia", "scope": "once", "comment": "looked at it", **more}  # fmt: skip
    await pod.admin.tell(RUN, messages.APPROVAL_DECIDED, data, once=f"{request['callId']}-{decision}")


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "undeclared tool": (call("launch_rocket", where="moon"), "launch_rocket"),
    "broken schema": (call("read_file", path=["a"]), "path"),
    "broken JSON": (call("read_file", raw='{"path": "a'), "JSON"),
    "no object": (call("read_file", raw="[1]"), "must be a JSON object"),
    "a path outside": (call("read_file", path="/etc/passwd"), "outside the workspace"),
    "a private address": (call("fetch_url", url="http://127.0.0.1:1/"), "not of the public internet"),
    "5 MB of arguments": (call("read_file", path={"repeat": "x", "times": 5_000_000}), "too large"),
}

WHOLE = [
    {"id": "w", "say": "Two at once.", "call": [call("write_file", path="a", content="one\n"), call("read_file", path="a")]},
    run_command("cat a; pwd") | {"id": "cat"},
    run_command("echo once >> log; cat log") | {"id": "once", "fault": {"status": 503, "times": 1, "retryAfter": 0}},
    run_command("env; cat /proc/$PPID/environ | tr '\\0' '\\n'") | {"id": "env"},
    {"id": "get", "call": [call("kubectl_get", resource="--all")]},
    run_command("kubectl version --client -o json", target="k8s-ops") | {"id": "version"},
    *({"id": f"s{n}", "call": [bad]} for n, (bad, _) in enumerate(HOSTILE.values())),
    {"id": "end", "say": "answer: {{result_of_cat|head(5)}}, {{result_of_once}}, {{result_of_get|head(1)}} {{result_of_version|head(30)}}",
     "fault": {"breakAfter": 2, "times": 1}},
]  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """What is left of a run."""

    workspace: Path
    message: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    log: str
    environ: bytes
    """Of the tool server."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for found, data in self.events if found == kind]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One run of many steps, of which each test looks at its own."""

    async def run() -> Ended:
        async with one_pod(tmp_path_factory.mktemp("run")) as pod:
            await pod.start(script(*WHOLE), skill=True)
            message = await pod.end()
            events = [(s.message.type, dict(s.message.data)) for s in await pod.transcript()]
            environ = Path(f"/proc/{pod.processes['tools'].pid}/environ").read_bytes()
            return Ended(pod.workspace, message, events, pod.log("agent"), environ)

    return asyncio.run(run())


def test_a_run_from_its_start_to_its_result(ended: Ended) -> None:
    message = ended.message
    assert (message["phase"], message["reason"]) == ("Succeeded", "Completed")
    assert message["result"].startswith(f"answer: one\n{ended.workspace}")
    kinds = [kind for kind, _ in ended.events]
    assert kinds[:12] == [
        "policy.applied", "run.started",
        "step.started", "model.message", "tool.intent", "tool.outcome", "tool.intent", "tool.outcome",
        "step.started", "model.message", "tool.intent", "tool.outcome",
    ]  # fmt: skip
    assert kinds[-3:] == ["step.started", "model.message", "run.result"]
    (started,) = ended.of("run.started")
    assert (started["model"], started["provider"]) == ("scripted", "scripted")
    assert "execute_command" in started["tools"]
    (result,) = ended.of("run.result")
    assert (result["phase"], result["steps"], result["result"]) == (
        "Succeeded",
        len(WHOLE),
        message["result"],
    )
    assert result["usage"]["inputTokens"] > 0
    ids = [c["id"] for m in ended.of("model.message") for c in m["toolCalls"]]
    assert ids == [i["callId"] for i in ended.of("tool.intent")]
    assert "-> execute_command" in ended.log
    assert f"-- Succeeded: Completed, {len(WHOLE)} steps" in ended.log


def test_an_endpoint_that_stumbles_is_asked_again(ended: Ended) -> None:
    """With 503 before a call, and in the middle of the last answer."""
    assert ", once, " in ended.message["result"]
    assert (ended.workspace / "log").read_text() == "once\n"


def test_tools_know_no_model_key_and_shell_nothing(ended: Ended) -> None:
    (outcome,) = [o for o in ended.of("tool.outcome") if "PATH=" in o["summary"]]
    assert "sk-canary" not in outcome["summary"]
    assert b"PATH=" in ended.environ
    assert b"sk-canary" not in ended.environ


def test_the_skill_is_offered_and_is_a_target_of_commands(ended: Ended) -> None:
    assert "resource is '--all'" in ended.message["result"]
    assert "gitVersion" in ended.message["result"]
    assert [i["tool"] for i in ended.of("tool.intent") if i["target"] == "k8s-ops"] == ["kubectl_get", "execute_command"]  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_calls_are_tool_errors_and_the_record_shows_them(ended: Ended, case: str) -> None:
    outcome = ended.of("tool.outcome")[-len(HOSTILE) :][list(HOSTILE).index(case)]
    assert outcome["isError"] is True
    assert HOSTILE[case][1] in outcome["summary"]


def test_the_record_of_hostile_calls_is_small(ended: Ended) -> None:
    assert len(json.dumps(ended.events)) < 100_000


async def test_what_people_decide(pod: Pod) -> None:
    """Approved; denied; approved for other arguments, which does not count; approved while the tool server is away."""
    commands = {"yes": "echo changed > it; cat it", "no": "echo changed > denied", "other": "echo changed > other",
                "away": "echo x >> log; cat log"}  # fmt: skip
    steps = [run_command(command) | {"id": name} for name, command in commands.items()]
    say = "\n".join(f"{name}: {{{{result_of_{name}}}}}" for name in commands)
    await pod.start(script(*steps, {"id": "end", "say": say}), **ASK)
    await asked(pod, 0)
    assert not (pod.workspace / "it").exists()
    await decide(pod, "Approved", number=0)
    await decide(pod, "Denied", number=1)
    await decide(pod, "Approved", number=2, argsDigest="sha256:" + "0" * 64)
    await decide(pod, "Expired", number=2, decidedBy="", comment="nobody decided")
    await asked(pod, 3)
    await kill_tools(pod)
    await decide(pod, "Approved", number=3)  # while nobody listens
    await pod.start_tools()
    answers = (await pod.end())["result"]
    assert "yes: changed\n" in answers
    assert "denied by olivia: looked at it" in answers.partition("no: ")[2].partition("other: ")[0]
    assert "expired" in answers.partition("other: ")[2].partition("away: ")[0]
    assert answers.endswith("away: x")
    assert sorted(path.name for path in pod.workspace.iterdir()) == ["it", "log"]
    assert (pod.workspace / "log").read_text() == "x\n"
    states = [a["state"] for a in await pod.events("tool.approval")]
    assert states[:6] == ["waiting", "Approved", "waiting", "Denied", "waiting", "Expired"]
    assert states[-1] == "Approved"
    assert len(await pod.events("tool.intent")) == len(commands)


async def test_frozen_governed_and_cancelled_with_tools_killed_in_between(pod: Pod) -> None:
    """Frozen: nothing until it goes on. A changed policy binds the next call. Both outlive the tool server. Cancelled: no more.

    A call that a kill interrupts is reported so, and not made a second time.
    """
    hold = "touch on; while [ ! -e go ]; do sleep 0.05; done"
    await pod.start(script(
        run_command(hold) | {"id": "frozen"},
        run_command("echo two | tee two") | {"id": "two"},
        run_command("echo x >> log; sleep 600") | {"id": "killed"},
        {"id": "refused", "call": [call("write_file", path="three", content="x")]},
        run_command("touch four; sleep 600") | {"id": "ended"},
        run_command("touch five") | {"id": "five"},
        {"id": "end", "say": "{{result_of_two}}\nkilled: {{result_of_killed}}\nrefused: {{result_of_refused}}\nend: {{result}}"},
    ))  # fmt: skip
    await there(pod.workspace / "on")
    await pod.admin.tell(RUN, messages.RUN_FREEZE, {"frozen": True, "reason": "look"}, once="freeze")
    (frozen,) = await pod.until("run.frozen")
    assert [call["tool"] for call in frozen["inFlight"]] == ["execute_command"]
    (pod.workspace / "go").touch()
    await pod.until("tool.outcome")
    await kill_tools(pod)  # the freeze outlives it
    await pod.start_tools()
    await pod.until("policy.applied", 2)
    assert len(await pod.events("step.started")) == 1
    await pod.admin.tell(RUN, messages.RUN_FREEZE, {"frozen": False, "reason": "go"}, once="thaw")

    await there(pod.workspace / "log")
    assert (await pod.events("run.frozen"))[1] == {"frozen": False, "inFlight": []}
    rules = [{"tool": "write_file", "action": "deny"}]
    spec = {"toolGating": {"defaultAction": "allow", "rules": rules}}
    policy = {
        "name": "p",
        "generation": 2,
        "digest": "sha256:" + "2" * 64,
        "layers": [{"name": "p", "spec": spec}],
    }
    data = {"policy": policy, "toolPolicies": [], "approvalTimeoutSeconds": 60.0}
    await pod.admin.tell(RUN, messages.POLICY_CHANGED, data, once="changed")
    applied = await pod.until("policy.applied", 3)
    assert applied[2]["generation"] == 2
    await kill_tools(pod)
    await pod.start_tools()
    assert (await pod.until("policy.applied", 4))[3] == applied[2]

    await there(pod.workspace / "four")
    assert (pod.workspace / "log").read_text() == "x\n"
    await pod.admin.tell(RUN, messages.RUN_CANCEL, {"reason": "olivia stops it"}, once="cancel")
    message = await pod.end()
    assert message["phase"] == "Succeeded"
    two, killed, refused, end = message["result"].split("\n", 3)
    assert two == "two"
    assert "may or may not have happened" in killed
    assert (await pod.events("tool.outcome"))[2]["summary"].startswith("interrupted")
    assert "denied: policy p denies write_file" in refused
    assert end.startswith("end: error: denied: no tool runs any more: olivia stops it")
    assert not {"three", "five"} & {path.name for path in pod.workspace.iterdir()}
    assert (pod.workspace / "log").read_text() == "x\n"


async def test_the_bus_is_killed_in_the_middle_and_nothing_is_lost(pod: Pod) -> None:
    """And a run that is stopped while it is away says so in the termination message."""
    steps = [run_command(f"echo {n} >> log; cat log") | {"id": f"s{n}"} for n in range(4)]
    held = {"id": "held", "call": [call("execute_command", command="while [ ! -e go ]; do sleep 0.05; done")]}
    last = {"id": "last", "call": [call("execute_command", command="touch on; sleep 600")]}
    await pod.start(script(steps[0], held, *steps[1:], last, END))
    await pod.until("tool.intent", 2)
    pod.bus.kill()
    (pod.workspace / "go").touch()  # the run meets a bus that is not there
    await asyncio.sleep(0)
    await pod.bus.start()
    await there(pod.workspace / "on")
    assert (pod.workspace / "log").read_text() == "0\n1\n2\n3\n"
    kinds = [s.message.type for s in await pod.transcript()]
    assert kinds.count("tool.intent") == kinds.count("tool.outcome") + 1 == 6
    assert kinds.count("step.started") == kinds.count("model.message") == 6
    assert kinds[-1] == "tool.intent"
    pod.bus.kill()
    pod.processes["agent"].send_signal(signal.SIGTERM)
    assert (await pod.end())["reason"] == "Cancelled"
    await pod.bus.start()
    assert await pod.events("run.result") == []


async def test_a_stopped_run_says_so(pod: Pod) -> None:
    await pod.start(script(run_command("touch on; sleep 600"), END))
    await there(pod.workspace / "on")
    pod.processes["agent"].send_signal(signal.SIGTERM)
    message = await pod.end()
    assert (message["phase"], message["reason"]) == ("Failed", "Cancelled")
    assert (await pod.events("run.result"))[0]["reason"] == "Cancelled"
    pod.processes["tools"].terminate()
    await pod.processes["tools"].wait()
    (outcome,) = await pod.events("tool.outcome")
    assert "cancelled" in outcome["summary"]


async def test_a_run_that_takes_too_long(pod: Pod) -> None:
    await pod.start(script(run_command("sleep 600"), END), run_timeout=2)
    assert (await pod.end())["reason"] == "Timeout"
