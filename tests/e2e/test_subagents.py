"""Runs that start runs: answered, limited, queued, ended together, under no more rights than their parent."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.support import API, agent, can_write, decide, finished, payload_pids, policy, run, say, transcript
from sympozium.testing import AGENT_RUN, SCHEDULE, ApiError, Cluster, ScriptedModel, phase
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


def test_a_child_answers_its_parent(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(sympozium_cluster, namespace)
    script = rules(boss=[spawn("helper count"), end()], helper=[end("there are 42")])
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace, task="boss it")
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded", status
    assert "there are 42" in status["result"]
    [child] = children(sympozium_cluster, namespace)
    uid = sympozium_cluster.get(AGENT_RUN, "run", namespace)["metadata"]["uid"]
    assert child["metadata"]["ownerReferences"][0]["uid"] == uid
    assert child["spec"]["trigger"]["kind"] == "Agent"
    assert child["spec"]["trigger"]["name"] == "run"
    parent = child["spec"]["parent"]
    assert (parent["runName"], parent["spawnDepth"]) == ("run", 1)
    assert parent["policies"] == [{"namespace": namespace, "name": "open"}]
    assert child["metadata"]["name"] in transcript(sympozium_cluster, namespace)


def limited(cluster: Cluster, namespace: str, base_url: str, **subagents: int) -> None:
    agent(cluster, namespace, base_url, default={"subagents": subagents})


def test_how_many_and_how_deep_is_told_to_the_model(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(sympozium_cluster, namespace, subagentPolicy={"maxDepth": 1})
    script = rules(
        boss=[
            {**spawn("helper one"), "id": "first"},
            {**spawn("helper two"), "id": "second", "say": "first: {{result|words}}"},
            {**spawn("helper three"), "id": "third"},
            end("third: {{result|words}}"),
        ],
        helper=[spawn("helper more"), end("mine: {{result|words}}")],
    )
    with ScriptedModel(script) as model:
        limited(sympozium_cluster, namespace, model.base_url, maxChildrenPerAgent=2, maxDepth=5)
        run(sympozium_cluster, namespace, task="boss it")
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded", status
    assert "started 2 runs" in status["result"]
    assert "maxChildrenPerAgent" in status["result"]
    made = children(sympozium_cluster, namespace)
    assert len(made) == 2
    for child in made:
        assert (
            "spec.parent.spawnDepth is 2: open: subagentPolicy.maxDepth allows 1" in child["status"]["result"]
        )
        assert children(sympozium_cluster, namespace, child["metadata"]["name"]) == []


def test_a_spawn_bomb_stays_within_its_limits(sympozium_cluster: Cluster, namespace: str) -> None:
    """Every run spawns for ever, and what it spawns does the same."""
    policy(sympozium_cluster, namespace, subagentPolicy={"maxDepth": 2, "maxConcurrent": 2})
    forever = {**spawn("bomb again", wait=False), "next": [{"goto": "ask"}]}
    with ScriptedModel(say(forever, end("never"))) as model:
        agent(
            sympozium_cluster, namespace, model.base_url,
            default={"maxSteps": 5, "subagents": {"maxChildrenPerAgent": 2, "maxDepth": 9, "maxConcurrent": 9}},
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
    assert sorted(depths) == [0, 1, 1, 2, 2, 2, 2]


def test_excess_children_wait_and_say_for_what(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(
        sympozium_cluster, namespace, subagentPolicy={"maxConcurrent": 1},
        toolGating={"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]},
    )  # fmt: skip
    held = {"id": "hold", "call": [{"tool": "execute_command", "arguments": {"command": "true"}}]}
    script = rules(
        boss=[
            {**spawn("helper 1", wait=False), "id": "a"},
            {**spawn("helper 2", wait=False), "id": "b"},
            end(),
        ],
        helper=[held, end("done")],
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
        toolGating={"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]},
    )  # fmt: skip
    held = {"id": "hold", "call": [{"tool": "execute_command", "arguments": {"command": "true"}}]}
    script = rules(boss=[spawn("middle"), end()], middle=[spawn("leaf"), end()], leaf=[held, end()])
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace, task="boss it")
        sympozium_cluster.wait_any(AGENT_RUN, lambda r: phase(r) == "AwaitingApproval", namespace)
        sympozium_cluster.patch(AGENT_RUN, "run", {"spec": {"cancel": True}}, namespace)
        for made in sympozium_cluster.items(AGENT_RUN, namespace):
            ended = finished(sympozium_cluster, namespace, made["metadata"]["name"])
            assert phase(ended) == "Cancelled", ended["status"]


@pytest.mark.parametrize("way", ["cancel", "delete"])
def test_a_child_that_somebody_ends_is_an_answer(
    sympozium_cluster: Cluster, namespace: str, way: str
) -> None:
    policy(
        sympozium_cluster, namespace,
        toolGating={"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]},
    )  # fmt: skip
    held = {"id": "hold", "call": [{"tool": "execute_command", "arguments": {"command": "true"}}]}
    with ScriptedModel(rules(boss=[spawn("leaf"), end()], leaf=[held, end()])) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace, task="boss it")
        child = sympozium_cluster.wait_any(AGENT_RUN, lambda r: phase(r) == "AwaitingApproval", namespace)
        name = child["metadata"]["name"]
        if way == "cancel":
            sympozium_cluster.patch(AGENT_RUN, name, {"spec": {"cancel": True}}, namespace)
        else:
            sympozium_cluster.delete(AGENT_RUN, name, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    assert ("ended as Cancelled" if way == "cancel" else "was deleted before it ended") in status["result"]


def test_a_child_has_no_more_rights_than_its_parent(sympozium_cluster: Cluster, namespace: str) -> None:
    """Neither through another instance with a policy of its own, nor through that instance's tools."""
    deny = {"defaultAction": "allow", "rules": [{"tool": "write_file", "action": "deny"}]}
    policy(sympozium_cluster, namespace, "tight", toolGating=deny)
    policy(sympozium_cluster, namespace, "open")
    steal = [
        {"id": "w", "call": [{"tool": "write_file", "arguments": {"path": "a", "content": "b"}}]},
        {
            "id": "l",
            "say": "{{result|words}}",
            "call": [{"tool": "list_directory", "arguments": {"path": "."}}],
        },
        end("done"),
    ]
    with ScriptedModel(rules(boss=[spawn("steal", instance="free"), end()], steal=steal)) as model:
        agent(sympozium_cluster, namespace, model.base_url, name="free")
        agent(
            sympozium_cluster, namespace, model.base_url, policy_ref="tight",
            toolPolicy={"deny": ["list_directory"]},
        )  # fmt: skip
        run(sympozium_cluster, namespace, task="boss it")
        finished(sympozium_cluster, namespace)
        [child] = children(sympozium_cluster, namespace)
        record = transcript(sympozium_cluster, namespace, child["metadata"]["name"])
    assert child["spec"]["instanceRef"] == "free"
    assert "tight: toolGating.rules[0]" in record
    assert "toolPolicy.deny" in record


