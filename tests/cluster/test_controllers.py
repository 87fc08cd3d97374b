"""The controllers on a real API and a real bus, under the rights that the install manifests give them."""

import base64
import json
import signal

import pytest

from cluster.control_support import STARTED, STEP, SYSTEM, TERMINAL, USAGE, Control, control, jobs_of, ns
from sympozium.bus.errors import BusError
from sympozium.bus.publisher import Publisher
from sympozium.kube.resources import CLUSTER_ROLES, NETWORK_POLICIES
from sympozium.testing.client import ApiError, Object, phase
from sympozium.testing.resources import (
    AGENT_RUN,
    APPROVAL_REQUEST,
    CONFIG_MAP,
    EVENT,
    INSTANCE,
    JOB,
    PERSONA_PACK,
    POD,
    POLICY,
    SCHEDULE,
    SECRET,
    SERVICE_ACCOUNT,
    SKILL_PACK,
    SYMPOZIUM_CONFIG,
)
from sympozium.testing.waiting import until

__all__ = ["control", "ns"]


def true(obj: Object) -> set[str]:
    return {c["type"] for c in (obj.get("status") or {}).get("conditions") or () if c["status"] == "True"}


def cleaned(obj: Object) -> bool:
    return phase(obj) in TERMINAL and "CleanedUp" in true(obj)


def has_job(run: Object) -> bool:
    return bool((run.get("status") or {}).get("jobName"))


# -- runs


def test_a_run_succeeds_and_leaves_its_status_and_its_history(control: Control, ns: str) -> None:
    control.instance(ns, authRefs=[{"secret": "llm"}], skills=[{"skillPackRef": "k8s-ops"}])
    control.run(ns, skills=[{"skillPackRef": "k8s-ops"}])
    control.wait_run("r", ns, "Pending")
    control.succeed("r", ns)
    status = control.wait_run("r", ns, cleaned)["status"]
    assert (status["phase"], status["reason"], status["result"]) == ("Succeeded", "Completed", "all well")
    assert (status["steps"], status["exitCode"]) == (1, 0)
    assert (status["policy"]["name"], status["policy"]["generation"]) == ("default-policy", 1)
    assert status["tokenUsage"]["totalTokens"] == 120
    selector = {"labelSelector": "sympozium.ai/run=r"}
    for resource in (SECRET, SERVICE_ACCOUNT, CONFIG_MAP, JOB):
        assert control.items(resource, ns, **selector) == []
    roles = [
        r
        for r in control.items(CLUSTER_ROLES)
        if (r["metadata"].get("labels") or {}).get("sympozium.ai/run-namespace") == ns
    ]
    assert roles == []


def test_a_deleted_run_goes_with_all_that_it_had(control: Control, ns: str) -> None:
    control.instance(ns, skills=[{"skillPackRef": "k8s-ops"}])
    control.run(ns, skills=[{"skillPackRef": "k8s-ops"}], cleanup="keep")
    control.running("r", ns)
    control.say("r", ns, "agent", STARTED, STEP)
    control.wait_run("r", ns, lambda run: (run.get("status") or {}).get("steps") == 1)
    control.delete(AGENT_RUN, "r", ns)
    control.wait_gone(JOB, "r", ns)
    control.reap(ns, "r")
    control.wait_gone(AGENT_RUN, "r", ns)
    for resource in (SECRET, SERVICE_ACCOUNT, CONFIG_MAP, JOB, POD):
        control.wait_none(resource, ns)


def test_what_ended_cannot_speak_any_more(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns)
    control.wait_run("r", ns, has_job)
    credentials = control.credentials("r", ns, "agent")
    control.succeed("r", ns)
    control.wait_run("r", ns, cleaned)
    with pytest.raises(BusError):
        control.loop.run(Publisher.open(credentials))


