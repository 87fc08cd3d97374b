"""A change of the policy binds a run that goes on: what was allowed a moment ago is refused at the next call."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.support import agent, answers, asked, call, decided, finished, own_namespace, policy, run, tell
from sympozium.testing import Cluster, ScriptedModel

ASK = {"tool": "execute_command", "action": "ask"}
RULE = {"tool": "write_*", "action": "deny"}
CONDITION = {"tool": "*", "action": "deny", "when": "has(args.path) && args.path == 'a'"}
# By what makes the policy tighter than it was: the policy, and the call that was allowed until then.
TIGHTER: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "a_rule": (
        {"defaultAction": "allow", "rules": [ASK, RULE]}, "write_file", {"path": "b", "content": "x"},
    ),
    "a_condition": (
        {"defaultAction": "allow", "rules": [ASK, RULE, CONDITION]}, "read_file", {"path": "a"},
    ),
    "the_default": (
        {"defaultAction": "deny", "rules": [ASK, {"tool": "read_file", "action": "allow"}]}, "list_directory", {"path": "."},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(sympozium_cluster: Cluster) -> Iterator[dict[str, str]]:
    """What the calls of a run answered, each before and after the policy was edited. A call that a person must decide holds
    the run meanwhile; it is void with the policy, and asked anew under the one that holds.
    """
    cluster = sympozium_cluster
    steps = [call("write_file", "before_a_rule", path="a", content="x")]
    steps += [call(tool, f"before_{case}", **args) for case, (_, tool, args) in list(TIGHTER.items())[1:]]
    for case, (_, tool, args) in TIGHTER.items():
        steps += [call("execute_command", f"hold_{case}", command=f"echo {case}"), call(tool, case, **args)]
        if tool == "write_file":
            steps.append(call("list_directory", "look", path="."))
    with own_namespace(cluster) as namespace:
        policy(cluster, namespace, toolGating={"defaultAction": "allow", "rules": [ASK]})
        with ScriptedModel(tell(*steps)) as model:
            agent(cluster, namespace, model.base_url)
            run(cluster, namespace)
            for case, (tighter, _, _) in TIGHTER.items():
                held = asked(cluster, namespace, command=f"echo {case}")
                policy(cluster, namespace, toolGating=tighter)
                anew = asked(
                    cluster, namespace, command=f"echo {case}", not_digest=held["spec"]["argsDigest"]
                )
                decided(cluster, anew, "Approved")
            yield answers(finished(cluster, namespace))


@pytest.mark.parametrize("case", TIGHTER)
def test_a_changed_rule_binds_the_next_call(told: dict[str, str], case: str) -> None:
    assert "error" not in told[f"before_{case}"]
    assert case in told[f"hold_{case}"]
    assert "denied" in told[case]


def test_what_is_refused_does_not_happen(told: dict[str, str]) -> None:
    assert told["look"] == "a 1 bytes"
