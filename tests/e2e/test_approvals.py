"""`ask`: the run waits for a person, and goes on or is refused by what the person decides."""

import pytest

from e2e.support import agent, decide, finished, policy, run, say, transcript
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, ApiError, Cluster, ScriptedModel, phase

ASK = {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]}
SCRIPT = say(
    {
        "id": "change",
        "call": [{"tool": "execute_command", "arguments": {"command": "echo changed > it; cat it"}}],
    },
    {"id": "end", "say": "answer: {{result|head(5)}}"},
)


@pytest.fixture
def waiting_run(sympozium_cluster: Cluster, namespace: str):
    policy(sympozium_cluster, namespace, toolGating=ASK)
    with ScriptedModel(SCRIPT) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        sympozium_cluster.wait(AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", namespace)
        yield namespace


def test_approved(sympozium_cluster: Cluster, waiting_run: str) -> None:
    decided = decide(sympozium_cluster, waiting_run, "Approved")
    assert decided["status"]["decidedBy"]
    assert decided["status"]["decidedAt"]
    status = finished(sympozium_cluster, waiting_run)["status"]
    assert status["phase"] == "Succeeded"
    assert "changed" in status["result"]
    record = transcript(sympozium_cluster, waiting_run)
    assert decided["status"]["decidedBy"] in record


def test_denied(sympozium_cluster: Cluster, waiting_run: str) -> None:
    decide(sympozium_cluster, waiting_run, "Denied")
    status = finished(sympozium_cluster, waiting_run)["status"]
    assert status["phase"] == "Succeeded"
    assert "denied" in status["result"].lower()
    assert "changed" not in status["result"]


def test_a_decision_is_made_once_and_its_author_is_not_chosen(
    sympozium_cluster: Cluster, waiting_run: str
) -> None:
    asked = sympozium_cluster.wait_any(APPROVAL_REQUEST, lambda a: True, waiting_run)
    name = asked["metadata"]["name"]
    forged = {
        "status": {"decision": "Approved", "decidedBy": "the-boss", "decidedAt": "2001-01-01T00:00:00Z"}
    }
    decided = sympozium_cluster.patch(APPROVAL_REQUEST, name, forged, waiting_run, subresource="status")
    assert decided["status"]["decidedBy"] != "the-boss"
    assert not decided["status"]["decidedAt"].startswith("2001")
    with pytest.raises(ApiError, match=r"already|second"):
        sympozium_cluster.patch(
            APPROVAL_REQUEST, name, {"status": {"decision": "Denied"}}, waiting_run, subresource="status"
        )
    finished(sympozium_cluster, waiting_run)


def test_it_expires_by_policy(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(sympozium_cluster, namespace, toolGating=ASK, approvals={"timeout": "1s", "onTimeout": "deny"})
    with ScriptedModel(SCRIPT) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded"
    assert "expired" in status["result"].lower()
    asked = sympozium_cluster.items(APPROVAL_REQUEST, namespace)
    assert [a["status"]["decision"] for a in asked] == ["Expired"]


def test_a_file_is_shown_as_a_diff(sympozium_cluster: Cluster, namespace: str) -> None:
    rules = [{"tool": "write_file", "action": "ask"}]
    policy(sympozium_cluster, namespace, toolGating={"defaultAction": "allow", "rules": rules})
    script = say(
        {"id": "a", "call": [{"tool": "execute_command", "arguments": {"command": "echo old > f"}}]},
        {"id": "b", "call": [{"tool": "write_file", "arguments": {"path": "./f", "content": "new\n"}}]},
        {"id": "c", "call": [{"tool": "execute_command", "arguments": {"command": "cat f"}}]},
        {"id": "end", "say": "answer: {{result|head(5)}}"},
    )
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        asked = sympozium_cluster.wait_any(APPROVAL_REQUEST, lambda a: True, namespace, timeout=60)
        assert asked["spec"]["args"]["path"] == "f"
        assert asked["spec"]["preview"]["kind"] == "diff"
        assert "-old\n+new" in asked["spec"]["preview"]["text"]
        name = asked["metadata"]["name"]
        shown = sympozium_cluster.sympozium("approvals", "show", name, "-n", namespace).stdout
        assert "what it would change:\n  f: replaced, 4 bytes instead of 4" in shown
        decide(sympozium_cluster, namespace, "Approved")
        assert finished(sympozium_cluster, namespace)["status"]["result"] == "answer: new"


def test_a_changed_policy_voids_what_waits_and_asks_anew(
    sympozium_cluster: Cluster, waiting_run: str
) -> None:
    first = sympozium_cluster.wait_any(APPROVAL_REQUEST, lambda a: True, waiting_run)
    changed = {**ASK, "rules": [{"tool": "execute_command", "action": "ask", "reason": "look twice"}]}
    policy(sympozium_cluster, waiting_run, toolGating=changed)
    second = sympozium_cluster.wait_any(
        APPROVAL_REQUEST,
        lambda a: a["spec"]["argsDigest"] != first["spec"]["argsDigest"],
        waiting_run,
        timeout=60,
    )
    assert second["spec"]["reason"] == "look twice"
    void = sympozium_cluster.wait(
        APPROVAL_REQUEST,
        first["metadata"]["name"],
        lambda a: (a.get("status") or {}).get("decision"),
        waiting_run,
    )
    assert (void["status"]["decision"], "policy changed" in void["status"]["comment"]) == ("Expired", True)
    decide(sympozium_cluster, waiting_run, "Approved")
    assert "changed" in finished(sympozium_cluster, waiting_run)["status"]["result"]


def test_the_command_line_shows_and_decides(sympozium_cluster: Cluster, waiting_run: str) -> None:
    asked = sympozium_cluster.wait_any(APPROVAL_REQUEST, lambda a: True, waiting_run)
    name = asked["metadata"]["name"]
    assert name in sympozium_cluster.sympozium("approvals", "list", "-n", waiting_run).stdout
    shown = sympozium_cluster.sympozium("approvals", "show", name, "-n", waiting_run).stdout
    assert "echo changed" in shown
    assert "the command as it would run:\n  in shell, directory .:" in shown
    sympozium_cluster.sympozium("approvals", "approve", name, "-n", waiting_run, "--comment", "fine")
    assert "changed" in finished(sympozium_cluster, waiting_run)["status"]["result"]