def test_a_skill_has_its_rights_for_the_length_of_the_run(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns, skills=[{"skillPackRef": "k8s-ops"}])
    control.wait_run("r", ns, has_job)
    data = control.get(SECRET, "r-skill-k8s-ops", ns)["data"]
    token = base64.b64decode(data["token"]).decode()
    assert base64.b64decode(data["namespace"]).decode() == ns
    assert control.ask("GET", "/api/v1/pods", token=token).status_code == 200
    assert control.ask("GET", f"/api/v1/namespaces/{ns}/secrets", token=token).status_code == 403
    assert (
        control.ask("GET", f"/apis/sympozium.ai/v1alpha1/namespaces/{ns}/agentruns", token=token).status_code
        == 403
    )
    control.succeed("r", ns)
    control.wait_run("r", ns, cleaned)
    # A real kube-apiserver goes on knowing a token for some seconds; its rights are gone at once.
    assert control.ask("GET", "/api/v1/pods", token=token).status_code in {401, 403}
    until(lambda: control.ask("GET", "/api/v1/pods", token=token).status_code == 401, "the token is refused")


def test_rights_beyond_the_administrators_bound_are_cut_and_said(control: Control, ns: str) -> None:
    wants = [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    ]
    control.apply(
        {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumPolicy", "metadata": {"name": "wide", "namespace": ns},
         "spec": {"rbacPolicy": {"allow": wants}}}
    )  # fmt: skip
    control.apply(
        {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SkillPack", "metadata": {"name": "greedy", "namespace": ns},
         "spec": {"skills": [{"name": "g", "content": "x"}], "sidecar": {"image": "i", "clusterRBAC": wants}}}
    )  # fmt: skip
    control.instance(ns, policyRef="wide")
    control.run(ns, skills=[{"skillPackRef": "greedy"}])
    run = control.wait_run("r", ns, lambda run: "RightsCut" in true(run) and has_job(run))
    (cut,) = [c for c in run["status"]["conditions"] if c["type"] == "RightsCut"]
    assert "greedy may not get secrets" in cut["message"]
    token = base64.b64decode(control.get(SECRET, "r-skill-greedy", ns)["data"]["token"]).decode()
    assert control.ask("GET", f"/api/v1/namespaces/{ns}/secrets/x", token=token).status_code == 403
    assert control.ask("GET", f"/api/v1/namespaces/{ns}/pods/x", token=token).status_code == 404


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"skills": [{"skillPackRef": "nope"}]}, "SkillPack nope is not in"),
        ({"instanceRef": "nobody"}, "SympoziumInstance nobody is not in"),
    ],
)
def test_a_run_that_cannot_be_planned_says_why(control: Control, ns: str, spec: Object, words: str) -> None:
    control.instance(ns)
    control.run(ns, **spec)
    status = control.wait_run("r", ns, "Failed")["status"]
    assert status["reason"] == "PlanFailed"
    assert words in status["error"]


def test_an_image_that_is_not_there_fails_the_run_and_stops_its_pod(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns, cleanup="keep")
    pod = control.pod_of("r", ns)
    control.report(
        pod, {"waiting": {"reason": "ErrImageNeverPull", "message": "images are: x"}}, pod_phase="Pending"
    )
    status = control.wait_run("r", ns, cleaned)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "ImageUnavailable")
    assert "images are: x" in status["error"]
    assert control.get(JOB, "r", ns)["spec"]["suspend"] is True


def test_a_cancelled_run_is_told_and_stopped(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns)
    control.running("r", ns)
    control.wait_run("r", ns, "Running")
    heard = control.hear("r", ns)
    control.patch(AGENT_RUN, "r", {"spec": {"cancel": True}}, ns)
    assert heard.result(30).type == "run.cancel"
    control.reap(ns, "r")
    assert control.wait_run("r", ns, cleaned)["status"]["phase"] == "Cancelled"
    with pytest.raises(ApiError, match="terminal phase never changes"):
        control.patch(AGENT_RUN, "r", {"status": {"phase": "Succeeded"}}, ns, subresource="status")