@pytest.mark.parametrize(
    ("governed", "words"),
    [
        ({"featureGates": {"sub-agents": False}}, "featureGates[sub-agents]"),
        (
            {"toolGating": {"defaultAction": "allow", "rules": [
                {"tool": "spawn_agent", "action": "deny", "when": "args.task.contains('helper')"}]}},
            "toolGating.rules[0]",
        ),
        ({"subagentPolicy": {"maxDepth": 0}}, "subagentPolicy.maxDepth"),
        ({"subagentPolicy": {"maxConcurrent": 0}}, "subagentPolicy.maxConcurrent"),
    ],
)  # fmt: skip
def test_a_policy_that_lets_nothing_be_started(
    sympozium_cluster: Cluster, namespace: str, governed: dict[str, Any], words: str
) -> None:
    policy(sympozium_cluster, namespace, **governed)
    with ScriptedModel(rules(boss=[spawn("helper"), end()], helper=[end("free!")])) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace, task="boss it")
        assert finished(sympozium_cluster, namespace)["status"]["phase"] == "Succeeded"
    assert children(sympozium_cluster, namespace) == []
    assert words in transcript(sympozium_cluster, namespace)


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


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A control plane of the test's own, since the test kills it or limits it."""
    with Cluster(tmp_path / "data") as made:
        yield made


def test_a_tree_goes_on_with_one_place_of_everything(cluster: Cluster) -> None:
    config = {"queue": {"maxConcurrentRuns": 1, "maxConcurrentRunsPerInstance": 1}}
    cluster.patch(SYMPOZIUM_CONFIG, "default", {"spec": config}, "sympozium-system")
    policy(cluster, NS, subagentPolicy={"maxConcurrent": 1, "maxDepth": 3})
    script = rules(
        root=[spawn("child"), end()], child=[spawn("grandchild"), end()],
        grandchild=[spawn("leaf"), end()], leaf=[end("from the leaf")], other=[end("other")],
    )  # fmt: skip
    with ScriptedModel(script) as model:
        limited(cluster, NS, model.base_url, maxDepth=3)
        run(cluster, NS, task="root")
        run(cluster, NS, name="other", task="other")
        status = finished(cluster, NS, timeout=240)["status"]
        assert "from the leaf" in status["result"]
        assert phase(finished(cluster, NS, "other")) == "Succeeded"


@pytest.mark.parametrize("victim", ["controllers", "bus", "tools", "webhook"])
def test_a_crash_while_a_run_waits_makes_one_child(cluster: Cluster, victim: str) -> None:
    ask = {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]}
    policy(cluster, NS, toolGating=ask)
    held = {"id": "hold", "call": [{"tool": "execute_command", "arguments": {"command": "echo 42"}}]}
    with ScriptedModel(rules(boss=[spawn("leaf"), end()], leaf=[held, end()])) as model:
        agent(cluster, NS, model.base_url)
        run(cluster, NS, task="boss it")
        [first] = [cluster.wait_any(AGENT_RUN, lambda r: phase(r) == "AwaitingApproval", NS)]
        if victim == "tools":
            for pid in payload_pids(cluster, "sympozium.tools"):
                os.kill(pid, signal.SIGKILL)
        else:
            cluster.kill(victim)
        until(lambda: can_write(cluster, NS), "the API to take writes through the webhook", timeout=60)
        child = first["metadata"]["name"]
        if victim == "tools":
            # The child's tool server died too: its call that had not begun goes on.
            cluster.wait(AGENT_RUN, child, lambda r: phase(r) == "AwaitingApproval", NS)
        decide(cluster, NS, "Approved", run_name=child, timeout=120)
        status = finished(cluster, NS, timeout=150)["status"]
    assert status["phase"] == "Succeeded", status
    assert "42" in status["result"]
    assert [c["metadata"]["name"] for c in children(cluster, NS)] == [child]
