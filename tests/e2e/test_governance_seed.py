"""The two policies that come with an installation behave as they were described from the beginning."""

import pytest

from e2e.support import agent, decide, finished, run, say
from sympozium.testing import AGENT_RUN, JOB, POD, ApiError, Cluster, ScriptedModel, phase

WRITES = {"id": "write", "call": [{"tool": "write_file", "arguments": {"path": "report", "content": "x"}}]}
LOOKS = {"id": "look", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]}
COMMANDS = {
    "id": "command",
    "call": [{"tool": "execute_command", "arguments": {"command": "touch done; ls"}}],
}


def test_restrictive_a_run_that_asks_for_write_file_never_has_a_pod(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    agent(sympozium_cluster, namespace, "http://127.0.0.1:9/v1", policy_ref="restrictive-policy")
    with pytest.raises(ApiError) as refused:
        run(sympozium_cluster, namespace, toolPolicy={"allow": ["read_file", "write_file"]})
    assert refused.value.code in (403, 422)
    for word in ("spec.toolPolicy.allow[1]", "write_file", "restrictive-policy"):
        assert word in str(refused.value)
    for kind in (AGENT_RUN, JOB, POD):
        assert sympozium_cluster.items(kind, namespace) == []


def test_restrictive_an_instance_that_asks_for_write_file_gets_no_run(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    agent(
        sympozium_cluster, namespace, "http://127.0.0.1:9/v1",
        policy_ref="restrictive-policy", toolPolicy={"allow": ["write_file"]},
    )  # fmt: skip
    with pytest.raises(ApiError, match="write_file"):
        run(sympozium_cluster, namespace)
    assert sympozium_cluster.items(JOB, namespace) == []


def test_restrictive_a_run_that_does_not_ask_cannot_call_it(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    script = say(WRITES, LOOKS, {"id": "end", "say": "{{result_of_write}}|{{result_of_look}}"})
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url, policy_ref="restrictive-policy")
        run(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded"
    refusal, _, listing = status["result"].partition("|")
    assert "denied" in refusal
    assert "report" not in listing


def test_default_execute_command_waits_for_a_person(sympozium_cluster: Cluster, namespace: str) -> None:
    """An instance without policyRef has the default policy."""
    script = say(COMMANDS, {"id": "end", "say": "{{result}}"})
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url, policy_ref=None)
        run(sympozium_cluster, namespace)
        waiting = sympozium_cluster.wait(
            AGENT_RUN, "run", lambda r: phase(r) not in ("", "Pending", "Queued", "Running"), namespace
        )
        assert phase(waiting) == "AwaitingApproval"
        assert waiting["status"]["policy"]["name"] == "default-policy"
        decide(sympozium_cluster, namespace, "Approved")
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded"
    assert "done" in status["result"]


def test_default_what_the_person_refuses_does_not_happen(sympozium_cluster: Cluster, namespace: str) -> None:
    script = say(COMMANDS, LOOKS, {"id": "end", "say": "[{{result}}]"})
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url, policy_ref=None)
        run(sympozium_cluster, namespace)
        decide(sympozium_cluster, namespace, "Denied")
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded"
    assert "done" not in status["result"]
