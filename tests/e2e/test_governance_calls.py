"""Each field of SympoziumPolicy that the tool server holds at the call.

The attacks on it are in tests/hostile, with canaries; here is what the model and the person are told, and what the
corpus cannot show: a policy that only watches, and who is asked.
"""

import json
from typing import Any

import pytest

from e2e.support import agent, finished, policy, run, say
from sympozium.testing import APPROVAL_REQUEST, Cluster, ScriptedModel


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"id": f"{tool}", "call": [{"tool": tool, "arguments": arguments}]}


def played(cluster: Cluster, namespace: str, spec: dict[str, Any], *steps: dict[str, Any]) -> str:
    """The result of a run that makes these calls: `name of step=what it answered`, by lines."""
    policy(cluster, namespace, **spec)
    answers = "\n".join(f"{step['id']}={{{{result_of_{step['id']}|words}}}}" for step in steps)
    with ScriptedModel(say(*steps, {"id": "end", "say": answers})) as model:
        agent(cluster, namespace, model.base_url)
        run(cluster, namespace)
        status = finished(cluster, namespace)["status"]
    assert status["phase"] == "Succeeded", status
    return str(status["result"])


def events(cluster: Cluster, namespace: str, kind: str) -> list[dict[str, Any]]:
    lines = cluster.sympozium("logs", "run", "-n", namespace, "-o", "json").stdout.splitlines()
    return [event["data"] for event in map(json.loads, lines) if event["type"] == kind]


def test_a_refusal_has_the_rule_and_its_reason(sympozium_cluster: Cluster, namespace: str) -> None:
    rule = {"tool": "write_file", "action": "deny", "reason": "reports are made by people"}
    said = played(
        sympozium_cluster, namespace, {"toolGating": {"defaultAction": "allow", "rules": [rule]}},
        call("write_file", path="a", content="b"), call("list_directory", path="."),
    )  # fmt: skip
    assert "reports are made by people" in said
    assert "list_directory=[empty directory]" in said
    (intent, _) = events(sympozium_cluster, namespace, "tool.intent")
    assert intent["verdict"]["action"] == "deny"
    assert "open" in intent["verdict"]["rule"]


def test_a_condition_is_about_the_arguments(sympozium_cluster: Cluster, namespace: str) -> None:
    rules = [{"tool": "write_file", "action": "allow", "when": "args.path.startsWith('reports/')"}]
    said = played(
        sympozium_cluster, namespace, {"toolGating": {"defaultAction": "deny", "rules": [*rules, {"tool": "read_file", "action": "allow"}]}},
        call("write_file", path="reports/a", content="b"),
        call("write_file", path="secrets/a", content="b") | {"id": "other"},
        call("read_file", path="secrets/a"),
    )  # fmt: skip
    assert "write_file=created reports/a" in said
    assert "other=error: denied" in said
    assert "secrets/a" in said.partition("read_file=")[2]


def test_a_condition_that_fails_denies(sympozium_cluster: Cluster, namespace: str) -> None:
    """It does not fall to the next rule, which would allow."""
    rules = [
        {"tool": "list_directory", "action": "deny", "when": "args.nothing == 'x'"},
        {"tool": "*", "action": "allow"},
    ]
    said = played(
        sympozium_cluster, namespace, {"toolGating": {"defaultAction": "allow", "rules": rules}},
        call("list_directory", path="."),
    )  # fmt: skip
    assert "list_directory=error: denied" in said


def test_fetch_url_goes_only_where_the_network_policy_allows(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    said = played(
        sympozium_cluster, namespace,
        {"networkPolicy": {"denyAll": True, "allowedEgress": [{"host": "8.8.4.4", "port": 443}]}},
        call("fetch_url", url="http://8.8.8.8/"), call("fetch_url", url="http://8.8.4.4:80/") | {"id": "port"},
    )  # fmt: skip
    for line in said.splitlines():
        assert "networkPolicy.allowedEgress" in line


@pytest.mark.parametrize("action", ["deny", "ask"])
def test_a_policy_that_only_watches_lets_pass_and_records(
    sympozium_cluster: Cluster, namespace: str, action: str
) -> None:
    spec = {
        "toolGating": {"defaultAction": "allow", "rules": [{"tool": "write_file", "action": action}]},
        "enforcement": "Audit",
    }
    said = played(sympozium_cluster, namespace, spec, call("write_file", path="a", content="b"))
    assert "created a" in said
    assert sympozium_cluster.items(APPROVAL_REQUEST, namespace) == []
    (intent,) = events(sympozium_cluster, namespace, "tool.intent")
    assert intent["verdict"]["action"] == "allow"
    assert intent["verdict"]["audited"]["action"] == action


def test_who_is_asked_sees_the_rules_reason(sympozium_cluster: Cluster, namespace: str) -> None:
    spec = {
        "toolGating": {
            "defaultAction": "allow",
            "rules": [{"tool": "write_file", "action": "ask", "reason": "writes go by people"}],
        },
        "approvals": {"timeout": "1s"},
    }
    said = played(sympozium_cluster, namespace, spec, call("write_file", path="a", content="b"))
    assert "created" not in said
    (asked,) = sympozium_cluster.items(APPROVAL_REQUEST, namespace)
    assert asked["spec"]["reason"] == "writes go by people"
    assert asked["status"]["decision"] == "Expired"
