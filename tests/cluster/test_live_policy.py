"""Runs that go on under a policy that changes, and runs that are stopped: the controllers on a real API and bus."""

import base64
import json
from typing import Any

from cluster.control_support import SYSTEM, TERMINAL, Control, control, ns
from cluster.tool_server import LISTS, ToolServer
from sympozium.kube.resources import ENDPOINT_SLICES, NETWORK_POLICIES, ROLES
from sympozium.testing.client import Object, phase
from sympozium.testing.resources import AGENT_RUN, CONFIG_MAP, EVENT, INSTANCE, POD, POLICY, SECRET
from sympozium.testing.waiting import until

__all__ = ["control", "ns"]

API = "sympozium.ai/v1alpha1"
DENY_SHELL = {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "deny"}]}
READS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
CLOSED = {
    "denyAll": True,
    "allowedEgress": [{"host": "10.1.0.0/16", "port": 443}, {"host": "one.example.org", "port": 443}],
}


def policy(control: Control, namespace: str, name: str = "mine", **spec: Any) -> Object:
    body = {
        "apiVersion": API,
        "kind": "SympoziumPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    return control.apply(body)[0]


def under_way(control: Control, namespace: str, name: str = "r", **spec: Any) -> Object:
    """A run with a pod whose agent runs."""
    control.run(namespace, name, **spec)
    pod = control.running(name, namespace)
    control.wait_run(name, namespace, "Running")
    return pod


def found(run: Object, kind: str) -> Object:
    conditions = (run.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), {})


def current(generation: int) -> Any:
    def check(run: Object) -> bool:
        enforced = (run.get("status") or {}).get("policy") or {}
        return (
            found(run, "PolicyCurrent").get("status") == "True" and enforced.get("generation") == generation
        )

    return check


def frozen(run: Object) -> bool:
    return found(run, "Frozen").get("status") == "True"


def tools_file(control: Control, namespace: str, name: str = "r") -> Object:
    return json.loads(control.get(CONFIG_MAP, f"{name}-tools", namespace)["data"]["tools.json"])


# -- policy


def test_an_edited_policy_reaches_the_run_and_its_later_attempts(control: Control, ns: str) -> None:
    policy(control, ns, toolGating={"defaultAction": "allow", "rules": []})
    control.instance(ns, policyRef="mine")
    under_way(control, ns)
    planned = control.get(AGENT_RUN, "r", ns)["status"]["policy"]
    with ToolServer(control, "r", ns) as tools:
        policy(control, ns, toolGating=DENY_SHELL)
        run = control.wait_run("r", ns, current(2))
    ((kind, data),) = tools.told
    assert kind == "policy.changed"
    assert data["policy"]["layers"][0]["spec"]["toolGating"]["rules"][0]["action"] == "deny"
    assert run["status"]["policy"] == {"name": "mine", "generation": 2, "digest": data["policy"]["digest"]}
    assert planned["digest"] != data["policy"]["digest"]
    until(lambda: tools_file(control, ns)["policy"]["generation"] == 2, "tools.json is new")


def test_an_instance_that_narrows_its_tools_narrows_its_runs(control: Control, ns: str) -> None:
    control.instance(ns)
    under_way(control, ns)
    with ToolServer(control, "r", ns) as tools:
        control.instance(ns, toolPolicy={"deny": ["write_file"]})
        run = control.wait_run("r", ns, lambda run: found(run, "PolicyCurrent").get("status") == "True")
    assert [data["toolPolicies"] for _, data in tools.told] == [[{"allow": [], "deny": ["write_file"]}]]
    assert found(run, "PolicyCurrent")["reason"] == "Applied"


