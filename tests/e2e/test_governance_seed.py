"""The two policies that come with an installation behave as they were described from the beginning."""

from collections.abc import Iterator

import pytest

from e2e.support import agent, answers, asked, call, decided, finished, own_namespace, run, say, tell
from sympozium.testing import AGENT_RUN, JOB, POD, ApiError, Cluster, ScriptedModel, phase
from sympozium.testing.client import Object

WRITES = {"id": "write", "call": [{"tool": "write_file", "arguments": {"path": "report", "content": "x"}}]}
LOOKS = {"id": "look", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]}


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


@pytest.fixture(scope="module")
def waited(sympozium_cluster: Cluster) -> Iterator[tuple[Object, dict[str, str]]]:
    """A run of an instance without policyRef, which has the default policy: as it waited, and what its calls answered when
    a person had approved the first of them and refused the second.
    """
    cluster = sympozium_cluster
    steps = [call("execute_command", name, command=f"touch {name}; ls") for name in ("first", "second")]
    with own_namespace(cluster) as namespace, ScriptedModel(tell(*steps, LOOKS)) as model:
        agent(cluster, namespace, model.base_url, policy_ref=None)
        run(cluster, namespace)
        waiting = cluster.wait(
            AGENT_RUN,
            "run",
            lambda r: phase(r) not in ("", "Pending", "Queued", "Running"),
            namespace,
            timeout=90,
        )
        decided(cluster, asked(cluster, namespace, command="touch first; ls"), "Approved")
        decided(cluster, asked(cluster, namespace, command="touch second; ls"), "Denied")
        yield waiting, answers(finished(cluster, namespace))


def test_default_execute_command_waits_for_a_person(waited: tuple[Object, dict[str, str]]) -> None:
    waiting, said = waited
    assert phase(waiting) == "AwaitingApproval"
    assert waiting["status"]["policy"]["name"] == "default-policy"
    assert "first" in said["first"]


def test_default_what_the_person_refuses_does_not_happen(waited: tuple[Object, dict[str, str]]) -> None:
    _, said = waited
    assert "denied" in said["second"]
    assert said["look"] == "first 0 bytes"
