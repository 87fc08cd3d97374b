"""The record of a run on a whole control plane: what it says, that it outlives the run, and what it does not hold.

That it outlives crashes: test_crash.py.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.support import agent, decide, finished, own_namespace, policy, run, say
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, CONFIG_MAP, POD, Cluster, ScriptedModel
from sympozium.testing.client import Object

SYSTEM = "sympozium-system"
CANARY = "CANARY-d41d8cd9"
ASK = {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]}
COMMENT = "fine, token=sk-canary-canary-canary"
TALK = say(
    {"call": [{"tool": "execute_command", "arguments": {"command": f"echo {CANARY}"}}]},
    {"call": [{"tool": "list_directory", "arguments": {"path": "."}}]},
    {"call": [{"tool": "execute_command", "arguments": {"command": f"echo refused {CANARY}"}}]},
    {"id": "end", "say": f"It says {CANARY}."},
)


def cleaned_up(run: Object) -> bool:
    """Whether the run has ended for good: its record is whole."""
    return "CleanedUp" in {c["type"] for c in run["status"]["conditions"]}


def exported(cluster: Cluster, namespace: str, path: Path, *, name: str = "run") -> list[dict[str, Any]]:
    """The entries of the run's record, which was verified without the cluster."""
    cluster.sympozium("audit", "export", name, "-n", namespace, "-o", str(path))
    key = cluster.kubectl(
        "get", "configmap", "sympozium-bus", "-n", "sympozium-system", "-o", "jsonpath={.data.recordKey}"
    )
    cluster.sympozium("audit", "verify", str(path), "--key", key, kubeconfig=path.with_name("none"))
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass
class Scene:
    """A run that has ended, with one call approved, one allowed and one denied."""

    cluster: Cluster
    namespace: str
    asked: Object
    """The request that was approved."""
    run: Object
    said: list[dict[str, Any]]
    """The entries of its record."""
    text: str
    """The file that they are from."""


@pytest.fixture(scope="module")
def scene(sympozium_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    cluster = sympozium_cluster
    path = tmp_path_factory.mktemp("record") / "run.jsonl"
    with own_namespace(cluster) as namespace, ScriptedModel(TALK) as model:
        policy(cluster, namespace, toolGating=ASK)
        agent(cluster, namespace, model.base_url)
        run(cluster, namespace, task=f"Say {CANARY}.")
        asked = cluster.wait_any(APPROVAL_REQUEST, lambda a: True, namespace)
        name = asked["metadata"]["name"]
        cluster.sympozium("approvals", "approve", name, "-n", namespace, "--comment", COMMENT)
        cluster.wait_any(APPROVAL_REQUEST, lambda a: a["metadata"]["name"] != name, namespace)
        decide(cluster, namespace, "Denied")
        finished(cluster, namespace)
        closed = cluster.wait(AGENT_RUN, "run", cleaned_up, namespace)
        yield Scene(cluster, namespace, asked, closed, exported(cluster, namespace, path), path.read_text())


def outcomes(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry["data"] for entry in said if entry["kind"] == "call.outcome"]


def test_the_record_says_who_what_and_under_which_policy(scene: Scene) -> None:
    said, status = scene.said, scene.run["status"]
    assert status["phase"] == "Succeeded", status
    assert (said[-1]["hash"], said[-1]["n"]) == tuple(status["audit"][k] for k in ("hash", "entries"))
    by = {entry["kind"]: entry["data"] for entry in reversed(said)}
    assert (by["run.created"]["trigger"]["kind"], by["run.admitted"]["policy"]["name"]) == ("Manual", "open")
    assert by["run.created"]["trigger"]["user"]
    assert (by["call.intent"]["verdict"]["action"], by["call.intent"]["tool"]) == ("ask", "execute_command")
    digest = scene.asked["spec"]["argsDigest"]
    assert by["call.intent"]["argsDigest"] == by["approval.decided"]["argsDigest"] == digest
    decided = by["approval.decided"]
    assert (decided["decision"], decided["scope"], bool(decided["decidedBy"])) == ("Approved", "once", True)
    assert decided["comment"] == "fine, token=[masked]"
    calls = [(e["kind"], e["data"]["callId"]) for e in said if e["kind"].startswith("call.")]
    ids = [call for kind, call in calls if kind == "call.intent"]
    assert len(set(ids)) == 3
    assert calls == [(k, c) for c in ids for k in ("call.intent", "call.outcome")]
    assert by["run.ended"]["phase"] == "Succeeded"
    assert [outcome["ok"] for outcome in outcomes(said)] == [True, True, False]
    assert CANARY not in scene.text
    assert "sk-canary" not in scene.text
    shown = scene.cluster.sympozium("audit", "show", "run", "-n", scene.namespace).stdout
    assert f"Approved by {decided['decidedBy']} (once): fine, token=[masked]" in shown


def test_a_call_that_was_refused_is_on_the_record(scene: Scene) -> None:
    assert all(outcome["resultDigest"].startswith("sha256:") for outcome in outcomes(scene.said))
    denied = outcomes(scene.said)[-1]
    assert (denied["ok"], denied["denied"]) == (False, True)


def test_logs_and_records_are_read_through_the_kubernetes_api(scene: Scene) -> None:
    """On a cluster whose bus has a name that pods alone know. A pod with the machine's network stands for the bus: its ports are the machine's."""
    cluster = scene.cluster
    address = cluster.get(CONFIG_MAP, "sympozium-bus", SYSTEM)["data"]["url"]
    labels = {"app": "bus"}
    container = {"name": "c", "image": "localhost/host:latest", "command": ["sleep", "600"]}
    ports = [{"name": "client", "port": 4222, "targetPort": urlsplit(address).port}]
    for obj in (
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bus", "namespace": SYSTEM, "labels": labels},
         "spec": {"hostNetwork": True, "containers": [container], "terminationGracePeriodSeconds": 0}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "sympozium-nats", "namespace": SYSTEM},
         "spec": {"selector": labels, "ports": ports}},
    ):  # fmt: skip
        cluster.request("POST", f"/api/v1/namespaces/{SYSTEM}/{obj['kind'].lower()}s", obj)
    try:
        cluster.wait(POD, "bus", lambda pod: pod["status"].get("phase") == "Running", SYSTEM)
        cluster.patch(
            CONFIG_MAP, "sympozium-bus", {"data": {"url": f"nats://sympozium-nats.{SYSTEM}.svc:4222"}}, SYSTEM
        )
        assert f"It says {CANARY}." in cluster.sympozium("logs", "run", "-n", scene.namespace).stdout
        assert "run" in cluster.sympozium("audit", "list", "-n", scene.namespace).stdout
        found = cluster.sympozium("doctor")
        assert "through the Kubernetes API" in found.stdout
    finally:
        cluster.patch(CONFIG_MAP, "sympozium-bus", {"data": {"url": address}}, SYSTEM)
        cluster.request("DELETE", f"/api/v1/namespaces/{SYSTEM}/services/sympozium-nats")
        cluster.request("DELETE", f"/api/v1/namespaces/{SYSTEM}/pods/bus")


def test_the_record_stays_when_the_run_goes_with_its_transcript(scene: Scene, tmp_path: Path) -> None:
    """The last one: there is no run for the others any more."""
    scene.cluster.delete(AGENT_RUN, "run", scene.namespace)
    scene.cluster.wait_gone(AGENT_RUN, "run", scene.namespace)
    assert exported(scene.cluster, scene.namespace, tmp_path / "again.jsonl") == scene.said
    assert "run" in scene.cluster.sympozium("audit", "list", "-n", scene.namespace).stdout