def test_runs_wait_their_turn_and_say_for_what(control: Control, ns: str) -> None:
    control.configure(queue={"maxConcurrentRunsPerInstance": 1})
    try:
        control.instance(ns)
        control.run(ns, "first")
        control.wait_run("first", ns, "Pending")
        control.run(ns, "second")
        queued = control.wait_run("second", ns, "Queued")["status"]
        assert queued["queue"] == {"position": 0, "reason": "instance sre has 1 of 1 runs at the same time"}
        control.succeed("first", ns)
        control.wait_run("second", ns, lambda run: has_job(run) and "queue" not in run["status"])
    finally:
        control.configure()


def test_a_suspended_run_starts_when_it_may(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns, suspend=True)
    assert control.wait_run("r", ns, "Queued")["status"]["reason"] == "Suspended"
    control.patch(AGENT_RUN, "r", {"spec": {"suspend": False}}, ns)
    control.wait_run("r", ns, has_job)


def test_a_closed_network_is_open_to_bus_and_model(control: Control, ns: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "llm", "namespace": ns},
              "data": {"OPENAI_BASE_URL": base64.b64encode(b"http://10.1.2.3:4000/v1").decode()}}  # fmt: skip
    control.apply(secret)
    control.instance(ns, policyRef="restrictive-policy", authRefs=[{"secret": "llm"}])
    control.run(ns)
    waiting = control.wait_run("r", ns, lambda r: (r.get("status") or {}).get("reason") == "ProbingNetwork")
    assert phase(waiting) == "Pending"
    control.answer_the_probe(opened=10, closed=11)
    control.wait_run("r", ns, has_job)
    rules = control.get(NETWORK_POLICIES, "r", ns)["spec"]["egress"]
    cidrs = [rule["to"][0]["ipBlock"]["cidr"] for rule in rules if "ipBlock" in rule["to"][0]]
    assert cidrs == ["127.0.0.1/32", "10.1.2.3/32"]
    config = control.get(SYMPOZIUM_CONFIG, "default", SYSTEM)
    assert "NetworkPolicyEnforced" in true(config)
    # The next one does not wait.
    control.run(ns, "again")
    control.wait_run("again", ns, has_job)


# -- approvals


def _asks(control: Control, ns: str, *, expires: float = 600) -> Object:
    control.instance(ns)
    control.run(ns)
    control.running("r", ns)
    digest = "sha256:" + "a" * 64
    control.say(
        "r", ns, "tools",
        ("tool.approval", {"callId": "c/1", "tool": "execute_command", "state": "waiting"}),
        ("approval", {"callId": "c/1", "tool": "execute_command", "target": "k8s-ops", "args": {"command": "rm"},
                      "argsDigest": digest, "reason": "policy", "expiresIn": expires}),
    )  # fmt: skip
    return control.wait_any(APPROVAL_REQUEST, lambda obj: obj["spec"]["runRef"] == "r", ns)


def test_a_decision_reaches_the_run_also_when_the_controllers_died_meanwhile(
    control: Control, ns: str
) -> None:
    asked = _asks(control, ns)
    assert asked["spec"]["args"] == {"command": "rm"}
    control.wait_run("r", ns, "AwaitingApproval")
    heard = control.hear("r", ns)
    control.stop_controllers()
    control.patch(
        APPROVAL_REQUEST, asked["metadata"]["name"],
        {"status": {"decision": "Approved", "scope": "run", "decidedBy": "ann", "comment": "go"}}, ns,
        subresource="status",
    )  # fmt: skip
    control.start_controllers()
    message = heard.result(60)
    assert message.type == "approval.decided"
    assert dict(message.data) == {
        "callId": "c/1", "argsDigest": asked["spec"]["argsDigest"], "decision": "Approved", "decidedBy": "ann",
        "scope": "run", "comment": "go",
    }  # fmt: skip
    control.say(
        "r", ns, "tools", ("tool.approval", {"callId": "c/1", "tool": "execute_command", "state": "Approved"})
    )
    control.wait_run("r", ns, "Running")


