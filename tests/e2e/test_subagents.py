"""Runs that start runs: answered, limited, queued, ended together, under no more rights than their parent."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.support import (
    API,
    agent,
    can_write,
    decide,
    finished,
    own_namespace,
    payload_pids,
    policy,
    run,
    say,
    transcript,
)
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, SCHEDULE, ApiError, Cluster, ScriptedModel, phase
from sympozium.testing.client import Object
from sympozium.testing.resources import SYMPOZIUM_CONFIG
from sympozium.testing.waiting import until

NS = "default"


def rules(**by_task: list[dict[str, Any]]) -> dict[str, Any]:
    """A script that goes by the first word of the task."""
    return {
        "banner": False,
        "models": ["scripted"],
        "rules": [
            {"name": word, "match": {"task": f"^{word}\\b"}, "steps": steps}
            for word, steps in by_task.items()
        ],
    }


def spawn(task: str, **arguments: Any) -> dict[str, Any]:
    return {"id": "ask", "call": [{"tool": "spawn_agent", "arguments": {"task": task, **arguments}}]}


def end(text: str = "{{result|head(9)}}") -> dict[str, Any]:
    return {"id": "end", "say": text}


def children(cluster: Cluster, namespace: str, parent: str = "run") -> list[Object]:
    return cluster.items(AGENT_RUN, namespace, labelSelector=f"sympozium.ai/parent={parent}")


HELD = {"id": "hold", "call": [{"tool": "execute_command", "arguments": {"command": "true"}}]}
ASK = {"tool": "execute_command", "action": "ask"}
DENIED = [
    {"tool": "write_file", "action": "deny"},
    {"tool": "spawn_agent", "action": "deny", "when": "args.task.contains('forbidden')"},
]
STEAL = [
    {"id": "w", "call": [{"tool": "write_file", "arguments": {"path": "a", "content": "b"}}]},
    {"id": "l", "say": "{{result|words}}", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]},
    {**spawn("helper more"), "say": "{{result|words}}"},
    end("there are 42"),
]
ASKED = {
    "a": ("forbidden thing", None),
    "b": ("leaf that is deleted", "asks"),
    "c": ("helper", "free"),
    "d": ("leaf that is cancelled", "asks"),
    "e": ("helper in excess", None),
}
"""What the boss asks for, one after another: step -> (task, instance)."""


@dataclass(frozen=True)
class Family:
    """A run that has ended, and those that it started: names and records by their tasks."""

    boss: Object
    runs: list[Object]
    names: dict[str, str]
    records: dict[str, str]

    def told(self, step: str) -> str:
        """What the boss heard of what it asked for in this step."""
        text: str = self.boss["status"]["result"]
        return text.partition(f"<{step}>")[2].partition(f"</{step}>")[0]


def end_child(cluster: Cluster, namespace: str, task: str, *, delete: bool) -> None:
    """End the run of `task` where it waits for a person."""
    name = cluster.wait_any(
        AGENT_RUN, lambda r: phase(r) == "AwaitingApproval" and r["spec"]["task"] == task, namespace,
        timeout=120, what=f"a run that asks: {task}",
    )["metadata"]["name"]  # fmt: skip
    if delete:
        cluster.delete(AGENT_RUN, name, namespace)
    else:
        cluster.patch(AGENT_RUN, name, {"spec": {"cancel": True}}, namespace)


@pytest.fixture(scope="module")
def family(sympozium_cluster: Cluster) -> Iterator[Family]:
    """One run under policy `tight` that asks for five others: of its own instance, or of one with its own policy."""
    cluster = sympozium_cluster
    steps = [
        {**spawn(task, **({"instance": instance} if instance else {})), "id": step}
        for step, (task, instance) in ASKED.items()
    ]
    over = "".join(f"<{step}>{{{{result_of_{step}|words}}}}</{step}>\n" for step in ASKED)
    script = rules(boss=[*steps, end(over)], helper=STEAL, leaf=[HELD, end("never")])
    with own_namespace(cluster) as namespace, ScriptedModel(script) as model:
        policy(
            cluster, namespace, "tight", subagentPolicy={"maxDepth": 1},
            toolGating={"defaultAction": "allow", "rules": DENIED},
        )  # fmt: skip
        policy(cluster, namespace, "open")
        policy(cluster, namespace, "asks", toolGating={"defaultAction": "allow", "rules": [ASK]})
        limits = {"subagents": {"maxChildrenPerAgent": 2, "maxDepth": 5}}
        own: dict[str, Any] = {"toolPolicy": {"deny": ["list_directory"]}, "default": limits}
        agent(cluster, namespace, model.base_url, policy_ref="tight", **own)
        agent(cluster, namespace, model.base_url, name="free", default=limits)
        agent(cluster, namespace, model.base_url, name="asks", policy_ref="asks")
        run(cluster, namespace, task="boss it")
        # Who deletes a run gives its place among the two back.
        end_child(cluster, namespace, ASKED["b"][0], delete=True)
        end_child(cluster, namespace, ASKED["d"][0], delete=False)
        boss = finished(cluster, namespace, timeout=120)
        runs = [r for r in cluster.items(AGENT_RUN, namespace) if "deletionTimestamp" not in r["metadata"]]
        names = {r["spec"]["task"]: r["metadata"]["name"] for r in runs}
        records = {
            task: transcript(cluster, namespace, name)
            for task, name in names.items()
            if task in ("boss it", "helper")
        }
        yield Family(boss, runs, names, records)


def test_a_child_answers_its_parent(family: Family) -> None:
    assert family.boss["status"]["phase"] == "Succeeded", family.boss["status"]
    assert "there are 42" in family.told("c")
    [child] = [r for r in family.runs if r["spec"]["task"] == "helper"]
    meta = family.boss["metadata"]
    assert child["metadata"]["ownerReferences"][0]["uid"] == meta["uid"]
    assert child["metadata"]["labels"]["sympozium.ai/parent"] == "run"
    assert child["spec"]["trigger"]["kind"] == "Agent"
    assert child["spec"]["trigger"]["name"] == "run"
    parent = child["spec"]["parent"]
    assert (parent["runName"], parent["spawnDepth"]) == ("run", 1)
    assert parent["policies"] == [{"namespace": meta["namespace"], "name": "tight"}]
    assert child["metadata"]["name"] in family.records["boss it"]


def test_how_many_and_how_deep_is_told_to_the_model(family: Family) -> None:
    assert "started 2 runs" in family.told("e")
    assert "maxChildrenPerAgent" in family.told("e")
    # Also to a child of another instance with a policy of its own.
    words = "spec.parent.spawnDepth is 2: tight: subagentPolicy.maxDepth allows 1"
    assert words in family.records["helper"]
    assert sorted(family.names) == ["boss it", "helper", "leaf that is cancelled"]


@pytest.mark.parametrize(
    ("step", "words"),
    [("b", "was deleted before it ended"), ("d", "ended as Cancelled")],
    ids=["delete", "cancel"],
)
def test_a_child_that_somebody_ends_is_an_answer(family: Family, step: str, words: str) -> None:
    assert words in family.told(step)


def test_a_child_has_no_more_rights_than_its_parent(family: Family) -> None:
    """Neither through another instance with a policy of its own, nor through that instance's tools."""
    [child] = [r for r in family.runs if r["spec"]["task"] == "helper"]
    assert child["spec"]["instanceRef"] == "free"
    assert "tight: toolGating.rules[0]" in family.records["helper"]
    assert "toolPolicy.deny" in family.records["helper"]


