"""What GitOps tools make of our objects, in good and in bad states: kstatus and Argo CD's health, on real statuses."""

import pytest

from cluster.control_support import STARTED, STEP, SYSTEM, Control, control, ns
from cluster.health_rules import argo, kstatus
from sympozium.api.registry import KINDS
from sympozium.testing.client import Object
from sympozium.testing.resources import (
    AGENT_RUN,
    BY_KIND,
    POLICY,
    SYMPOZIUM_CONFIG,
)

__all__ = ["control", "ns"]

API = "sympozium.ai/v1alpha1"
GOOD, WORKS, BAD, ASKS = (
    ("Current", "Healthy"),
    ("InProgress", "Progressing"),
    ("Failed", "Degraded"),
    ("InProgress", "Suspended"),
)
BAD_CEL = {"toolGating": {"rules": [{"tool": "x", "action": "allow", "when": "args."}]}}
PERSONA = {"name": "one", "systemPrompt": "You look."}
EVENTS = {"kubernetesEvent": {"reasons": ["BackOff"]}}
SKILL = {"skills": [{"name": "s", "content": "Look."}]}

# kind, spec, what it becomes. `sre` is an instance that is there; the ConfigMap `skill-taken` is somebody else's.
STATES: list[tuple[str, str, Object, tuple[str, str]]] = [
    ("SympoziumInstance", "good", {"agents": {"default": {"model": "m"}}}, GOOD),
    ("SympoziumInstance", "waits", {"agents": {"default": {"model": "m"}}, "policyRef": "not-yet"}, WORKS),
    ("SympoziumPolicy", "good", {"toolGating": {"defaultAction": "deny"}}, GOOD),
    ("SympoziumPolicy", "bad", BAD_CEL, BAD),
    ("SkillPack", "good", SKILL, GOOD),
    ("SkillPack", "taken", SKILL, BAD),
    ("SympoziumSchedule", "good", {"instanceRef": "sre", "schedule": "0 0 1 1 *", "task": "t"}, GOOD),
    ("SympoziumSchedule", "off", {"instanceRef": "sre", "schedule": "0 0 1 1 *", "task": "t", "suspend": True}, GOOD),
    ("SympoziumSchedule", "waits", {"instanceRef": "not-yet", "schedule": "0 0 1 1 *", "task": "t"}, WORKS),
    ("SympoziumSchedule", "bad", {"instanceRef": "sre", "schedule": "0 99 1 1 *", "task": "t"}, BAD),
    ("PersonaPack", "good", {"enabled": True, "personas": [PERSONA]}, GOOD),
    ("PersonaPack", "catalogue", {"enabled": False, "personas": [PERSONA]}, GOOD),
    ("PersonaPack", "waits", {"enabled": True, "personas": [PERSONA]}, WORKS),
    ("SympoziumTrigger", "good", {"instanceRef": "sre", "task": "t", "source": EVENTS}, GOOD),
    ("SympoziumTrigger", "off", {"instanceRef": "sre", "task": "t", "source": EVENTS, "suspend": True}, GOOD),
    ("SympoziumTrigger", "waits", {"instanceRef": "not-yet", "task": "t", "source": EVENTS}, WORKS),
    ("SympoziumConfig", "another", {}, BAD),
]  # fmt: skip


def _seen(obj: Object) -> bool:
    return (obj.get("status") or {}).get("observedGeneration") == obj["metadata"]["generation"]


def _judged(obj: Object) -> tuple[str, str]:
    return kstatus(obj), argo(obj)[0]


@pytest.fixture
def team(control: Control, ns: str) -> str:
    """A namespace with an agent, and with objects that are in the way of two others."""
    control.instance(ns)
    control.instance(ns, name="waits-one")
    control.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "skill-taken", "namespace": ns}}
    )
    return ns