def test_nobody_decides_and_the_request_expires(control: Control, ns: str) -> None:
    asked = _asks(control, ns, expires=1)
    expired = control.wait(
        APPROVAL_REQUEST, asked["metadata"]["name"], lambda obj: bool((obj.get("status") or {}).get("decision")), ns,
        timeout=60,
    )  # fmt: skip
    assert expired["status"]["decision"] == "Expired"


def test_requests_of_a_run_that_ended_are_closed(control: Control, ns: str) -> None:
    asked = _asks(control, ns)
    control.patch(AGENT_RUN, "r", {"spec": {"cancel": True}}, ns)
    control.reap(ns, "r")
    closed = control.wait(
        APPROVAL_REQUEST, asked["metadata"]["name"], lambda obj: bool((obj.get("status") or {}).get("decision")), ns,
        timeout=60,
    )  # fmt: skip
    assert closed["status"]["comment"] == "the run has ended"


# -- crashes


def test_a_killed_controller_makes_nothing_twice(control: Control, ns: str) -> None:
    control.instance(ns, skills=[{"skillPackRef": "k8s-ops"}])
    names = [f"r{number}" for number in range(6)]
    for name in names:
        control.run(ns, name, skills=[{"skillPackRef": "k8s-ops"}])
        if name in ("r1", "r3"):
            # In the middle of starting it, as far as it happened to be.
            control.stop_controllers()
            control.start_controllers()
    for name in names:
        control.succeed(name, ns, result=name)
    for name in names:
        assert control.wait_run(name, ns, cleaned)["status"]["result"] == name
    created = [e for e in control.items(EVENT, ns) if e["reason"] == "SuccessfulCreate"]
    assert len(created) == len(names)


def test_an_end_that_nobody_saw_is_found_afterwards(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns)
    control.running("r", ns)
    control.wait_run("r", ns, "Running")
    control.stop_controllers()
    control.succeed("r", ns, result="while you were away")
    control.start_controllers()
    status = control.wait_run("r", ns, cleaned)["status"]
    assert (status["phase"], status["result"], status["steps"]) == ("Succeeded", "while you were away", 1)


def test_controllers_end_well_when_they_are_told(control: Control, ns: str) -> None:
    control.instance(ns)
    control.wait(INSTANCE, "sre", lambda obj: "Ready" in true(obj), ns)
    assert control.stop_controllers(signal.SIGTERM) == 0
    control.start_controllers()


# -- the other kinds


def _pack(ns: str, *personas: str, enabled: bool = True, prompt: str = "You are.") -> Object:
    times = {"interval": "1h", "task": "look"}
    return {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "PersonaPack", "metadata": {"name": "ops", "namespace": ns},
        "spec": {"enabled": enabled, "personas": [{"name": p, "systemPrompt": prompt, "schedule": times} for p in personas]},
    }  # fmt: skip


def test_a_pack_is_installed_edited_pruned_and_removed(control: Control, ns: str) -> None:
    control.apply(_pack(ns, "a", "b"))
    ready = control.wait(PERSONA_PACK, "ops", lambda obj: "Ready" in true(obj), ns)
    assert [p["instanceName"] for p in ready["status"]["installedPersonas"]] == ["ops-a", "ops-b"]
    control.run(ns, "kept", instanceRef="ops-b")
    control.apply(_pack(ns, "a", prompt="You are new."))
    control.wait_gone(INSTANCE, "ops-b", ns)
    control.wait_gone(SCHEDULE, "ops-b-schedule", ns)
    control.wait(INSTANCE, "ops-a", lambda obj: obj["spec"]["systemPrompt"] == "You are new.", ns)
    control.apply(_pack(ns, "a", enabled=False))
    control.wait_gone(INSTANCE, "ops-a", ns)
    control.wait(PERSONA_PACK, "ops", lambda obj: phase(obj) == "Inactive", ns)
    assert control.find(AGENT_RUN, "kept", ns)


