"""Events of Kubernetes make runs: once, also over a crash; bounded; and never because of what they made themselves."""

import signal
from typing import Any

from cluster.control_support import Control, control, ns
from sympozium.api.meta import API_VERSION
from sympozium.kube.resources import EVENTS
from sympozium.resources import TRIGGERS
from sympozium.testing.client import Object
from sympozium.testing.resources import AGENT_RUN
from sympozium.testing.waiting import until

__all__ = ["control", "ns"]


def trigger(control: Control, ns: str, name: str = "t", **spec: Any) -> Object:
    base = {
        "instanceRef": "sre", "task": "Look at {{ event.object.name }}",
        "source": {"kubernetesEvent": {"types": ["Warning"], "reasons": ["Back*"]}}, "cooldown": "1h",
    }  # fmt: skip
    control.apply(
        {
            "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumTrigger",
            "metadata": {"name": name, "namespace": ns}, "spec": {**base, **spec},
        }
    )  # fmt: skip
    return control.wait(TRIGGERS, name, lambda t: bool((t.get("status") or {}).get("conditions")), ns)


def happens(
    control: Control, ns: str, name: str, *, about: str = "web-1", kind: str = "Pod", **fields: Any
) -> None:
    now = control.request("GET", f"/api/v1/namespaces/{ns}")["metadata"]["creationTimestamp"]
    control.create(
        {
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": ns},
            "involvedObject": {"kind": kind, "namespace": ns, "name": about, "uid": f"uid-{about}"},
            "type": "Warning", "reason": "BackOff", "message": "m", "count": 1,
            "firstTimestamp": now, "lastTimestamp": "2099-01-01T00:00:00Z", **fields,
        }
    )  # fmt: skip


def counts(control: Control, ns: str, fired: int, suppressed: int, name: str = "t") -> Object:
    def counted(obj: Object) -> bool:
        status = obj.get("status") or {}
        return (status.get("firedCount"), status.get("suppressedCount")) == (fired, suppressed)

    return control.wait(TRIGGERS, name, counted, ns)["status"]


def made(control: Control, ns: str) -> list[Object]:
    return control.items(AGENT_RUN, ns, labelSelector="sympozium.ai/trigger=t")


def test_an_event_makes_one_run_and_its_repetitions_none(control: Control, ns: str) -> None:
    control.instance(ns)
    trigger(control, ns)
    happens(control, ns, "e1")
    happens(control, ns, "other", reason="Pulled")
    happens(control, ns, "fine", type="Normal")
    status = counts(control, ns, 1, 0)
    [run] = made(control, ns)
    assert run["spec"]["task"] == "Look at web-1"
    assert run["metadata"]["name"] == status["lastRunName"]
    control.patch(EVENTS, "e1", {"count": 2}, ns)
    status = counts(control, ns, 1, 1)
    assert "within 1h of the last run" in status["lastSuppressed"]
    happens(control, ns, "e2", about="web-2")
    counts(control, ns, 2, 1)


def test_what_happened_while_no_controller_was_there_is_made_up_for_once(control: Control, ns: str) -> None:
    control.instance(ns)
    trigger(control, ns, cooldown="0s")
    happens(control, ns, "e1")
    counts(control, ns, 1, 0)
    control.stop_controllers(signal.SIGKILL)
    happens(control, ns, "e2", about="web-2")
    # As if it had been killed between a run and the word that it is made.
    control.patch(TRIGGERS, "t", {"status": {"seen": None, "firedCount": None}}, ns, subresource="status")
    control.start_controllers()
    counts(control, ns, 2, 0)
    assert len(made(control, ns)) == 2


def test_the_limit_of_an_hour_holds(control: Control, ns: str) -> None:
    control.instance(ns)
    trigger(control, ns, maxRunsPerHour=2)
    for index in range(4):
        happens(control, ns, f"e{index}", about=f"web-{index}")
    assert "maxRunsPerHour" in counts(control, ns, 2, 2)["lastSuppressed"]
    assert len(made(control, ns)) == 2


def test_a_run_of_a_trigger_does_not_cause_the_next(control: Control, ns: str) -> None:
    control.instance(ns)
    trigger(control, ns, source={"kubernetesEvent": {}})
    happens(control, ns, "e1")
    counts(control, ns, 1, 0)
    [run] = made(control, ns)
    # The webhook is not here, which says it of every run of a trigger: the controller writes it itself.
    assert run["spec"]["trigger"] == {"kind": "Trigger", "name": "t"}
    happens(control, ns, "own", about=run["metadata"]["name"], kind="AgentRun", reason="Failed")
    beneath: Object = {"instanceRef": "sre", "task": "t", "trigger": {"kind": "Agent"}}
    beneath["parent"] = {"runName": run["metadata"]["name"], "sessionKey": "s", "spawnDepth": 1}
    child = {"apiVersion": API_VERSION, "kind": "AgentRun", "metadata": {"name": "child", "namespace": ns}}
    control.create({**child, "spec": beneath})
    control.wait(AGENT_RUN, "child", lambda r: bool(r.get("status")), ns)
    happens(control, ns, "beneath", about="child", kind="AgentRun", reason="Failed")
    happens(control, ns, "e2", about="web-2")
    until(lambda: any("web-2" in r["spec"]["task"] for r in made(control, ns)), "the run of web-2")
    assert sorted(r["spec"]["task"] for r in made(control, ns)) == ["Look at web-1", "Look at web-2"]


def test_times_that_writers_of_events_make_up_change_nothing(control: Control, ns: str) -> None:
    control.instance(ns)
    trigger(control, ns)
    for index, at in enumerate(["2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z", "2098-01-01T00:00:00Z"]):
        happens(control, ns, f"e{index}", about=f"web-{index}", lastTimestamp=at)
        counts(control, ns, index + 1, 0)
    assert len(made(control, ns)) == 3


def test_events_of_another_namespace_are_heard_where_they_are_named(control: Control, ns: str) -> None:
    control.instance(ns)
    control.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{ns}-work"}})
    trigger(control, ns, source={"kubernetesEvent": {"namespaces": [f"{ns}-work"]}})
    happens(control, ns, "here")
    happens(control, f"{ns}-work", "there", about="far")
    counts(control, ns, 1, 0)
    assert made(control, ns)[0]["spec"]["task"] == "Look at far"


def test_without_its_instance_nothing_is_dealt_with_and_later_it_is(control: Control, ns: str) -> None:
    found = trigger(control, ns)
    assert found["status"]["conditions"][0]["reason"] == "ReferenceMissing"
    happens(control, ns, "e1")
    control.instance(ns)
    counts(control, ns, 1, 0)


def test_an_event_that_the_task_has_no_value_for_is_said_and_passed_over(control: Control, ns: str) -> None:
    control.instance(ns)
    trigger(control, ns, task="{{ event.labels.team }}")
    happens(control, ns, "e1")
    assert "event.labels.team" in counts(control, ns, 0, 1)["lastSuppressed"]


def test_while_suspended_events_pass(control: Control, ns: str) -> None:
    control.instance(ns)
    trigger(control, ns, suspend=True)
    happens(control, ns, "e1")
    counts(control, ns, 0, 1)
    control.patch(TRIGGERS, "t", {"spec": {"suspend": None}}, ns)
    happens(control, ns, "e2", about="web-2")
    counts(control, ns, 1, 1)
