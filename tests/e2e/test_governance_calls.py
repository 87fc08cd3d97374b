"""Each field of SympoziumPolicy that the tool server holds at the call.

The attacks on it are in tests/hostile, with canaries; here is what the model is told, and what the corpus cannot show: a
policy that only watches. What a person is shown who is asked is in test_approvals.py.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.support import agent, answers, call, finished, own_namespace, policy, run, tell
from sympozium.testing import APPROVAL_REQUEST, Cluster, ScriptedModel

RULES = [
    {"tool": "write_file", "action": "deny", "when": "args.path == 'plan'", "reason": "plans are made by people"},
    {"tool": "write_file", "action": "allow", "when": "args.path.startsWith('reports/')"},
    {"tool": "execute_command", "action": "deny", "when": "args.nothing == 'x'"},
    *({"tool": tool, "action": "allow"} for tool in ("execute_*", "read_file", "list_directory", "fetch_url")),
]  # fmt: skip
STRICT = {
    "toolGating": {"defaultAction": "deny", "rules": RULES},
    "networkPolicy": {"denyAll": True, "allowedEgress": [{"host": "8.8.4.4", "port": 443}]},
}
CALLS = (
    call("write_file", "plan", path="plan", content="b"),
    call("list_directory", path="."),
    call("write_file", "report", path="reports/a", content="b"),
    call("write_file", "secret", path="secrets/a", content="b"),
    call("read_file", path="secrets/a"),
    call("execute_command", command="true"),
    call("fetch_url", "host", url="http://8.8.8.8/"),
    call("fetch_url", "port", url="http://8.8.4.4:80/"),
)
WATCHES = {
    "toolGating": {
        "defaultAction": "allow",
        "rules": [{"tool": "write_file", "action": "deny"}, {"tool": "list_directory", "action": "ask"}],
    },
    "enforcement": "Audit",
}
WATCHED = (call("write_file", "deny", path="a", content="b"), call("list_directory", "ask", path="."))


@pytest.fixture(scope="module")
def shared(sympozium_cluster: Cluster) -> Iterator[str]:
    with own_namespace(sympozium_cluster) as name:
        yield name


Played = tuple[dict[str, str], dict[str, dict[str, Any]]]


def played(
    cluster: Cluster, namespace: str, name: str, spec: dict[str, Any], *steps: dict[str, Any]
) -> Played:
    """A run of that name that makes these calls: what each answered, and the verdict on it, by the ids of the steps."""
    policy(cluster, namespace, name, **spec)
    with ScriptedModel(tell(*steps)) as model:
        agent(cluster, namespace, model.base_url, name=name, policy_ref=name)
        run(cluster, namespace, instance=name, name=name)
        said = answers(finished(cluster, namespace, name))
    lines = cluster.sympozium("logs", name, "-n", namespace, "-o", "json").stdout.splitlines()
    intents = [e["data"]["verdict"] for e in map(json.loads, lines) if e["type"] == "tool.intent"]
    return said, dict(zip((step["id"] for step in steps), intents, strict=True))


@pytest.fixture(scope="module")
def strict(sympozium_cluster: Cluster, shared: str) -> Played:
    return played(sympozium_cluster, shared, "strict", STRICT, *CALLS)


@pytest.fixture(scope="module")
def watched(sympozium_cluster: Cluster, shared: str) -> Played:
    return played(sympozium_cluster, shared, "watches", WATCHES, *WATCHED)


def test_a_refusal_has_the_rule_and_its_reason(strict: Played) -> None:
    said, verdicts = strict
    assert "plans are made by people" in said["plan"]
    assert said["list_directory"] == "[empty directory]"
    assert verdicts["plan"]["action"] == "deny"
    assert "strict: toolGating.rules[0]" in verdicts["plan"]["rule"]


def test_a_condition_is_about_the_arguments(strict: Played) -> None:
    said, _ = strict
    assert "created reports/a" in said["report"]
    assert "error: denied" in said["secret"]
    assert "secrets/a" in said["read_file"]
    assert "error" in said["read_file"]


def test_a_condition_that_fails_denies(strict: Played) -> None:
    """It does not fall to the next rule, which would allow."""
    said, verdicts = strict
    assert "error: denied" in said["execute_command"]
    assert "strict: toolGating.rules[2]" in verdicts["execute_command"]["rule"]


@pytest.mark.parametrize("case", ["host", "port"])
def test_fetch_url_goes_only_where_the_network_policy_allows(strict: Played, case: str) -> None:
    said, _ = strict
    assert "networkPolicy.allowedEgress" in said[case]


@pytest.mark.parametrize("action", ["deny", "ask"])
def test_a_policy_that_only_watches_lets_pass_and_records(
    sympozium_cluster: Cluster, shared: str, watched: Played, action: str
) -> None:
    said, verdicts = watched
    assert "created a" in said["deny"]
    assert said["ask"] == "a 1 bytes"
    assert sympozium_cluster.items(APPROVAL_REQUEST, shared) == []
    assert verdicts[action]["action"] == "allow"
    assert verdicts[action]["audited"]["action"] == action