def test_a_floor_binds_runs_that_go_on(control: Control, ns: str) -> None:
    policy(control, SYSTEM, "floor", toolGating=DENY_SHELL)
    control.instance(ns)
    under_way(control, ns)
    with ToolServer(control, "r", ns) as tools:
        try:
            control.configure(floorPolicyRef="floor")
            until(lambda: len(tools.told) == 1, "the floor is told")
        finally:
            control.configure()
        until(lambda: len(tools.told) == 2, "that it is gone is told")
    with_floor, without = (data["policy"]["layers"] for _, data in tools.told)
    assert [layer["source"] for layer in with_floor] == ["instance", "floor"]
    assert [layer["source"] for layer in without] == ["instance"]


def test_network_and_rights_are_narrowed_while_the_run_goes_on(control: Control, ns: str) -> None:
    pack = {"apiVersion": API, "kind": "SkillPack", "metadata": {"name": "sees", "namespace": ns},
            "spec": {"skills": [{"name": "g", "content": "x"}], "sidecar": {"image": "i", "rbac": [READS]}}}  # fmt: skip
    control.apply(pack)
    policy(control, ns, networkPolicy=CLOSED, rbacPolicy={"allow": [READS]})
    service = {"selector": {"app": "llm"}, "ports": [{"port": 80, "targetPort": "http"}]}
    control.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm", "namespace": ns}, "spec": service}
    )
    model = {"model": "m1", "runTimeout": "10m", "baseURL": f"http://llm.{ns}.svc/v1"}
    control.instance(ns, policyRef="mine", agents={"default": model})
    control.run(ns, skills=[{"skillPackRef": "sees"}])
    control.answer_the_probe(opened=10, closed=11)
    pod = control.running("r", ns)
    control.wait_run("r", ns, "Running")
    rules = control.get(NETWORK_POLICIES, "r", ns)["spec"]["egress"]
    behind = next(rule for rule in rules if "podSelector" in rule["to"][0])
    assert behind["to"][0]["podSelector"] == {"matchLabels": {"app": "llm"}}
    assert behind["ports"] == [{"protocol": "TCP", "port": "http"}]
    (api,) = control.items(ENDPOINT_SLICES, "default")
    address, port = api["endpoints"][0]["addresses"][0], api["ports"][0]["port"]
    reached = [
        (r["to"][0].get("ipBlock", {}).get("cidr"), r.get("ports", [{}])[0].get("port")) for r in rules
    ]
    assert (f"{address}/32", port) in reached
    token = base64.b64decode(control.get(SECRET, "r-skill-sees", ns)["data"]["token"]).decode()
    path = f"/api/v1/namespaces/{ns}/pods/x"
    assert control.ask("GET", path, token=token).status_code == 404
    # Nobody answers: the tool server of this run is not there, and its network and rights are narrowed all the same.
    policy(control, ns, networkPolicy={"denyAll": True}, rbacPolicy={"deny": [READS]})
    control.wait_gone(ROLES, "r-skill-sees", ns)
    until(lambda: control.ask("GET", path, token=token).status_code == 403, "the token has no rights")

    def closed(obj: Object) -> bool:
        return "one.example.org" not in json.dumps(obj["metadata"].get("annotations"))

    control.wait(POD, pod["metadata"]["name"], closed, ns)
    assert "10.1.0.0/16" not in json.dumps(control.get(NETWORK_POLICIES, "r", ns))
    sent = control.wait_run("r", ns, lambda run: found(run, "PolicyCurrent").get("reason") == "Sent")
    assert "has not answered" in found(sent, "PolicyCurrent")["message"]


def test_a_run_that_its_policy_does_not_admit_any_more_is_ended(control: Control, ns: str) -> None:
    policy(control, ns)
    control.instance(ns, policyRef="mine")
    under_way(control, ns, model={"model": "m1", "provider": "openai"})
    policy(control, ns, modelPolicy={"allowedModels": ["other-*"]})
    control.reap(ns, "r")
    status = control.wait_run("r", ns, lambda run: phase(run) in TERMINAL)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "PolicyChanged")
    assert "policy mine allows other-*" in status["error"]


