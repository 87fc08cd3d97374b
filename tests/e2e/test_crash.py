"""kill -9 in the middle: nothing accepted is lost, nothing is done twice, nothing is left behind.

One control plane dies for all of them, in this order: everything at once, with two runs that wait for a person; one process
after the other under a third run; controllers and bus under a talk; the supervisor.
"""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.support import API, agent, can_write, decide, finished, policy, run, transcript
from e2e.test_record import cleaned_up, exported
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, SCHEDULE, Cluster, ScriptedModel, phase
from sympozium.testing.client import Object
from sympozium.testing.waiting import until
from sympozium.up.processes import start_time
from sympozium.up.state import read

NS = "default"
ASK = {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]}
LOOK = {"tool": "list_directory", "arguments": {"path": "."}}
VICTIMS = ("controllers", "webhook", "bus", "api")
STEPS = 16


def _write(word: str) -> dict[str, Any]:
    return {"tool": "execute_command", "arguments": {"command": f"echo {word} >> log; cat log"}}


SCRIPT = {
    "banner": False,
    "models": ["scripted"],
    "rules": [
        {
            "name": "tick",
            "match": {"task": "^tick"},
            "steps": [
                {"say": "First I look.", "call": [LOOK]},
                {"say": "Then I ask.", "call": [_write(f"after-{VICTIMS[0]}")]},
                *({"call": [_write(f"after-{victim}")]} for victim in VICTIMS[1:]),
                {"say": "It says: {{result|head(9)}}"},
            ],
        },
        {
            "name": "retried",
            "match": {"task": "^retried"},
            "steps": [
                {"say": "First I look.", "call": [LOOK]},
                {"say": "I ask.", "call": [_write("once")]},
                {"say": "I ask again.", "call": [_write("twice")]},
                {"say": "It says: {{result|head(9)}}"},
            ],
        },
        {
            "name": "talk",
            "match": {"task": "^talk"},
            "steps": [
                *({"say": f"Step number {n}.", "call": [LOOK], "delay": 0.4} for n in range(STEPS)),
                {"say": "All of them."},
            ],
        },
    ],
}


@dataclass
class Scene:
    """After everything was killed and started again."""

    cluster: Cluster
    tick: Object
    """The run that a schedule made before, as it was; it has no retries."""
    left: dict[int, str]
    """Processes that outlived the kill."""
    mounts: str
    """This machine's, before the new start."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane of the module's own, since its tests kill it. The model is outside: a gateway does not die with it."""
    with Cluster(tmp_path_factory.mktemp("crash") / "data") as made, ScriptedModel(SCRIPT) as model:
        policy(made, NS, toolGating=ASK)
        agent(made, NS, model.base_url)
        yield made


@pytest.fixture(scope="module")
def scene(cluster: Cluster) -> Scene:
    """Everything is killed while one run waits for its first decision, and another for its second."""
    cluster.apply(
        {
            "apiVersion": API,
            "kind": "SympoziumSchedule",
            "metadata": {"name": "often", "namespace": NS},
            "spec": {"instanceRef": "agent", "schedule": "@every 1h", "task": "tick"},
        }
    )
    tick = _fired(cluster, "first", "")
    run(cluster, NS, name="retried", task="retried", retries=1)
    first = decide(cluster, NS, "Approved", run_name="retried", timeout=120)["metadata"]["name"]
    cluster.wait_any(
        APPROVAL_REQUEST, lambda a: a["metadata"]["name"] != first, NS, labelSelector="sympozium.ai/run=retried"
    )  # fmt: skip
    waiting = cluster.wait(AGENT_RUN, tick, lambda r: phase(r) == "AwaitingApproval", NS)
    cluster.kill()
    left = _processes_left(cluster)
    mounts = Path("/proc/self/mountinfo").read_text()
    cluster.start()
    return Scene(cluster, waiting, left, mounts)


@pytest.fixture(scope="module")
def again(scene: Scene) -> str:
    """A second run of the schedule: its controller is at work again, and has looked at the first one."""
    return _fired(scene.cluster, "second", scene.tick["metadata"]["name"])


@pytest.fixture(scope="module")
def retried(scene: Scene) -> Object:
    """The run with retries, when it has ended."""
    decide(scene.cluster, NS, "Approved", run_name="retried", timeout=120)
    return finished(scene.cluster, NS, "retried", timeout=150)


@pytest.fixture(scope="module")
def talk(cluster: Cluster) -> Object:
    """A run, when it has ended, between whose answers the controllers and the bus were killed again and again."""
    run(cluster, NS, name="talk", task="talk")
    for number, victim in enumerate(("controllers", "bus", "controllers", "controllers")):
        cluster.wait(
            AGENT_RUN, "talk", lambda r, n=number: ((r.get("status") or {}).get("steps") or 0) > 2 * n, NS
        )
        _killed(cluster, victim)
    finished(cluster, NS, "talk", timeout=150)
    return cluster.wait(AGENT_RUN, "talk", cleaned_up, NS)


def _fired(cluster: Cluster, token: str, before: str) -> str:
    """The run that the schedule makes at once; `before` is the one of the last time."""
    cluster.patch(SCHEDULE, "often", {"metadata": {"annotations": {"sympozium.ai/fire": token}}}, NS)
    fired = cluster.wait(
        SCHEDULE, "often", lambda s: (s.get("status") or {}).get("lastRunName", before) != before, NS
    )
    name: str = fired["status"]["lastRunName"]
    return name


