"""`ask`: the run waits for a person, and goes on or is refused by what the person decides."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from e2e.support import (
    agent,
    answers,
    asked,
    call,
    decided,
    finished,
    own_namespace,
    policy,
    run,
    tell,
    transcript,
)
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, ApiError, Cluster, ScriptedModel, phase
from sympozium.testing.client import Object

RULES = [{"tool": "execute_command", "action": "ask"}, {"tool": "write_file", "action": "ask"}]
ASK = {"defaultAction": "allow", "rules": RULES}
LOOK_TWICE = {**ASK, "rules": [{**RULES[0], "reason": "look twice"}, RULES[1]]}
FORGED = {"decidedBy": "the-boss", "decidedAt": "2001-01-01T00:00:00Z"}


def command(step: str) -> Object:
    """A call that answers with the content of a file which it has made."""
    return call("execute_command", step, command=f"echo changed > {step}; cat {step}")


STEPS = (
    command("approved"),
    command("denied"),
    call("list_directory", "look", path="."),
    command("changed"),
    call("write_file", "diff", path="./approved", content="new\n"),
    call("read_file", "read", path="approved"),
    command("by_command_line"),
)


@dataclass(frozen=True)
class Seen:
    """What a run met that asked for each of STEPS which its policy asks about, one after another."""

    said: dict[str, str]
    """What each call answered."""
    requests: dict[str, Object]
    """The ApprovalRequests by their steps, as they were in the end."""
    void: Object
    """The one that was asked under a policy that has changed."""
    second: str
    """What a second decision got."""
    shown: dict[str, str]
    """What `sympozium approvals` printed: `list`, and what it showed by steps."""
    transcript: str


@pytest.fixture(scope="module")
def seen(sympozium_cluster: Cluster) -> Iterator[Seen]:
    cluster = sympozium_cluster
    requests, shown = {}, {}
    with own_namespace(cluster) as namespace, ScriptedModel(tell(*STEPS)) as model:
        policy(cluster, namespace, toolGating=ASK)
        agent(cluster, namespace, model.base_url)
        run(cluster, namespace)

        def waits(step: str, *, not_digest: str = "") -> Object:
            [made] = next(s["call"] for s in STEPS if s["id"] == step)
            args = {"path": "approved"} if step == "diff" else made["arguments"]
            requests[step] = asked(cluster, namespace, not_digest=not_digest, **args)
            return requests[step]

        first = waits("approved")
        cluster.wait(AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", namespace)
        decided(cluster, first, "Approved", **FORGED)
        with pytest.raises(ApiError) as second:
            decided(cluster, first, "Denied")
        decided(cluster, waits("denied"), "Denied")
        void = waits("changed")
        policy(cluster, namespace, toolGating=LOOK_TWICE)
        decided(cluster, waits("changed", not_digest=void["spec"]["argsDigest"]), "Approved")
        for step in ("diff", "by_command_line"):
            name = waits(step)["metadata"]["name"]
            shown["list"] = cluster.sympozium("approvals", "list", "-n", namespace).stdout
            shown[step] = cluster.sympozium("approvals", "show", name, "-n", namespace).stdout
            if step == "diff":
                decided(cluster, requests[step], "Approved")
        cluster.sympozium("approvals", "approve", name, "-n", namespace, "--comment", "fine")
        said = answers(finished(cluster, namespace))

        def now(request: Object) -> Object:
            return cluster.get(APPROVAL_REQUEST, request["metadata"]["name"], namespace)

        yield Seen(
            said, {step: now(request) for step, request in requests.items()}, now(void),
            str(second.value), shown, transcript(cluster, namespace),
        )  # fmt: skip


def test_approved(seen: Seen) -> None:
    status = seen.requests["approved"]["status"]
    assert status["decidedBy"]
    assert status["decidedAt"]
    assert "changed" in seen.said["approved"]
    assert status["decidedBy"] in seen.transcript


def test_denied(seen: Seen) -> None:
    assert "denied" in seen.said["denied"].lower()
    assert "changed" not in seen.said["denied"]
    assert seen.said["look"] == "approved 8 bytes"


def test_a_decision_is_made_once_and_its_author_is_not_chosen(seen: Seen) -> None:
    status = seen.requests["approved"]["status"]
    assert status["decision"] == "Approved"
    assert status["decidedBy"] != "the-boss"
    assert not status["decidedAt"].startswith("2001")
    assert re.search(r"already|second", seen.second)


def test_a_file_is_shown_as_a_diff(seen: Seen) -> None:
    spec = seen.requests["diff"]["spec"]
    assert spec["args"]["path"] == "approved"
    assert spec["preview"]["kind"] == "diff"
    assert "-changed\n+new" in spec["preview"]["text"]
    assert "what it would change:\n  approved: replaced, 4 bytes instead of 8" in seen.shown["diff"]
    assert seen.said["read"].endswith("new")


def test_a_changed_policy_voids_what_waits_and_asks_anew(seen: Seen) -> None:
    assert seen.requests["changed"]["spec"]["reason"] == "look twice"
    void = seen.void["status"]
    assert (void["decision"], "policy changed" in void["comment"]) == ("Expired", True)
    assert "changed" in seen.said["changed"]


def test_the_command_line_shows_and_decides(seen: Seen) -> None:
    request = seen.requests["by_command_line"]
    assert request["metadata"]["name"] in seen.shown["list"]
    shown = seen.shown["by_command_line"]
    assert "echo changed > by_command_line" in shown
    assert "the command as it would run:\n  in shell, directory .:" in shown
    assert (request["status"]["decision"], request["status"]["comment"]) == ("Approved", "fine")
    assert "changed" in seen.said["by_command_line"]


@pytest.fixture(scope="module")
def expired(sympozium_cluster: Cluster) -> Iterator[tuple[Object, list[Object]]]:
    """A run that nobody answers, and what it asked."""
    cluster = sympozium_cluster
    rules = [{**RULES[1], "reason": "writes go by people"}]
    step = call("write_file", path="a", content="b")
    with own_namespace(cluster) as namespace, ScriptedModel(tell(step)) as model:
        policy(
            cluster, namespace, toolGating={**ASK, "rules": rules}, approvals={"timeout": "1s", "onTimeout": "deny"}
        )  # fmt: skip
        agent(cluster, namespace, model.base_url)
        run(cluster, namespace)
        yield finished(cluster, namespace), cluster.items(APPROVAL_REQUEST, namespace)


def test_it_expires_by_policy(expired: tuple[Object, list[Object]]) -> None:
    over, requests = expired
    assert "expired" in answers(over)["write_file"].lower()
    assert [a["status"]["decision"] for a in requests] == ["Expired"]


def test_who_is_asked_sees_the_rules_reason(expired: tuple[Object, list[Object]]) -> None:
    over, (request,) = expired
    assert "created" not in answers(over)["write_file"]
    assert request["spec"]["reason"] == "writes go by people"
