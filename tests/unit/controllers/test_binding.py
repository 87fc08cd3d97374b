"""What binds a run that goes on: held or not, refused or not, and what its status says of both."""

import pytest

from sympozium.api.config import ConfigSpec
from sympozium.controllers.run.binding import Hold, Rules, current_condition, frozen_condition, hold, refused
from sympozium.controllers.run.fold import Applied, Held, Progress
from sympozium.policy import Effective
from unit.controllers.make import instance, policy, run

HELD = Hold("Suspended", "spec.suspend is true")
BOX = {"enabled": True, "resources": {"limits": {"memory": "1Gi"}}}


def rules(**spec: object) -> Rules:
    return Rules.of(Effective.of(policy(**spec)), [])


def against(spec: dict[str, object], **run_spec: object) -> list[str]:
    return refused(run(**run_spec), instance(), ConfigSpec(), Effective.of(policy(**spec)), {})


def test_a_missing_policy_holds_first_then_the_installation_then_the_run() -> None:
    suspended = run(suspend=True)
    assert hold(run(), ConfigSpec(), "") is None
    assert hold(suspended, ConfigSpec(), "") == HELD
    reasons = [hold(suspended, ConfigSpec(suspend=True), missing) for missing in ("", "policy p is gone")]
    assert [h.reason for h in reasons if h] == ["Stopped", "PolicyMissing"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"modelPolicy": {"allowedModels": ["other-*"]}}, "policy p allows other-*"),
        ({"sandboxPolicy": {"required": True}}, "requires a sandbox"),
    ],
)
def test_what_is_fixed_with_the_pod_is_refused(spec: dict[str, object], words: str) -> None:
    (found,) = against(spec)
    assert words in found


def test_a_limit_that_the_pod_was_made_without_is_refused_and_one_that_is_small_enough_is_not() -> None:
    assert against({"sandboxPolicy": {"required": False, "maxMemory": "2Gi"}}, sandbox=BOX) == []
    (low,) = against({"sandboxPolicy": {"required": False, "maxMemory": "512Mi"}}, sandbox=BOX)
    assert "1Gi is more than policy p allows" in low
    (without,) = against({"sandboxPolicy": {"required": False, "maxCPU": "1"}}, sandbox=BOX)
    assert without.startswith("spec.sandbox.resources.limits.cpu: the pod was made without a limit")
    assert against({"sandboxPolicy": {"required": False, "maxCPU": "1"}}, sandbox={"enabled": False}) == []


def test_tools_are_left_to_the_gate_and_a_policy_that_watches_ends_nothing() -> None:
    deny = {"toolGating": {"defaultAction": "deny", "rules": []}}
    assert against(deny, toolPolicy={"allow": ["read_file"]}) == []
    assert against({"modelPolicy": {"allowedModels": ["x"]}, "enforcement": "Audit"}) == []


def test_rules_differ_exactly_when_there_is_something_to_tell() -> None:
    narrower = Rules.of(Effective.of(policy()), [run(toolPolicy={"deny": ["x"]}).spec.tool_policy])  # type: ignore[list-item]
    assert rules().fingerprint == rules().fingerprint
    assert (
        len({rules().fingerprint, narrower.fingerprint, rules(approvals={"timeout": "5m"}).fingerprint}) == 3
    )


def test_frozen_is_true_only_by_the_tool_servers_word() -> None:
    held = Progress(held=Held(frozen=True, calls=("execute_command in shell for 2.1 s",)))
    asked = frozen_condition(HELD, Progress(), known=False)
    assert asked is not None
    assert (asked["status"], asked["reason"]) == ("Unknown", "Suspended")
    answered = frozen_condition(HELD, held, known=True)
    assert answered is not None
    assert answered["status"] == "True"
    assert answered["message"].endswith("in flight: execute_command in shell for 2.1 s")
    still = frozen_condition(None, held, known=True)
    assert still is not None
    assert (still["status"], still["reason"]) == ("Unknown", "Resuming")
    assert frozen_condition(None, Progress(), known=False) is None
    gone = frozen_condition(None, Progress(held=Held(frozen=False)), known=True)
    assert gone is not None
    assert (gone["status"], gone["reason"]) == ("False", "Resumed")


def test_current_says_what_is_enforced_and_what_is_not_yet() -> None:
    wanted = rules()
    assert current_condition(wanted, None, Progress(), answered=True, known=False) is None
    applied = current_condition(wanted, None, Progress(), answered=True, known=True)
    assert applied is not None
    assert (applied["status"], applied["reason"]) == ("True", "Applied")
    before = Progress(applied=Applied("p", 2, "sha256:x", 1))
    sent = current_condition(wanted, None, before, answered=False, known=True)
    assert sent is not None
    assert (sent["status"], sent["reason"]) == ("False", "Sent")
    assert "policy p, generation 3" in sent["message"]
    assert "judges by generation 2 of p" in sent["message"]
    missing = current_condition(None, Hold("PolicyMissing", "p is gone"), before, answered=True, known=True)
    assert missing is not None
    assert (missing["reason"], missing["message"]) == ("PolicyMissing", "p is gone")
