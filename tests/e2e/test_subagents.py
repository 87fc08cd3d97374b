"""Runs that start runs: answered, limited, queued, ended together, under no more rights than their parent."""

from typing import Any

from e2e.support import agent, finished, policy, run, transcript
from sympozium.testing import AGENT_RUN, Cluster, ScriptedModel
from sympozium.testing.client import Object


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