def test_a_policy_that_is_gone_holds_the_run_until_it_is_back(control: Control, ns: str) -> None:
    policy(control, ns)
    control.instance(ns, policyRef="mine")
    under_way(control, ns)
    with ToolServer(control, "r", ns) as tools:
        control.delete(POLICY, "mine", ns)
        held = control.wait_run("r", ns, frozen)
        assert found(held, "Frozen")["reason"] == found(held, "PolicyCurrent")["reason"] == "PolicyMissing"
        assert "SympoziumPolicy mine is not in" in found(held, "Frozen")["message"]
        policy(control, ns, toolGating=DENY_SHELL)
        control.wait_run(
            "r", ns, lambda run: found(run, "Frozen").get("status") == "False" and current(1)(run)
        )
    assert tools.kinds()[0] == "run.freeze"
    assert sorted(tools.kinds()[1:]) == ["policy.changed", "run.freeze"]


def test_what_a_dead_controller_did_not_tell_is_told_by_the_next(control: Control, ns: str) -> None:
    policy(control, ns)
    control.instance(ns, policyRef="mine")
    names = [f"r{number}" for number in range(4)]
    for name in names:
        under_way(control, ns, name)
    policy(control, ns, toolGating=DENY_SHELL)
    # Killed at whatever step it happens to be.
    control.stop_controllers()
    control.patch(INSTANCE, "sre", {"spec": {"toolPolicy": {"deny": ["read_file"]}}}, ns)
    control.start_controllers()
    for name in names:
        with ToolServer(control, name, ns) as tools:
            control.wait_run(name, ns, current(2))
            last = tools.told[-1][1]
            assert last["policy"]["generation"] == 2
            assert last["toolPolicies"] == [{"allow": [], "deny": ["read_file"]}]


# -- stop and resume


def test_a_suspended_run_is_frozen_with_what_is_in_flight_and_goes_on(control: Control, ns: str) -> None:
    control.instance(ns)
    under_way(control, ns)
    with ToolServer(control, "r", ns, in_flight=[LISTS]) as tools:
        control.patch(AGENT_RUN, "r", {"spec": {"suspend": True}}, ns)
        run = control.wait_run("r", ns, frozen)
        assert run["status"]["reason"] == "Frozen"
        assert "in flight: execute_command in shell for 2.1 s" in found(run, "Frozen")["message"]
        control.wait_any(EVENT, lambda event: event["reason"] == "Frozen", ns, what="the Event")
        control.stop_controllers()
        control.start_controllers()
        control.patch(AGENT_RUN, "r", {"spec": {"suspend": False}}, ns)
        resumed = control.wait_run("r", ns, lambda run: found(run, "Frozen").get("status") == "False")
        assert resumed["status"]["reason"] == "Running"
    assert [data["frozen"] for _, data in tools.told][-1] is False


def test_a_stopped_installation_starts_nothing_and_holds_the_rest(control: Control, ns: str) -> None:
    control.instance(ns)
    under_way(control, ns)
    with ToolServer(control, "r", ns):
        try:
            control.configure(suspend=True)
            control.run(ns, "later")
            queued = control.wait_run("later", ns, "Queued")["status"]
            assert (queued["reason"], "the installation is stopped" in queued["queue"]["reason"]) == (
                "Suspended",
                True,
            )
            assert found(control.wait_run("r", ns, frozen), "Frozen")["reason"] == "Stopped"
        finally:
            control.configure()
        control.wait_run("later", ns, lambda run: bool((run.get("status") or {}).get("jobName")))
        control.wait_run("r", ns, lambda run: found(run, "Frozen").get("status") == "False")


def test_a_suspended_run_that_has_ended_stays_as_it_is(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns)
    control.succeed("r", ns)
    before = control.wait_run("r", ns, lambda run: found(run, "CleanedUp").get("status") == "True")["status"]
    control.patch(AGENT_RUN, "r", {"spec": {"suspend": True}}, ns)
    control.run(ns, "next", instanceRef="nobody")
    control.wait_run("next", ns, "Failed")
    after = control.get(AGENT_RUN, "r", ns)["status"]
    assert (after["phase"], found({"status": after}, "Frozen")) == (before["phase"], {})