def test_a_pack_does_not_take_what_is_somebody_elses(control: Control, ns: str) -> None:
    control.instance(ns, "ops-a")
    control.apply(_pack(ns, "a"))
    failed = control.wait(PERSONA_PACK, "ops", lambda obj: phase(obj) == "Error", ns)
    assert "is not this pack's" in failed["status"]["conditions"][0]["message"]


def test_a_token_fires_a_schedule_once_whoever_dies(control: Control, ns: str) -> None:
    control.instance(ns)
    control.apply(
        {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumSchedule", "metadata": {"name": "s", "namespace": ns},
         "spec": {"instanceRef": "sre", "schedule": "@yearly", "task": "look", "type": "heartbeat"}}
    )  # fmt: skip
    fire = {"metadata": {"annotations": {"sympozium.ai/fire": "now"}}}
    control.patch(SCHEDULE, "s", fire, ns)
    control.wait(SCHEDULE, "s", lambda obj: (obj.get("status") or {}).get("totalRuns") == 1, ns)
    control.stop_controllers()
    control.start_controllers()
    control.wait_run("s-fire-now", ns, has_job)
    prompt = control.get(CONFIG_MAP, "s-fire-now-agent", ns)["data"]["agent.json"]
    assert "This run is a heartbeat of schedule s" in prompt
    control.delete(AGENT_RUN, "s-fire-now", ns)
    control.reap(ns, "s-fire-now")
    control.wait_gone(AGENT_RUN, "s-fire-now", ns)
    control.patch(SCHEDULE, "s", {"metadata": {"labels": {"touched": "yes"}}}, ns)
    control.wait(SCHEDULE, "s", lambda obj: obj["status"]["lastRunName"] == "s-fire-now", ns)
    assert control.items(AGENT_RUN, ns) == []


def test_a_schedule_that_cannot_be_read_says_so(control: Control, ns: str) -> None:
    spec = {"instanceRef": "sre", "schedule": "61 * * * *", "task": "x"}
    control.apply(
        {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "SympoziumSchedule",
            "metadata": {"name": "s", "namespace": ns},
            "spec": spec,
        }
    )
    failed = control.wait(SCHEDULE, "s", lambda obj: phase(obj) == "Error", ns)
    assert "61 * * * *" in failed["status"]["conditions"][0]["message"]