def test_a_policy_that_lets_nothing_be_started(family: Family) -> None:
    """By a rule; by a feature gate: test_hostile_model.py; by `subagentPolicy` of 0: cluster/test_requests.py."""
    assert "tight: toolGating.rules[1]" in family.told("a")
    assert "forbidden thing" not in family.names


def test_a_spawn_bomb_stays_within_its_limits(sympozium_cluster: Cluster, namespace: str) -> None:
    """Every run spawns for ever, and what it spawns does the same."""
    policy(sympozium_cluster, namespace, subagentPolicy={"maxDepth": 2, "maxConcurrent": 2})
    forever = {**spawn("bomb again", wait=False, instance="narrow"), "next": [{"goto": "ask"}]}
    with ScriptedModel(say(forever, end("never"))) as model:
        for name, most in (("agent", 2), ("narrow", 1)):
            agent(
                sympozium_cluster, namespace, model.base_url, name=name,
                default={"maxSteps": 4, "subagents": {"maxChildrenPerAgent": most, "maxDepth": 9, "maxConcurrent": 9}},
            )  # fmt: skip
        run(sympozium_cluster, namespace, task="bomb")

        def over() -> bool:
            runs = sympozium_cluster.items(AGENT_RUN, namespace)
            going = [r for r in runs if phase(r) not in ("Succeeded", "Failed", "Cancelled", "Queued", "")]
            assert len([r for r in going if r["metadata"]["name"] != "run"]) <= 2
            return len(runs) > 1 and all(phase(r) in ("Succeeded", "Failed") for r in runs)

        until(over, "the end of every run", timeout=240)
    depths = [
        (r["spec"].get("parent") or {}).get("spawnDepth", 0)
        for r in sympozium_cluster.items(AGENT_RUN, namespace)
    ]
    assert sorted(depths) == [0, 1, 1, 2, 2]


