"""What a run hands down, and that it holds beneath."""

from tests.unit.controllers.make import instance, policy, run

from sympozium.api.config import ConfigSpec
from sympozium.policy.admit import tool_policies
from sympozium.policy.lineage import handed_down

ABOVE = {
    "runName": "root", "sessionKey": "s", "spawnDepth": 3, "toolPolicies": [{"deny": ["c"]}],
    "policies": [{"namespace": "team", "name": "top"}, {"namespace": "team", "name": "p"}],
}  # fmt: skip


def find(key):
    """Every policy is there."""
    return policy(key[1])


def test_a_policy_from_above_stays_while_it_is_the_floor() -> None:
    above = {**ABOVE, "policies": [{"namespace": "sympozium-system", "name": "floor"}]}
    config = ConfigSpec(floor_policy_ref="floor")
    parent = handed_down(run(parent=above), instance(policyRef="p"), config, find)
    assert [key.name for key in parent.policies] == ["p", "floor"]


def test_a_run_that_nobody_started_hands_down_its_own() -> None:
    made = run(toolPolicy={"deny": ["a"]})
    parent = handed_down(made, instance(policyRef="p", toolPolicy={"deny": ["b"]}), ConfigSpec(), find)
    assert parent.to_json() == {
        "runName": "r", "sessionKey": "sre:r", "spawnDepth": 1,
        "policies": [{"namespace": "team", "name": "p"}],
        "toolPolicies": [{"deny": ["b"]}, {"deny": ["a"]}],
    }  # fmt: skip


def test_a_child_hands_down_all_that_it_got_each_once() -> None:
    child = run(parent=ABOVE)
    parent = handed_down(child, instance(policyRef="p", toolPolicy={"deny": ["c"]}), ConfigSpec(), find)
    assert parent.spawn_depth == 4
    assert [key.name for key in parent.policies] == ["p", "top"]
    assert [p.deny for p in parent.tool_policies] == [["c"]]


def test_tool_policies_from_above_hold_for_the_child() -> None:
    found = tool_policies(run(parent=ABOVE, toolPolicy={"deny": ["a"]}), instance(toolPolicy={"deny": ["b"]}))
    assert [p.deny for p in found] == [["b"], ["a"], ["c"]]