def _killed(cluster: Cluster, victim: str) -> None:
    """Returns when it is gone, and another one is in its place."""
    state = read(cluster.data)
    assert state is not None
    pid = state.children[victim].pid
    assert pid is not None
    cluster.kill(victim)
    until(lambda: start_time(pid) is None, f"{victim} to be gone", timeout=60)

    def back() -> bool:
        state = read(cluster.data)
        child = state.children[victim] if state else None
        return child is not None and child.pid not in (None, pid)

    until(back, f"{victim} to come back", timeout=60)


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


def _processes_left(cluster: Cluster) -> dict[int, str]:
    """Those of the cluster that have not died with it."""
    left: dict[int, str] = {}

    def none() -> bool:
        left.clear()
        left.update(_processes_below(cluster.data.root))
        return not left

    try:
        until(none, "no process is left", timeout=60)
    except AssertionError:
        return left
    return {}


def test_every_process_killed_in_the_middle_of_a_run(scene: Scene) -> None:
    assert scene.left == {}, "processes that outlive the kill"
    assert str(scene.cluster.data.root) not in scene.mounts
    name = scene.tick["metadata"]["name"]
    ended = finished(scene.cluster, NS, name)
    assert ended["metadata"]["uid"] == scene.tick["metadata"]["uid"]
    # The pod's containers are gone for good, and the run has no retries: it says so, and does not hang.
    # Whether the agent could still say that it was stopped depends on who died first.
    assert phase(ended) == "Failed"
    assert ended["status"]["reason"] in ("PodLost", "Cancelled")
    record = transcript(scene.cluster, NS, name)
    assert "First I look." in record
    assert "Then I ask." in record


def test_a_run_with_retries_goes_on_after_every_process_was_killed(retried: Object) -> None:
    assert phase(retried) == "Succeeded", retried["status"]
    assert retried["status"]["result"].count("twice") == 1


def test_a_decision_that_the_lost_attempt_had_taken_holds_for_the_next(
    cluster: Cluster, retried: Object
) -> None:
    """The dead tool server has acknowledged it: the bus alone would never tell the next one."""
    assert retried["status"]["result"].count("once") == 1, retried["status"]
    asked = cluster.items(APPROVAL_REQUEST, NS, labelSelector="sympozium.ai/run=retried")
    assert [request["status"]["decision"] for request in asked] == ["Approved", "Approved"]


def test_a_tick_that_was_served_makes_no_second_run(scene: Scene, again: str) -> None:
    made = {r["metadata"]["name"] for r in scene.cluster.items(AGENT_RUN, NS) if r["spec"]["task"] == "tick"}
    assert made == {scene.tick["metadata"]["name"], again}


def test_one_process_killed_while_the_run_waits(cluster: Cluster, again: str) -> None:
    """The same run waits anew for each of them."""
    of = {"labelSelector": f"sympozium.ai/run={again}"}
    decided: list[str] = []
    for victim in VICTIMS:
        what = f"the run asks before {victim} is killed (after {decided})"
        cluster.wait_any(
            APPROVAL_REQUEST, lambda a: a["metadata"]["name"] not in decided, NS, timeout=90, what=what, **of
        )
        cluster.wait(AGENT_RUN, again, lambda r: phase(r) == "AwaitingApproval", NS, timeout=90)
        _killed(cluster, victim)
        until(lambda: can_write(cluster, NS, again), f"writes after {victim} was killed", timeout=60)
        decided.append(decide(cluster, NS, "Approved", run_name=again)["metadata"]["name"])
    ended = finished(cluster, NS, again)
    assert phase(ended) == "Succeeded", ended["status"]
    for victim in VICTIMS:
        assert ended["status"]["result"].count(f"after-{victim}") == 1, victim
    record = transcript(cluster, NS, again)
    for part in ("First I look.", "Then I ask.", "It says:"):
        assert record.count(part) >= 1


def test_nats_killed_in_the_middle_of_a_talk(cluster: Cluster, talk: Object) -> None:
    """The bus goes away between two answers of the model and comes back: the whole transcript is there."""
    assert (phase(talk), talk["status"]["result"]) == ("Succeeded", "All of them.")
    record = transcript(cluster, NS, "talk")
    for n in range(STEPS):
        assert record.count(f"Step number {n}.") == 1


def test_controllers_and_bus_killed_again_and_again_leave_one_whole_record(
    cluster: Cluster, talk: Object, tmp_path: Path
) -> None:
    assert phase(talk) == "Succeeded", talk["status"]
    said = exported(cluster, NS, tmp_path / "run.jsonl", name="talk")
    calls = [(e["kind"], e["data"]["callId"]) for e in said if e["kind"].startswith("call.")]
    ids = [call for kind, call in calls if kind == "call.intent"]
    assert len(ids) == len(set(ids)) == STEPS
    assert calls == [(kind, call) for call in ids for kind in ("call.intent", "call.outcome")]
    assert not [e for e in said if e["kind"] == "gap"]


def test_a_supervisor_that_is_killed_takes_its_children_along(cluster: Cluster) -> None:
    state = read(cluster.data)
    assert state is not None
    os.kill(state.pid, signal.SIGKILL)
    assert _processes_left(cluster) == {}, "children that outlive their supervisor"
    cluster.start()
    assert "Ready" in cluster.kubectl("get", "nodes")
