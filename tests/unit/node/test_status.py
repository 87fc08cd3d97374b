"""Phases, conditions and messages: the kubelet's rules as a table."""

import pytest

from sympozium.node import machine, status
from sympozium.node.objects import Object
from sympozium.node.status import Record, Verdict

NOW = "2026-01-01T00:00:00Z"


def ended(code: int, name: str = "main", attempt: int = 0) -> Record:
    state = status.terminated(code=code, reason="x", message="", started=NOW, finished=NOW, container_id="")
    return Record(name, attempt=attempt, state=state)


def running(name: str = "main", *, started: bool = True) -> Record:
    return Record(name, attempt=0, state={"running": {"startedAt": NOW}}, started=started, ready=started)


def crashing(name: str = "main") -> Record:
    return Record(name, attempt=1, state={"waiting": {"reason": "CrashLoopBackOff"}}, last=ended(1).state)


def fresh(name: str = "main") -> Record:
    return Record(name)


def pod(
    policy: str = "Never", *, inits: list[Object] | None = None, mains: int = 1, **more: Object
) -> Object:
    names = ["main", "second"][:mains]
    spec = {
        "restartPolicy": policy,
        "containers": [{"name": n} for n in names],
        "initContainers": inits or [],
    }
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": spec, **more}


INIT = [{"name": "init"}]
SIDE = [{"name": "side", "restartPolicy": "Always"}]


@pytest.mark.parametrize(("made", "records", "expected"), [
    (pod(), [fresh()], "Pending"),
    (pod(), [running()], "Running"),
    (pod(), [ended(0)], "Succeeded"),
    (pod(), [ended(1)], "Failed"),
    (pod("Always"), [ended(0)], "Running"),
    (pod("OnFailure"), [ended(0)], "Succeeded"),
    (pod("OnFailure"), [ended(1)], "Running"),
    (pod("Always"), [crashing()], "Running"),
    (pod(mains=2), [ended(0), running("second")], "Running"),
    (pod(mains=2), [ended(0), ended(1, "second")], "Failed"),
    (pod(mains=2), [running(), fresh("second")], "Pending"),
    (pod(inits=INIT), [running("init"), fresh()], "Pending"),
    (pod(inits=INIT), [ended(0, "init"), fresh()], "Pending"),
    (pod(inits=INIT), [ended(1, "init"), fresh()], "Failed"),
    (pod("Always", inits=INIT), [ended(1, "init"), fresh()], "Pending"),
    (pod(inits=INIT), [ended(0, "init"), running()], "Running"),
    (pod(inits=SIDE), [running("side", started=False), fresh()], "Pending"),
    (pod(inits=SIDE), [running("side"), ended(0)], "Running"),
    (pod(inits=SIDE), [ended(7, "side"), ended(0)], "Succeeded"),
    (pod(status={"phase": "Succeeded"}), [running()], "Succeeded"),
    (pod(status={"phase": "Failed"}), [ended(0)], "Failed"),
])  # fmt: skip
def test_phase(made: Object, records: list[Record], expected: str) -> None:
    assert status.phase(made, {r.name: r for r in records}, ending=False) == expected


@pytest.mark.parametrize(("made", "records", "expected"), [
    (pod("Always"), [running()], "Running"),
    (pod("Always"), [ended(0)], "Succeeded"),
    (pod("Always"), [ended(143)], "Failed"),
    (pod("Always"), [fresh()], "Failed"),
    (pod("Always"), [crashing()], "Failed"),
    (pod(inits=INIT), [fresh("init"), fresh()], "Failed"),
])  # fmt: skip
def test_phase_of_a_pod_that_is_ended(made: Object, records: list[Record], expected: str) -> None:
    assert status.phase(made, {r.name: r for r in records}, ending=True) == expected


def test_verdict_waits_for_the_containers() -> None:
    verdict = Verdict("Evicted", "too big")
    made = pod(status={"phase": "Running"})
    assert status.phase(made, {"main": running()}, ending=True, verdict=verdict) == "Running"
    assert status.phase(made, {"main": ended(0)}, ending=True, verdict=verdict) == "Failed"


