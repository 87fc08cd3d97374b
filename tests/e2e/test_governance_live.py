"""A change of the policy binds a run that goes on: what was allowed a moment ago is refused at the next call."""

import pytest

from e2e.support import agent, decide, finished, policy, run, say
from sympozium.testing import AGENT_RUN, ApiError, Cluster, ScriptedModel, phase

ASK = {"tool": "execute_command", "action": "ask"}
STEPS = (
    {"id": "before", "call": [{"tool": "write_file", "arguments": {"path": "a", "content": "x"}}]},
    {"id": "hold", "call": [{"tool": "execute_command", "arguments": {"command": "true"}}]},
    {"id": "after", "call": [{"tool": "write_file", "arguments": {"path": "b", "content": "x"}}]},
    {"id": "look", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]},
    {"id": "end", "say": "{{result_of_before}}|{{result_of_after}}|{{result_of_look}}"},
)


def _approve(cluster: Cluster, namespace: str) -> None:
    """What was asked under the former policy is void, and asked anew under the one that holds; which of the two is met
    first is not ours to say.
    """
    for _ in range(3):
        try:
            decide(cluster, namespace, "Approved")
        except ApiError as failure:
            assert "decided already" in str(failure)  # noqa: PT017 - the next one is asked for
        else:
            return
    raise AssertionError("three requests were decided by somebody else")


@pytest.mark.parametrize(
    "tighter",
    [
        {"toolGating": {"defaultAction": "allow", "rules": [ASK, {"tool": "write_*", "action": "deny"}]}},
        {"toolGating": {"defaultAction": "allow", "rules": [ASK, {"tool": "*", "action": "deny", "when": "has(args.content)"}]}},
        {"toolGating": {"defaultAction": "deny", "rules": [ASK, {"tool": "list_directory", "action": "allow"}]}},
    ],
    ids=["a rule", "a condition", "the default"],
)  # fmt: skip
def test_a_changed_rule_binds_the_next_call(
    sympozium_cluster: Cluster, namespace: str, tighter: dict[str, object]
) -> None:
    """The run is held by a call that a person must decide; meanwhile the policy is edited."""
    policy(sympozium_cluster, namespace, toolGating={"defaultAction": "allow", "rules": [ASK]})
    with ScriptedModel(say(*STEPS)) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        held = sympozium_cluster.wait(
            AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", namespace, timeout=90
        )
        before = held["status"]["policy"]["generation"]
        policy(sympozium_cluster, namespace, **tighter)
        sympozium_cluster.wait(
            AGENT_RUN, "run", lambda r: r["status"]["policy"]["generation"] > before, namespace
        )
        _approve(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded", status
    first, second, listing = status["result"].split("|")
    assert "created a" in first
    assert "denied" in second
    assert "a " in listing
    assert "b " not in listing
