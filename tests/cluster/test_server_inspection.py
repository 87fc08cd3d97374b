"""What a run did, over the API server: timing, decisions, record, stop; with real controllers and a real bus."""

import io
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cluster.api_server import ApiServer, set_keys
from cluster.bus_data import whole
from cluster.control_support import STARTED, STEP, USAGE, Control, control, ns
from cluster.people import bind
from cluster.test_live_policy import under_way
from cluster.tool_server import ToolServer
from sympozium.bus.audit.file import verify
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import AGENT_RUN
from sympozium.up.install import SERVER_KEYS

__all__ = ["control", "ns"]
RULE = "default-policy: toolGating.rules[0] (execute_command: ask)"


@pytest.fixture(scope="module")
def server(control: Control, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    set_keys(cast(KubeAPI, control), **{name: os.urandom(32) for name in SERVER_KEYS})
    kube = SimpleNamespace(request=control.request, url=control.url, process=control.server)
    with ApiServer(cast(KubeAPI, kube), tmp_path_factory.mktemp("apiserver")) as running:
        yield running


def allow(control: Control, namespace: str, role: str) -> None:
    bind(control, "alice", role, namespace)


def finished(control: Control, namespace: str) -> None:
    """A run with one step, in which a call was asked about, approved, and done."""
    control.instance(namespace)
    pod = under_way(control, namespace)
    calls = [{"id": "c1", "name": "execute_command", "arguments": "{}"}]
    message = {"step": 1, "text": "", "toolCalls": calls, "usage": USAGE, "finishReason": "tool_calls"}
    control.say("r", namespace, "agent", STARTED, STEP, ("model.message", message))
    verdict = {"action": "ask", "rule": RULE, "reason": "a person decides", "instead": "read_file"}
    control.say(
        "r", namespace, "tools",
        ("tool.intent", whole("tool.intent", verdict=verdict)),
        ("tool.approval", whole("tool.approval")),
        ("tool.approval", whole("tool.approval", state="Approved", decidedBy="olivia", comment="go on")),
        ("tool.outcome", whole("tool.outcome", durationMs=12)),
    )  # fmt: skip
    result = {"phase": "Succeeded", "reason": "Completed", "result": "well", "steps": 1, "usage": USAGE}
    control.say("r", namespace, "agent", ("run.result", result))
    control.end(pod, 0, '{"phase": "Succeeded", "reason": "Completed"}')
    control.wait_run("r", namespace, "Succeeded")


def path(namespace: str, what: str, name: str = "r") -> str:
    return f"/namespaces/{namespace}/runs/{name}/{what}"


def test_what_a_run_did_can_be_looked_at(control: Control, server: ApiServer, ns: str) -> None:
    finished(control, ns)

    def get(what: str) -> Any:
        answer = server.ask("GET", path(ns, what), token="admintoken")
        assert answer.status_code == 200, answer.text
        return answer.json()

    timing = get("timing")
    assert timing["complete"] is True
    spans = {span["kind"]: span for span in timing["spans"]}
    assert set(spans) == {"queue", "step", "model", "tool", "approval"} | ({"pod"} & set(spans))
    assert ("pod" in spans) != bool(timing["note"])
    assert (spans["tool"]["name"], spans["tool"]["status"]) == ("execute_command in shell", "done")
    assert spans["tool"]["parent"] == spans["model"]["parent"] == spans["step"]["id"]
    assert (spans["approval"]["status"], spans["approval"]["parent"]) == ("Approved", spans["tool"]["id"])
    assert all(span["endedAt"] >= span["startedAt"] for span in spans.values() if span["kind"] != "queue")

    found = get("decisions")
    assert found["policy"]["name"] == "default-policy"
    assert found["policyNow"] == {"default-policy": 1}
    (decision,) = found["decisions"]
    assert decision["verdict"] == {
        "action": "ask", "rule": RULE, "reason": "a person decides", "instead": "read_file", "audited": None,
    }  # fmt: skip
    assert decision["approvals"] == [{"state": "Approved", "decidedBy": "olivia", "comment": "go on"}]
    assert decision["outcome"] == {"ok": True, "denied": False, "durationMs": 12}
    assert decision["waits"] is False
    assert decision["place"] is None or decision["place"]["where"].startswith("sympozium get sympoziumpolicy")

    answer = server.ask("GET", path(ns, "record"), token="admintoken")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["x-sympozium-record"] == "holds"
    proven = verify(io.BytesIO(answer.content), key=control.bus.keyring.record_public)
    assert proven.ended
    assert proven.first.run.name == "r"


def test_the_record_stays_and_may_be_read_by_those_who_may_read_runs(
    control: Control, server: ApiServer, ns: str
) -> None:
    finished(control, ns)
    for what in ("timing", "decisions", "record"):
        assert server.ask("GET", path(ns, what), token="alicetoken").status_code == 403
        assert server.ask("GET", path(ns, what)).status_code == 401
    uid = control.get(AGENT_RUN, "r", ns)["metadata"]["uid"]
    control.delete(AGENT_RUN, "r", ns)
    control.wait_gone(AGENT_RUN, "r", ns)
    answer = server.ask("GET", path(ns, f"record?uid={uid}"), token="admintoken")
    assert answer.status_code == 200
    assert uid in answer.headers["content-disposition"]
    for what in ("timing", "decisions"):
        assert server.ask("GET", path(ns, what), token="admintoken").status_code == 404
    assert server.ask("GET", path(ns, "record?uid=other"), token="admintoken").status_code == 404
    assert server.ask("GET", path(ns, "record", "never"), token="admintoken").status_code == 404


def test_a_viewer_sees_decisions_without_what_is_not_theirs_to_see(
    control: Control, server: ApiServer, ns: str
) -> None:
    finished(control, ns)
    allow(control, ns, "sympozium-view")
    answer = server.ask("GET", path(ns, "decisions"), token="alicetoken")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["decisions"][0]["place"] is None, "the policy of the system namespace is not theirs to read"
    assert found["policyNow"] == {}
    timing = server.ask("GET", path(ns, "timing"), token="alicetoken").json()
    assert "you may not read pods" in timing["note"]


def test_runs_are_held_and_let_go(control: Control, server: ApiServer, ns: str) -> None:
    control.instance(ns)
    under_way(control, ns)
    control.run(ns, "waits", suspend=True)
    control.wait_run("waits", ns, "Queued")
    asked = {"namespace": ns, "names": ["r", "waits"]}

    def post(what: str, body: Any, token: str = "admintoken") -> Any:
        answer = server.ask("POST", what, body, token=token)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return {item["name"]: item["state"] for item in found["items"]}, found

    assert post("/stop", {**asked, "seconds": 0.1})[0] == {"r": "Told", "waits": "Held"}
    with ToolServer(control, "r", ns):
        states, found = post("/stop", {**asked, "seconds": 10})
        assert states == {"r": "Frozen", "waits": "Held"}
        assert found["stopped"] is False
        states, _ = post("/resume", {**asked, "seconds": 10})
        assert states["r"] == "Running"
    assert not control.get(AGENT_RUN, "waits", ns)["spec"].get("suspend")
    for body in ({}, {**asked, "all": True}, {"names": ["r"]}, {"namespace": ns, "labels": " "}):
        assert server.ask("POST", "/stop", body, token="admintoken").status_code == 400
    assert (
        server.ask("POST", "/stop", {"namespace": ns, "names": ["nobody"]}, token="admintoken").status_code
        == 404
    )
    assert server.ask("POST", "/stop", asked, token="alicetoken").status_code == 403
    assert server.ask("POST", "/stop", {"all": True}, token="alicetoken").status_code == 403
    control.run(ns, "cold", suspend=True)
    control.wait_run("cold", ns, "Queued")
    states, _ = post("/stop", {**asked, "names": ["cold"], "kill": True, "seconds": 10})
    assert states == {"cold": "Ended"}


def test_without_the_bus_it_says_so(control: Control, server: ApiServer, ns: str) -> None:
    finished(control, ns)
    control.bus.stop()
    try:
        for what in ("timing", "decisions", "record"):
            answer = server.ask("GET", path(ns, what), token="admintoken")
            assert answer.status_code == 503
            assert "does not answer" in answer.json()["detail"] or "cannot be read" in answer.json()["detail"]
        assert server.ask("GET", f"/namespaces/{ns}/runs/r", token="admintoken").status_code == 200
    finally:
        control.loop.run(control.bus.start())