def test_excess_children_wait_and_say_for_what(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(
        sympozium_cluster, namespace, subagentPolicy={"maxConcurrent": 1},
        toolGating={"defaultAction": "allow", "rules": [ASK]},
    )  # fmt: skip
    script = rules(
        boss=[
            {**spawn("helper 1", wait=False), "id": "a"},
            {**spawn("helper 2", wait=False), "id": "b"},
            end(),
        ],
        helper=[HELD, end("done")],
    )
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace, task="boss it")
        queued = sympozium_cluster.wait_any(
            AGENT_RUN, lambda r: phase(r) == "Queued", namespace, labelSelector="sympozium.ai/parent=run"
        )
        assert queued["status"]["queue"] == {
            "position": 0,
            "reason": "waits for a sibling: 1 of 1 runs work beneath run (open: subagentPolicy.maxConcurrent)",
        }
        # What nobody waits for outlives the run that started it, and goes when that is deleted.
        assert finished(sympozium_cluster, namespace)["status"]["phase"] == "Succeeded"
        assert phase(sympozium_cluster.get(AGENT_RUN, queued["metadata"]["name"], namespace)) == "Queued"
        sympozium_cluster.delete(AGENT_RUN, "run", namespace)
        for child in children(sympozium_cluster, namespace):
            sympozium_cluster.wait_gone(AGENT_RUN, child["metadata"]["name"], namespace, timeout=90)


def test_cancelling_a_run_cancels_all_beneath_it(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(
        sympozium_cluster, namespace,
        toolGating={"defaultAction": "allow", "rules": [ASK]},
    )  # fmt: skip
    script = rules(boss=[spawn("middle"), end()], middle=[spawn("leaf"), end()], leaf=[HELD, end()])
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace, task="boss it")
        sympozium_cluster.wait_any(AGENT_RUN, lambda r: phase(r) == "AwaitingApproval", namespace)
        sympozium_cluster.patch(AGENT_RUN, "run", {"spec": {"cancel": True}}, namespace)
        for made in sympozium_cluster.items(AGENT_RUN, namespace):
            ended = finished(sympozium_cluster, namespace, made["metadata"]["name"])
            assert phase(ended) == "Cancelled", ended["status"]


# -- schedules


def plan(name: str = "watch", schedule: str = "@every 1h", task: str = "tick", **more: str) -> dict[str, Any]:
    arguments = {"name": name, "schedule": schedule, "task": task, **more}
    return {
        "call": [{"tool": "schedule_task", "arguments": arguments}],
        "say": "{{result|default(start)|words}}",
    }


def test_what_an_agent_schedules_stays_under_its_policies(sympozium_cluster: Cluster, namespace: str) -> None:
    deny = {"defaultAction": "allow", "rules": [{"tool": "write_file", "action": "deny"}]}
    policy(sympozium_cluster, namespace, toolGating=deny)
    policy(sympozium_cluster, namespace, "loose")
    script = rules(
        boss=[plan(), plan(), plan("often", "* * * * *"), plan(action="list"), end()],
        tick=[{"call": [{"tool": "write_file", "arguments": {"path": "a", "content": "b"}}]}, end()],
    )
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace, task="boss it")
        status = finished(sympozium_cluster, namespace)["status"]
        assert status["phase"] == "Succeeded", status
        assert status["result"].startswith("watch: @every 1h, next at 20")
        record = transcript(sympozium_cluster, namespace)
        assert "there is a schedule watch (@every 1h) already" in record
        assert "is due every 60 s: agents may schedule every 300 s at most" in record
        [made] = sympozium_cluster.items(SCHEDULE, namespace)
        assert made["spec"]["parent"]["policies"] == [{"namespace": namespace, "name": "open"}]
        # The run is gone, and its instance has another policy: what it scheduled is still under the old one.
        sympozium_cluster.delete(AGENT_RUN, "run", namespace)
        sympozium_cluster.wait_gone(AGENT_RUN, "run", namespace, timeout=90)
        agent(sympozium_cluster, namespace, model.base_url, policy_ref="loose")
        name = made["metadata"]["name"]
        sympozium_cluster.patch(
            SCHEDULE, name, {"metadata": {"annotations": {"sympozium.ai/fire": "now"}}}, namespace
        )
        fired = sympozium_cluster.wait(
            SCHEDULE, name, lambda s: bool((s.get("status") or {}).get("lastRunName")), namespace
        )["status"]["lastRunName"]
        finished(sympozium_cluster, namespace, fired)
        assert sympozium_cluster.get(AGENT_RUN, fired, namespace)["spec"]["parent"] == made["spec"]["parent"]
        assert "open: toolGating.rules[0]" in transcript(sympozium_cluster, namespace, fired)
    for parent in (None, {**made["spec"]["parent"], "policies": []}):
        with pytest.raises(ApiError, match=r"spec\.parent"):
            sympozium_cluster.patch(SCHEDULE, name, {"spec": {"parent": parent}}, namespace)


