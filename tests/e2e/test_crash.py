"""kill -9 in the middle: nothing accepted is lost, nothing is done twice, nothing is left behind."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.support import API, agent, can_write, decide, finished, policy, run, say, transcript
from sympozium.testing import AGENT_RUN, SCHEDULE, Cluster, ScriptedModel, phase
from sympozium.testing.waiting import until
from sympozium.up.processes import start_time
from sympozium.up.state import read

NS = "default"
TALK = say(
    {"id": "one", "say": "First I look.", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]},
    {
        "id": "two",
        "say": "Then I ask.",
        "call": [{"tool": "execute_command", "arguments": {"command": "echo once >> log; cat log"}}],
    },
    {"id": "end", "say": "It says: {{result|head(9)}}"},
)
ASK = {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A control plane of the test's own, since the test kills it."""
    with Cluster(tmp_path / "data") as made:
        yield made


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Outside of the control plane: a gateway does not die with it."""
    with ScriptedModel(TALK) as scripted:
        yield scripted


def _processes_below(root: Path) -> dict[int, str]:
    """Processes that were started for this data directory."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            mounts = (entry / "mountinfo").read_text()
        except OSError:  # gone, or going
            continue
        if int(entry.name) != os.getpid() and (str(root) in line or f"{root}/node" in mounts):
            found[int(entry.name)] = line
    return found