def test_every_kind_is_judged_by_what_its_status_says(control: Control, team: str) -> None:
    for kind, name, spec, _ in STATES:
        control.apply(
            {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": team}, "spec": spec}
        )
    for kind, name, _, expected in STATES:
        found = control.wait(BY_KIND[kind], name, _seen, team)
        assert _judged(found) == expected, (kind, name, found["status"])
    assert _judged(control.wait(SYMPOZIUM_CONFIG, "default", _seen, SYSTEM)) == GOOD
    # Runs and decisions have their own tests below.
    assert {k.kind for k in KINDS} - {state[0] for state in STATES} == {"AgentRun", "ApprovalRequest"}


def test_what_is_mended_is_current_again(control: Control, team: str) -> None:
    control.apply(
        {
            "apiVersion": API,
            "kind": "SympoziumPolicy",
            "metadata": {"name": "p", "namespace": team},
            "spec": BAD_CEL,
        }
    )
    control.wait(POLICY, "p", lambda o: kstatus(o) == "Failed", team)
    control.apply(
        {
            "apiVersion": API,
            "kind": "SympoziumPolicy",
            "metadata": {"name": "p", "namespace": team},
            "spec": {},
        }
    )
    mended = control.wait(POLICY, "p", lambda o: _seen(o) and kstatus(o) == "Current", team)
    assert {c["type"] for c in mended["status"]["conditions"]} == {"Ready"}


def test_a_run_is_in_progress_until_it_succeeds(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns, suspend=True)
    queued = control.wait_run("r", ns, "Queued")
    assert _judged(queued) == ASKS
    control.patch(AGENT_RUN, "r", {"spec": {"suspend": False}}, ns)
    control.running("r", ns)
    control.say("r", ns, "agent", STARTED, STEP)
    assert _judged(control.wait_run("r", ns, "Running")) == WORKS
    control.succeed("r", ns)
    ended = control.wait_run("r", ns, lambda r: "CleanedUp" in {c["type"] for c in r["status"]["conditions"]})
    assert (_judged(ended), argo(ended)[1]) == (GOOD, "Succeeded")
    # What may still be written into an ended run is seen, so nobody waits for it for ever.
    control.patch(AGENT_RUN, "r", {"spec": {"cancel": True}}, ns)
    assert _judged(control.wait_run("r", ns, _seen)) == GOOD


def test_a_run_that_has_no_result_is_degraded(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns, suspend=True)
    control.wait_run("r", ns, "Queued")
    control.patch(AGENT_RUN, "r", {"spec": {"cancel": True}}, ns)
    cancelled = control.wait_run("r", ns, "Cancelled")
    assert (_judged(cancelled), argo(cancelled)[1]) == (BAD, "cancelled before it started")
    control.run(ns, name="lost", instanceRef="gone")
    failed = control.wait_run("lost", ns, "Failed")
    assert _judged(failed) == BAD
    assert "SympoziumInstance gone" in argo(failed)[1]


def test_a_call_that_waits_for_a_person_suspends_the_run_and_asks(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns)
    control.running("r", ns)
    call = {"callId": "c1", "tool": "execute_command", "target": "shell", "args": {}, "argsDigest": "sha256:" + "a" * 64,
            "reason": "asks", "expiresIn": 3600}  # fmt: skip
    control.say("r", ns, "agent", STARTED, STEP)
    control.say("r", ns, "tools", ("approval", call))
    assert _judged(control.wait_run("r", ns, "AwaitingApproval")) == ASKS
    (asked,) = control.items(BY_KIND["ApprovalRequest"], ns)
    assert (_judged(asked)) == ("Current", "Suspended")
    control.patch(
        BY_KIND["ApprovalRequest"],
        asked["metadata"]["name"],
        {"status": {"decision": "Denied"}},
        ns,
        subresource="status",
    )
    (decided,) = control.items(BY_KIND["ApprovalRequest"], ns)
    assert argo(decided) == ("Healthy", "Denied")
