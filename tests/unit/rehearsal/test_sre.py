"""The built-in script, on what kubectl prints for each kind of failure."""

import json

import pytest

from sympozium.rehearsal.engine import reply
from sympozium.rehearsal.script import BANNER, builtin

TOOLS = [{"type": "function", "function": {"name": n}} for n in ("kubectl_get", "execute_command")]
HEAD = "NAMESPACE   NAME        READY   STATUS    RESTARTS   AGE\n"
WELL = "default     agent-x     4/4     Running   0          5s\nshop        stock-aaa   1/1     Running   0          1m\n"
NEW = "default     other-run   0/4     Pending   0          0s\n"


def play(answers: dict[str, list[str]], limit: int = 12):
    """Plays the script; `answers` are the tool results by step, in the order of its calls."""
    messages = [{"role": "system", "content": "SRE"}, {"role": "user", "content": "Check the health."}]
    made = []
    for _ in range(limit):
        answer = reply(builtin(), {"model": "m", "messages": messages, "tools": TOOLS})
        if not answer.calls:
            return answer.text, made
        messages.append({"role": "assistant", "content": answer.text})
        results = answers[answer.step.id]
        assert len(results) == len(answer.calls)
        for call, text in zip(answer.calls, results, strict=True):
            made.append((call.name, json.loads(call.arguments)))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": text})
    raise AssertionError("the script does not end")


CASES = {
    "CrashLoopBackOff": (
        "CrashLoopBackOff   3 (20s ago)",
        "    State:          Waiting\n      Reason:       CrashLoopBackOff\n    Last State:     Terminated\n      Reason:       Error\n",
        "        lastState:\n          terminated:\n            exitCode: 3\n            reason: Error\n",
    ),
    "ErrImageNeverPull": (
        "ErrImageNeverPull  0",
        "      Reason:       ErrImageNeverPull\n",
        ('      waiting:\n        message: Container image "localhost/hots:latest" is not present with pull policy of Never\n'
        "        reason: ErrImageNeverPull\n"),
    ),
    "CreateContainerConfigError": (
        "CreateContainerConfigError   0",
        "      Reason:       CreateContainerConfigError\n",
        '        message: secret "db-credentials" not found\n        reason: CreateContainerConfigError\n',
    ),
    "OOMKilled": (
        "OOMKilled   0", "      Reason:       OOMKilled\n      Exit Code:    137\n",
        "          exitCode: 137\n          reason: OOMKilled\n",
    ),
    "Unschedulable": (
        "Pending   0", "Conditions:\n  PodScheduled   False\n",
        "  - lastProbeTime: null\n    message: '0/1 nodes are available:\n      1 Insufficient cpu.'\n    reason: Unschedulable\n",
    ),
}  # fmt: skip


def answers(case: str, change: str) -> dict[str, list[str]]:
    status, describe, yaml = CASES[case]
    return {
        "look": [f"{HEAD}{WELL}shop        cart-x7b2   0/1     {status}     1m\n"],
        "describe": [describe, yaml, "LAST SEEN   TYPE   REASON\n"],
        "logs": ["FATAL: cannot read /etc/app/config.yaml: no such file or directory"],
        "remedy": [change],
        "verify": ["NAME        READY   STATUS\nstock-aaa   1/1     Running"],
    }


@pytest.mark.parametrize("case", CASES)
def test_each_failure_is_found_and_named(case: str) -> None:
    text, made = play(answers(case, 'pod "cart-x7b2" deleted from shop namespace'))
    assert text.startswith(BANNER)
    assert "`cart-x7b2` in namespace `shop`" in text
    assert f"**Reason**: {case}" in text
    commands = [a for n, a in made if n == "execute_command"]
    assert commands == [{"command": "kubectl delete pod cart-x7b2 --namespace shop", "target": "k8s-ops"}]
    assert "deleted from shop namespace" in text
    assert "stock-aaa" in text


def test_the_detail_is_what_kubernetes_said() -> None:
    assert 'secret "db-credentials" not found' in play(answers("CreateContainerConfigError", "deleted"))[0]
    detail = "**Detail**: 0/1 nodes are available: 1 Insufficient cpu.\n"
    assert detail in play(answers("Unschedulable", "deleted"))[0]
    text = play(answers("CrashLoopBackOff", 'pod "cart-x7b2" deleted'))[0]
    assert "FATAL: cannot read /etc/app/config.yaml" in text
    assert "exit code 3" in text


@pytest.mark.parametrize(
    "refusal",
    [
        "error: denied by olivia: not now [default-policy: toolGating.rules[0]]",
        "error: denied: the approval expired, nobody decided in time [x]",
    ],
)
def test_a_refusal_is_reported_and_nothing_else_is_tried(refusal: str) -> None:
    text, made = play(answers("OOMKilled", refusal))
    assert "Nothing was changed" in text
    assert refusal.removeprefix("error: ") in text
    assert made[-1][0] == "execute_command"


def test_a_change_that_fails_is_reported() -> None:
    forbidden = (
        'error: Error from server (Forbidden): pods "cart-x7b2" is forbidden: no rights\n[exit code 1]'
    )
    text, _ = play(answers("OOMKilled", forbidden))
    assert "the change did not work" in text
    assert "is forbidden" in text


def test_nothing_broken() -> None:
    text, made = play({"look": [HEAD + WELL]})
    assert "nothing is broken" in text
    assert len(made) == 1


def test_a_pod_that_only_starts_is_not_taken_for_the_broken_one() -> None:
    given = answers("CrashLoopBackOff", "deleted")
    given["look"] = [HEAD + NEW + WELL + "shop        cart-x7b2   0/1     CrashLoopBackOff   3     1m\n"]
    assert "`cart-x7b2`" in play(given)[0]


def test_a_pending_pod_without_a_reason_is_not_touched() -> None:
    text, made = play({"look": [HEAD + NEW], "describe": ["Status: Pending\n", "phase: Pending\n", ""]})
    assert "the reason is not clear" in text
    assert {n for n, _ in made} <= {"kubectl_get", "kubectl_describe", "kubectl_events"}


def test_a_tool_that_fails_is_reported() -> None:
    text, _ = play({"look": ["error: denied: policy x denies kubectl_get [x]"]})
    assert "I could not look" in text
    assert "policy x denies kubectl_get" in text
