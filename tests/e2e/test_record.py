"""The record of a run on a whole control plane: what it says, that it outlives run and crashes, and what it does not hold."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.support import agent, decide, finished, policy, run, say
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, Cluster, ScriptedModel, phase
from sympozium.testing.waiting import until
from sympozium.up.state import read

CANARY = "CANARY-d41d8cd9"
ASK = {"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]}
TALK = say(
    {"call": [{"tool": "execute_command", "arguments": {"command": f"echo {CANARY}"}}]},
    {"call": [{"tool": "list_directory", "arguments": {"path": "."}}]},
    {"id": "end", "say": f"It says {CANARY}."},
)


def exported(cluster: Cluster, namespace: str, path: Path, *more: str) -> list[dict[str, Any]]:
    """The entries of the run's record, which was verified without the cluster."""
    cluster.sympozium("audit", "export", "run", "-n", namespace, "-o", str(path), *more)
    key = cluster.kubectl(
        "get", "configmap", "sympozium-bus", "-n", "sympozium-system", "-o", "jsonpath={.data.recordKey}"
    )
    cluster.sympozium("audit", "verify", str(path), "--key", key, kubeconfig=path.with_name("none"))
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_record_says_who_what_and_under_which_policy(
    sympozium_cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    policy(sympozium_cluster, namespace, toolGating=ASK)
    with ScriptedModel(TALK) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace, task=f"Say {CANARY}.")
        asked = sympozium_cluster.wait_any(APPROVAL_REQUEST, lambda a: True, namespace)
        name, digest = asked["metadata"]["name"], asked["spec"]["argsDigest"]
        comment = "fine, token=sk-canary-canary-canary"
        sympozium_cluster.sympozium("approvals", "approve", name, "-n", namespace, "--comment", comment)
        ended = finished(sympozium_cluster, namespace)
        closed = sympozium_cluster.wait(
            AGENT_RUN,
            "run",
            lambda r: "CleanedUp" in {c["type"] for c in r["status"]["conditions"]},
            namespace,
        )
    assert phase(ended) == "Succeeded"
    path = tmp_path / "run.jsonl"
    said = exported(sympozium_cluster, namespace, path)
    assert (said[-1]["hash"], said[-1]["n"]) == tuple(
        closed["status"]["audit"][k] for k in ("hash", "entries")
    )
    by = {entry["kind"]: entry["data"] for entry in reversed(said)}
    assert (by["run.created"]["trigger"]["kind"], by["run.admitted"]["policy"]["name"]) == ("Manual", "open")
    assert by["run.created"]["trigger"]["user"]
    assert (by["call.intent"]["verdict"]["action"], by["call.intent"]["tool"]) == ("ask", "execute_command")
    assert by["call.intent"]["argsDigest"] == by["approval.decided"]["argsDigest"] == digest
    decided = by["approval.decided"]
    assert (decided["decision"], decided["scope"], bool(decided["decidedBy"])) == ("Approved", "once", True)
    assert decided["comment"] == "fine, token=[masked]"
    calls = [(e["kind"], e["data"]["callId"]) for e in said if e["kind"].startswith("call.")]
    first, second = calls[0][1], calls[2][1]
    assert calls == [(k, c) for c in (first, second) for k in ("call.intent", "call.outcome")]
    assert (by["run.ended"]["phase"], by["call.outcome"]["ok"]) == ("Succeeded", True)
    assert CANARY not in path.read_text()
    assert "sk-canary" not in path.read_text()
    shown = sympozium_cluster.sympozium("audit", "show", "run", "-n", namespace).stdout
    assert f"Approved by {decided['decidedBy']} (once): fine, token=[masked]" in shown

    # The run goes with its transcript, the record stays.
    sympozium_cluster.delete(AGENT_RUN, "run", namespace)
    sympozium_cluster.wait_gone(AGENT_RUN, "run", namespace)
    assert exported(sympozium_cluster, namespace, tmp_path / "again.jsonl") == said
    assert "run" in sympozium_cluster.sympozium("audit", "list", "-n", namespace).stdout


def test_a_call_that_was_refused_is_on_the_record(
    sympozium_cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    policy(sympozium_cluster, namespace, toolGating=ASK)
    with ScriptedModel(TALK) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        decide(sympozium_cluster, namespace, "Denied")
        finished(sympozium_cluster, namespace)
        sympozium_cluster.wait(
            AGENT_RUN,
            "run",
            lambda r: "CleanedUp" in {c["type"] for c in r["status"]["conditions"]},
            namespace,
        )
    said = exported(sympozium_cluster, namespace, tmp_path / "run.jsonl")
    assert all(e["data"]["resultDigest"].startswith("sha256:") for e in said if e["kind"] == "call.outcome")
    denied = next(e["data"] for e in said if e["kind"] == "call.outcome")
    assert (denied["ok"], denied["denied"]) == (False, True)


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A control plane of the test's own, since the test kills its parts."""
    with Cluster(tmp_path / "data") as made:
        yield made


def test_controllers_and_bus_killed_again_and_again_leave_one_whole_record(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    steps = [
        {"call": [{"tool": "list_directory", "arguments": {"path": "."}}], "delay": 0.4} for _ in range(16)
    ]
    policy(own_cluster, "default")
    with ScriptedModel(say(*steps, {"id": "end", "say": "done"})) as model:
        agent(own_cluster, "default", model.base_url)
        run(own_cluster, "default")
        for number, victim in enumerate(("controllers", "bus", "controllers", "controllers")):
            own_cluster.wait(
                AGENT_RUN,
                "run",
                lambda r, n=number: ((r.get("status") or {}).get("steps") or 0) > 2 * n,
                "default",
            )
            state = read(own_cluster.data)
            assert state is not None
            pid = state.children[victim].pid
            own_cluster.kill(victim)
            until(lambda v=victim, p=pid: _is_back(own_cluster, v, p), f"{victim} to come back", timeout=60)
        ended = finished(own_cluster, "default", timeout=150)
    assert phase(ended) == "Succeeded", ended["status"]
    own_cluster.wait(
        AGENT_RUN, "run", lambda r: "CleanedUp" in {c["type"] for c in r["status"]["conditions"]}, "default"
    )
    said = exported(own_cluster, "default", tmp_path / "run.jsonl")
    calls = [(e["kind"], e["data"]["callId"]) for e in said if e["kind"].startswith("call.")]
    ids = [call for kind, call in calls if kind == "call.intent"]
    assert len(ids) == len(set(ids)) == 16
    assert calls == [(kind, call) for call in ids for kind in ("call.intent", "call.outcome")]
    assert not [e for e in said if e["kind"] == "gap"]


def _is_back(cluster: Cluster, victim: str, pid: int | None) -> bool:
    state = read(cluster.data)
    child = state.children[victim] if state else None
    return child is not None and child.pid not in (None, pid)