@pytest.mark.parametrize(("policy", "container", "code", "expected"), [
    ("Never", {}, 1, False), ("Never", {}, 0, False), ("OnFailure", {}, 1, True), ("OnFailure", {}, 0, False),
    ("Always", {}, 0, True), ("Never", {"restartPolicy": "OnFailure"}, 1, True),
    ("Never", {"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]}, 42, True),
    ("Never", {"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]}, 1, False),
    ("Never", {"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [42]}}]}, 1, True),
])  # fmt: skip
def test_restart(policy: str, container: Object, code: int, expected: bool) -> None:
    assert status.may_restart(pod(policy), {"name": "main", **container}, code) is expected


def test_init_containers_never_restart_after_success() -> None:
    assert not status.may_restart(pod("Always", inits=INIT), INIT[0], 0)
    assert status.may_restart(pod("Never", inits=SIDE), SIDE[0], 0)


def conditions(made: Object, records: list[Record], **more: object) -> dict[str, Object]:
    built = status.build(made, {r.name: r for r in records}, now=NOW, host_ip="127.0.0.1", start_time=NOW,
                         sandboxed=True, **more)  # type: ignore[arg-type]  # fmt: skip
    return {c["type"]: c for c in built["conditions"]}


def test_conditions_name_what_is_missing() -> None:
    found = conditions(pod(inits=[{"name": "a"}, {"name": "b"}]), [ended(0, "a"), fresh("b"), fresh()])
    assert found["Initialized"]["message"] == "containers with incomplete status: [b]"
    assert found["Ready"]["message"] == "containers with unready status: [main]"
    assert list(found) == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]


def test_conditions_of_the_end() -> None:
    assert conditions(pod(), [ended(0)])["Ready"]["reason"] == "PodCompleted"
    assert conditions(pod(), [ended(1)])["Ready"]["reason"] == "PodFailed"
    evicted = conditions(pod(), [ended(1)], ending=True, verdict=Verdict("Evicted", "why"))
    assert evicted["DisruptionTarget"]["reason"] == "TerminationByKubelet"


def test_transition_time_changes_with_the_status_only() -> None:
    old = [{"type": "Ready", "status": "True", "lastTransitionTime": "old"},
           {"type": "ContainersReady", "status": "False", "lastTransitionTime": "old"}]  # fmt: skip
    found = conditions(pod(status={"conditions": old}), [running()])
    assert found["Ready"]["lastTransitionTime"] == "old"
    assert found["ContainersReady"]["lastTransitionTime"] == NOW


def test_readiness_gates() -> None:
    made = pod()
    made["spec"]["readinessGates"] = [{"conditionType": "mine"}]
    assert conditions(made, [running()])["Ready"]["reason"] == "ReadinessGatesNotReady"
    made["status"] = {"conditions": [{"type": "mine", "status": "True", "lastTransitionTime": NOW}]}
    assert conditions(made, [running()])["Ready"]["status"] == "True"


@pytest.mark.parametrize(("resources", "expected"), [
    ({}, "BestEffort"),
    ({"requests": {"cpu": "1"}}, "Burstable"),
    ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
    ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}}, "Guaranteed"),
    ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
])  # fmt: skip
def test_qos(resources: Object, expected: str) -> None:
    made = pod()
    made["spec"]["containers"][0]["resources"] = resources
    assert status.qos_class(made) == expected


def test_termination_message() -> None:
    fallback = "FallbackToLogsOnError"
    assert status.termination_message(b"x" * 5000, "File", 0, "log") == "x" * 4096
    assert status.termination_message(b"", "File", 1, "log") == ""
    assert status.termination_message(b"", fallback, 1, "log") == "log"
    assert status.termination_message(b"", fallback, 0, "log") == ""
    assert status.termination_message(b"own", fallback, 1, "log") == "own"


def test_record_survives_json() -> None:
    record = ended(3)
    assert Record.from_json(record.to_json()) == record


def test_an_address_that_has_changed_replaces_the_old_one() -> None:
    new, old = {"podIPs": [{"ip": "10.244.1.1"}]}, {"podIPs": [{"ip": "127.0.0.1"}]}
    assert machine.pod_ips(new, old) == [{"ip": "10.244.1.1"}, {"ip": "127.0.0.1", "$patch": "delete"}]
    assert machine.pod_ips(new, new) == new["podIPs"]
