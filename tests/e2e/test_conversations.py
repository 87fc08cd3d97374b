"""Runs that begin in the middle of a conversation: with a history in words, or with what another run said."""

from typing import Any

import pytest

from e2e.support import agent, finished, policy, run, transcript
from sympozium.testing import AGENT_RUN, ApiError, Cluster, ScriptedModel

LOOK = {"id": "look", "say": "I look.", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]}


def rule(name: str, task: str, *steps: dict[str, Any], before: str = "") -> dict[str, Any]:
    match = {"task": task} | ({"before": before} if before else {})
    return {"name": name, "match": match, "steps": list(steps)}


def script(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"banner": False, "models": ["scripted"], "rules": list(rules)}


def test_forks_of_a_run_with_a_history_go_on_from_a_step(sympozium_cluster: Cluster, namespace: str) -> None:
    """The source is at its first step, and then its history is gone: a fork that waited meanwhile says so."""
    policy(sympozium_cluster, namespace)
    history = r"^user: I am Ada$\nassistant: Hello"
    asked = rule("asked", "^And", {"say": "It was {{task|words}}"}, before=rf"{history}(.|\n)*^tool: .*empty")
    looks = rule(
        "looks", "^Look", LOOK, {"id": "end", "say": "Ada, there is {{result|words}}"}, before=history
    )
    with ScriptedModel(script(asked, looks, rule("else", "", {"say": "Who knows?"}))) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        said = [{"role": "user", "content": "I am Ada"}, {"role": "assistant", "content": "Hello"}]
        run(sympozium_cluster, namespace, name="source", task="Look.", history=said)
        source = finished(sympozium_cluster, namespace, "source")["status"]
        assert source["phase"] == "Succeeded", source
        assert source["result"].startswith("Ada, there is"), f"without the history: {source['result']}"
        assert source["steps"] == 2
        assert "goes on from 2 earlier messages" in transcript(sympozium_cluster, namespace, "source")
        with pytest.raises(ApiError, match="does not change after creation"):
            sympozium_cluster.patch(AGENT_RUN, "source", {"spec": {"history": said[:1]}}, namespace)
        fork = {"runName": "source", "step": 1}
        run(sympozium_cluster, namespace, name="again", task="Look.", forkFrom=fork)
        run(sympozium_cluster, namespace, name="other", task="And now?", forkFrom={**fork, "step": 2})
        run(sympozium_cluster, namespace, name="late", task="And then?", forkFrom=fork, suspend=True)
        again, other = (finished(sympozium_cluster, namespace, name)["status"] for name in ("again", "other"))
        assert (again["result"], again["steps"]) == (source["result"], 1)
        assert other["result"] == "It was And now?"
        sympozium_cluster.delete(AGENT_RUN, "source", namespace)
        sympozium_cluster.wait_gone(AGENT_RUN, "source", namespace)
        sympozium_cluster.patch(AGENT_RUN, "late", {"spec": {"suspend": False}}, namespace)
        late = finished(sympozium_cluster, namespace, "late")["status"]
    assert (late["phase"], late["reason"]) == ("Failed", "ForkSourceGone")
    assert "AgentRun source is not there any more" in late["error"]
    with pytest.raises(ApiError, match="AgentRun source is not in this namespace"):
        run(sympozium_cluster, namespace, name="more", task="Look.", forkFrom=fork)