def test_every_process_killed_in_the_middle_of_a_run(cluster: Cluster, model: ScriptedModel) -> None:
    policy(cluster, NS, toolGating=ASK)
    agent(cluster, NS, model.base_url)
    run(cluster, NS)
    cluster.wait(AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", NS)
    uid = cluster.get(AGENT_RUN, "run", NS)["metadata"]["uid"]
    cluster.kill()
    until(lambda: not _processes_below(cluster.data.root), "processes that outlive the kill", timeout=20)
    assert str(cluster.data.root) not in Path("/proc/self/mountinfo").read_text()

    cluster.start()
    after = cluster.get(AGENT_RUN, "run", NS)
    assert after["metadata"]["uid"] == uid
    ended = finished(cluster, NS)
    # The pod's containers are gone for good, and the run has no retries: it says so, and does not hang.
    # Whether the agent could still say that it was stopped depends on who died first.
    assert phase(ended) == "Failed"
    assert ended["status"]["reason"] in ("PodLost", "Cancelled")
    record = transcript(cluster, NS)
    assert "First I look." in record
    assert "Then I ask." in record


def test_a_run_with_retries_goes_on_after_every_process_was_killed(
    cluster: Cluster, model: ScriptedModel
) -> None:
    policy(cluster, NS, toolGating=ASK)
    agent(cluster, NS, model.base_url)
    run(cluster, NS, retries=1)
    cluster.wait(AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", NS)
    cluster.kill()
    cluster.start()
    decide(cluster, NS, "Approved")
    ended = finished(cluster, NS, timeout=150)
    assert phase(ended) == "Succeeded"
    assert ended["status"]["result"].count("once") == 1


def test_a_decision_that_the_lost_attempt_had_taken_holds_for_the_next(cluster: Cluster) -> None:
    """The dead tool server has acknowledged it: the bus alone would never tell the next one."""
    script = say(
        TALK["rules"][0]["steps"][1], {"id": "end", "say": "It says: {{result|head(9)}}", "delay": 3}
    )
    policy(cluster, NS, toolGating=ASK)
    with ScriptedModel(script) as model:
        agent(cluster, NS, model.base_url)
        run(cluster, NS, retries=1)
        decide(cluster, NS, "Approved")
        until(lambda: "once" in transcript(cluster, NS).split("echo once")[-1], "the command to have run")
        cluster.kill()
        cluster.start()
        ended = finished(cluster, NS, timeout=150)
    assert phase(ended) == "Succeeded", ended["status"]
    assert ended["status"]["result"].count("once") == 1
    asked = json.loads(cluster.kubectl("get", "approvalrequests", "-n", NS, "-o", "json"))["items"]
    assert [request["status"]["decision"] for request in asked] == ["Approved"]


@pytest.mark.parametrize("victim", ["controllers", "webhook", "bus", "api"])
def test_one_process_killed_while_the_run_waits(cluster: Cluster, model: ScriptedModel, victim: str) -> None:
    policy(cluster, NS, toolGating=ASK)
    agent(cluster, NS, model.base_url)
    run(cluster, NS)
    cluster.wait(AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", NS)
    before = read(cluster.data)
    assert before is not None
    pid = before.children[victim].pid
    assert pid is not None
    cluster.kill(victim)
    until(lambda: start_time(pid) is None, f"{victim} to be gone")

    def back() -> bool:
        state = read(cluster.data)
        child = state.children[victim] if state else None
        return child is not None and child.pid not in (None, pid)

    until(back, f"{victim} to come back")
    until(lambda: can_write(cluster, NS), "the API to take writes through the webhook", timeout=60)
    decide(cluster, NS, "Approved")
    ended = finished(cluster, NS)
    assert phase(ended) == "Succeeded", ended["status"]
    assert ended["status"]["result"].count("once") == 1
    record = transcript(cluster, NS)
    for part in ("First I look.", "Then I ask.", "It says:"):
        assert record.count(part) >= 1


def test_nats_killed_in_the_middle_of_a_talk(cluster: Cluster) -> None:
    """The bus goes away between two answers of the model and comes back: the whole transcript is there."""
    steps = [
        {
            "id": f"s{n}",
            "say": f"Step number {n}.",
            "call": [{"tool": "list_directory", "arguments": {"path": "."}}],
        }
        for n in range(6)
    ]
    slow = [{**step, "delay": 0.5} for step in steps]
    policy(cluster, NS)
    with ScriptedModel(say(*slow, {"id": "end", "say": "All six."})) as model:
        agent(cluster, NS, model.base_url)
        run(cluster, NS)
        cluster.wait(AGENT_RUN, "run", lambda r: ((r.get("status") or {}).get("steps") or 0) >= 2, NS)
        cluster.kill("bus")
        ended = finished(cluster, NS)
    assert (phase(ended), ended["status"]["result"]) == ("Succeeded", "All six.")
    record = transcript(cluster, NS)
    for n in range(6):
        assert record.count(f"Step number {n}.") == 1


def test_a_tick_that_was_served_makes_no_second_run(cluster: Cluster) -> None:
    policy(cluster, NS)
    with ScriptedModel(say({"say": "tick"})) as model:
        agent(cluster, NS, model.base_url)
        cluster.apply(
            {
                "apiVersion": API,
                "kind": "SympoziumSchedule",
                "metadata": {"name": "often", "namespace": NS},
                "spec": {"instanceRef": "agent", "schedule": "@every 1h", "task": "tick"},
            }
        )
        cluster.patch(SCHEDULE, "often", {"metadata": {"annotations": {"sympozium.ai/fire": "now"}}}, NS)
        fired = cluster.wait(
            SCHEDULE, "often", lambda s: bool((s.get("status") or {}).get("lastRunName")), NS
        )
        name = fired["status"]["lastRunName"]
        finished(cluster, NS, name)
        cluster.kill()
        cluster.start()
        # A second fire proves that the schedule controller is at work again, and looked at the first one.
        cluster.patch(SCHEDULE, "often", {"metadata": {"annotations": {"sympozium.ai/fire": "again"}}}, NS)
        cluster.wait(SCHEDULE, "often", lambda s: s["status"].get("lastRunName") not in (None, name), NS)
        runs = json.loads(cluster.kubectl("get", "agentruns", "-n", NS, "-o", "json"))["items"]
    assert len(runs) == 2
    assert sum(r["metadata"]["name"] == name for r in runs) == 1


def test_a_supervisor_that_is_killed_takes_its_children_along(cluster: Cluster) -> None:
    state = read(cluster.data)
    assert state is not None
    os.kill(state.pid, signal.SIGKILL)
    until(
        lambda: not _processes_below(cluster.data.root), "children that outlive their supervisor", timeout=20
    )
    cluster.start()
    assert "Ready" in cluster.kubectl("get", "nodes")
