"""A changed policy and `sympozium stop`, on runs with real tool servers and agents."""

import re
from pathlib import Path

from e2e.support import agent, finished, policy, run, say
from sympozium.kube.conditions import find
from sympozium.testing import AGENT_RUN, POD, Cluster, ScriptedModel, phase
from sympozium.testing.client import Object

DENY = {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "deny"}]}
UNTIL_TOLD = "until [ -e go ]; do sleep 0.2; done; echo went on"
SCRIPT = say(
    {"id": "slow", "call": [{"tool": "execute_command", "arguments": {"command": UNTIL_TOLD}}]},
    {"id": "again", "call": [{"tool": "execute_command", "arguments": {"command": "echo reached"}}]},
    {"id": "end", "say": "answer: {{result}}"},
)


def is_true(run_: Object, kind: str) -> bool:
    found = find((run_.get("status") or {}).get("conditions"), kind)
    return found is not None and found["status"] == "True"


def workspace(cluster: Cluster, namespace: str) -> Path:
    """As the node's disk has it."""
    [pod] = cluster.items(POD, namespace, labelSelector="sympozium.ai/run=run")
    [found] = cluster.data.node.glob(f"pods/{pod['metadata']['uid']}/volumes/emptyDir/workspace")
    return found


def test_a_run_is_frozen_judged_anew_and_goes_on(sympozium_cluster: Cluster, namespace: str) -> None:
    cluster = sympozium_cluster
    policy(cluster, namespace)
    with ScriptedModel(SCRIPT) as model:
        agent(cluster, namespace, model.base_url)
        run(cluster, namespace)
        cluster.wait(AGENT_RUN, "run", lambda r: ((r.get("status") or {}).get("steps") or 0) >= 1, namespace)
        stopped = cluster.sympozium("stop", "run", "-n", namespace)
        assert re.search(r"frozen: 1 of 1 runs in \d+ ms", stopped.stdout), stopped.stdout
        policy(cluster, namespace, toolGating=DENY)

        def applied(r: Object) -> bool:
            return is_true(r, "PolicyCurrent") and r["status"]["policy"]["generation"] == 2

        held = cluster.wait(AGENT_RUN, "run", applied, namespace, timeout=90)
        assert is_true(held, "Frozen")
        (workspace(cluster, namespace) / "go").touch()
        cluster.sympozium("resume", "run", "-n", namespace)
        status = finished(cluster, namespace)["status"]
    assert status["phase"] == "Succeeded"
    assert "reached" not in status["result"]
    assert "denied" in status["result"].lower()


def test_a_run_that_may_not_go_on_is_ended_with_its_pod(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(sympozium_cluster, namespace)
    with ScriptedModel(SCRIPT) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        sympozium_cluster.wait(AGENT_RUN, "run", lambda r: phase(r) == "Running", namespace)
        policy(sympozium_cluster, namespace, modelPolicy={"allowedModels": ["other-*"]})
        status = finished(sympozium_cluster, namespace)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "PolicyChanged")
    assert "allows other-*" in status["error"]