def test_a_schedule_says_that_its_instance_is_not_there_until_it_is(control: Control, ns: str) -> None:
    spec = {"instanceRef": "sre", "schedule": "@yearly", "task": "x"}
    meta = {"name": "s", "namespace": ns}
    control.apply(
        {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumSchedule", "metadata": meta, "spec": spec}
    )

    def reason(obj: Object) -> str | None:
        found = [c for c in (obj.get("status") or {}).get("conditions") or () if c["type"] == "Ready"]
        return found[0]["reason"] if found else None

    control.wait(SCHEDULE, "s", lambda obj: reason(obj) == "ReferenceMissing", ns)
    control.instance(ns)
    control.wait(SCHEDULE, "s", lambda obj: reason(obj) == "Scheduled", ns)
    control.delete(INSTANCE, "sre", ns)
    control.wait(SCHEDULE, "s", lambda obj: reason(obj) == "ReferenceMissing", ns)


def test_instances_say_what_is_missing_and_what_has_no_effect(control: Control, ns: str) -> None:
    control.instance(
        ns,
        policyRef="nope",
        skills=[{"skillPackRef": "none"}],
        authRefs=[{"secret": "gone"}],
        channels=[{"type": "slack"}],
    )
    obj = control.wait(
        INSTANCE, "sre", lambda obj: phase(obj) == "Error" and "Unimplemented" in true(obj), ns
    )
    message = next(c["message"] for c in obj["status"]["conditions"] if c["type"] == "Ready")
    for words in ("SympoziumPolicy nope", "SkillPack none", "Secret gone"):
        assert words in message
    control.instance(ns)
    control.wait(INSTANCE, "sre", lambda obj: "Ready" in true(obj) and "Unimplemented" not in true(obj), ns)


def test_policies_count_the_instances_that_they_govern(control: Control, ns: str) -> None:
    before = control.get(POLICY, "restrictive-policy", SYSTEM).get("status", {}).get("boundInstances", 0)
    control.instance(ns, policyRef="restrictive-policy")
    control.wait(
        POLICY,
        "restrictive-policy",
        lambda obj: (obj.get("status") or {}).get("boundInstances") == before + 1,
        SYSTEM,
        timeout=60,
    )
    control.delete(INSTANCE, "sre", ns)
    control.wait(
        POLICY,
        "restrictive-policy",
        lambda obj: obj["status"]["boundInstances"] == before,
        SYSTEM,
        timeout=60,
    )


def test_a_skill_pack_has_its_instructions_in_a_config_map(control: Control, ns: str) -> None:
    control.apply(
        {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SkillPack", "metadata": {"name": "notes", "namespace": ns},
         "spec": {"skills": [{"name": "one", "content": "# One"}]}}
    )  # fmt: skip
    ready = control.wait(SKILL_PACK, "notes", lambda obj: "Ready" in true(obj), ns)
    assert ready["status"]["skillCount"] == 1
    assert control.get(CONFIG_MAP, ready["status"]["configMapName"], ns)["data"] == {"one.md": "# One"}


def test_nothing_was_written_for_nothing(control: Control, ns: str) -> None:
    control.instance(ns)
    settled = control.wait(INSTANCE, "sre", lambda obj: "Ready" in true(obj), ns)
    control.run(ns)
    # Until its pod is known: a real Job controller takes a moment.
    control.wait_run("r", ns, lambda obj: bool((obj.get("status") or {}).get("podName")))
    control.wait(INSTANCE, "sre", lambda obj: obj["status"]["activeAgentPods"] == 1, ns)
    version = control.get(AGENT_RUN, "r", ns)["metadata"]["resourceVersion"]
    control.stop_controllers()
    control.start_controllers()
    # The new process has looked at everything when it answers to something new.
    control.run(ns, "later", instanceRef="nobody")
    control.wait_run("later", ns, "Failed")
    assert control.get(AGENT_RUN, "r", ns)["metadata"]["resourceVersion"] == version
    assert settled["metadata"]["uid"] == control.get(INSTANCE, "sre", ns)["metadata"]["uid"]
    assert len(jobs_of(control, "r", ns)) == 1


def test_a_fork_is_made_once_whenever_the_controllers_die(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns, "source", task="look")
    control.wait_run("source", ns, has_job)
    call = {"id": "1-a", "name": "ls", "arguments": "{}"}
    message = {
        "step": 1,
        "text": "I look.",
        "toolCalls": [call],
        "usage": USAGE,
        "finishReason": "tool_calls",
    }
    control.say("source", ns, "agent", STARTED, STEP, ("model.message", message))
    control.wait_run("source", ns, lambda run: (run.get("status") or {}).get("steps") == 1)
    control.run(ns, "f", task="and now?", forkFrom={"runName": "source", "step": 1})
    control.wait_run("f", ns, lambda run: "Planned" in true(run))
    control.stop_controllers()
    control.start_controllers()
    control.wait_run("f", ns, has_job)
    [job] = control.items(JOB, ns, labelSelector="sympozium.ai/run=f")
    [file] = [
        json.loads(found["data"]["agent.json"])
        for found in control.items(CONFIG_MAP, ns, labelSelector="sympozium.ai/run=f")
        if "agent.json" in found["data"]
    ]
    assert job["metadata"]["name"] == "f"
    assert [(turn["role"], turn["content"]) for turn in file["history"]] == [
        ("user", "look"),
        ("assistant", "I look."),
        ("tool", "error: no outcome of this call is on the record: it had not ended"),
    ]
    assert file["task"] == "and now?"