def test_agents_see_and_delete_their_own_schedules_alone(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(sympozium_cluster, namespace)
    script = rules(
        boss=[plan("mine"), plan("people", action="delete"), plan("mine", action="delete"),
              plan(action="list"), end()],
    )  # fmt: skip
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        spec = {"instanceRef": "agent", "schedule": "@daily", "task": "tick"}
        sympozium_cluster.apply(
            {"apiVersion": API, "kind": "SympoziumSchedule",
             "metadata": {"name": "people", "namespace": namespace}, "spec": spec}
        )  # fmt: skip
        run(sympozium_cluster, namespace, task="boss it")
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["result"] == "agents of this instance have no schedules"
    assert [s["metadata"]["name"] for s in sympozium_cluster.items(SCHEDULE, namespace)] == ["people"]


# -- crashes


@pytest.mark.timeout(600)
def test_a_tree_goes_on_with_one_place_of_everything(tmp_path: Path) -> None:
    """Whatever is killed while it waits, and no call starts a second run. The control plane is the test's own."""
    script = rules(
        root=[spawn("child"), end()], child=[spawn("leaf"), end()], other=[end("other")],
        leaf=[*({**HELD, "id": victim} for victim in VICTIMS), end("from the leaf")],
    )  # fmt: skip
    config = {"queue": {"maxConcurrentRuns": 1, "maxConcurrentRunsPerInstance": 1}}
    with Cluster(tmp_path / "data") as cluster, ScriptedModel(script) as model:
        cluster.patch(SYMPOZIUM_CONFIG, "default", {"spec": config}, "sympozium-system")
        policy(
            cluster, NS, subagentPolicy={"maxConcurrent": 1, "maxDepth": 2},
            toolGating={"defaultAction": "allow", "rules": [ASK]},
        )  # fmt: skip
        agent(cluster, NS, model.base_url, default={"subagents": {"maxDepth": 2}})
        run(cluster, NS, name="root", task="root")
        # Of two runs of the same second the name would decide.
        cluster.wait(AGENT_RUN, "root", lambda r: phase(r) == "Running", NS, timeout=90)
        run(cluster, NS, name="other", task="other")
        leaf = cluster.wait_any(
            AGENT_RUN, lambda r: r["spec"]["task"] == "leaf" and phase(r) == "AwaitingApproval", NS,
            timeout=120, what="the leaf of the tree, which asks",
        )["metadata"]["name"]  # fmt: skip
        for victim in VICTIMS:
            kill_and_decide(cluster, leaf, victim)
        status = finished(cluster, NS, "root", timeout=120)["status"]
        assert status["phase"] == "Succeeded", status
        assert "from the leaf" in status["result"]
        assert phase(finished(cluster, NS, "other", timeout=120)) == "Succeeded"
        tasks = [r["spec"]["task"] for r in cluster.items(AGENT_RUN, NS)]
    assert sorted(tasks) == ["child", "leaf", "other", "root"]


VICTIMS = ("webhook", "bus", "controllers", "tools")


def kill_and_decide(cluster: Cluster, leaf: str, victim: str) -> None:
    """Kill it while the leaf asks and all above wait, then say yes. AssertionError names the victim."""
    try:
        cluster.wait_any(
            APPROVAL_REQUEST, lambda a: not (a.get("status") or {}).get("decision"), NS, timeout=120,
            what="the leaf's next question", labelSelector=f"sympozium.ai/run={leaf}",
        )  # fmt: skip
        if victim == "tools":
            for pid in payload_pids(cluster, "sympozium.tools"):
                os.kill(pid, signal.SIGKILL)
        else:
            cluster.kill(victim)
        until(lambda: can_write(cluster, NS, leaf), "the API to take writes through the webhook", timeout=90)
        assert phase(cluster.get(AGENT_RUN, "other", NS)) == "Queued", "two runs have the one place"
        # After its tool server's death a call that had not begun goes on, and is asked for as before.
        decide(cluster, NS, "Approved", run_name=leaf, timeout=120)
    except AssertionError as failure:
        raise AssertionError(f"{victim} was killed: {failure}") from failure
