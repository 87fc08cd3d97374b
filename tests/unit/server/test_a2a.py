"""A2A's JSON: what may be asked, and runs as tasks."""

import json
from typing import Any

import pytest

from sympozium.api.conversation import HISTORY_LIMIT
from sympozium.server.agents.a2atask import CODES, RpcError, call, history, message, of_run

TEXT = [{"text": "Look."}]


def sent(parts: Any = TEXT, **more: Any) -> dict[str, Any]:
    return {"message": {"messageId": "m", "role": "ROLE_USER", "parts": parts, **more}}


def test_a_message_without_a_context_begins_one_by_its_id() -> None:
    one, again = message(sent()), message(sent())
    assert (one, one.immediate) == (again, False)
    assert one.context != message(sent(messageId="n")).context
    assert message({**sent(contextId="c"), "configuration": {"returnImmediately": True}}).immediate
    assert message(sent([{"text": "a"}, {"text": "b"}])).text == "ab"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "InvalidParams"), ({"message": []}, "InvalidParams"), (sent([]), "InvalidParams"), (sent([{"text": " "}]), "InvalidParams"),
        (sent(role="ROLE_AGENT"), "InvalidParams"), (sent(messageId=7), "InvalidParams"), (sent(contextId="x" * 254), "InvalidParams"),
        (sent([{"raw": "eA=="}]), "ContentTypeNotSupported"), (sent(taskId="t"), "UnsupportedOperation"),
        ({**sent(), "configuration": {"taskPushNotificationConfig": {"url": "http://x"}}}, "PushNotificationNotSupported"),
    ],
)  # fmt: skip
def test_what_no_task_can_be_made_of(params: dict[str, Any], code: str) -> None:
    with pytest.raises(RpcError) as caught:
        message(params)
    assert caught.value.code == CODES[code]


@pytest.mark.parametrize(
    ("body", "version", "code"),
    [
        (b"{", "1.0", "Parse"), (b"[]", "1.0", "InvalidRequest"), (b'{"jsonrpc":"1.0","method":"x"}', None, "InvalidRequest"),
        (b'{"jsonrpc":"2.0","method":7}', None, "InvalidRequest"), (b'{"jsonrpc":"2.0","method":"x","params":[1]}', "", "InvalidParams"),
        (b"{}", "0.3", "VersionNotSupported"),
    ],
)  # fmt: skip
def test_what_is_no_call(body: bytes, version: str | None, code: str) -> None:
    with pytest.raises(RpcError) as caught:
        call(body, version)
    assert caught.value.code == CODES[code]
    assert call(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "GetTask"}).encode(), "1.0").params == {}


def run(task: str = "Look.", said: Any = (), **status: Any) -> dict[str, Any]:
    meta = {"name": "r", "creationTimestamp": "2026-11-27T12:00:00Z"}
    return {
        "metadata": meta,
        "spec": {"task": task, "history": list(said), "sessionKey": "c"},
        "status": status,
    }


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        ({}, "SUBMITTED", "pending"), ({"phase": "Queued", "queue": {"reason": "busy"}}, "SUBMITTED", "queued: busy"),
        ({"phase": "Running"}, "WORKING", None), ({"phase": "AwaitingApproval"}, "WORKING", "waits for a person to approve a tool call"),
        ({"phase": "Failed", "reason": "Timeout", "error": "too long"}, "FAILED", "Timeout: too long"),
        ({"phase": "Cancelled", "reason": "Cancelled"}, "CANCELED", "Cancelled"),
        ({"phase": "Succeeded", "reason": "Completed", "result": "done", "completedAt": "2026-11-27T12:01:00Z"}, "COMPLETED", None),
    ],
)  # fmt: skip
def test_a_run_as_a_task(status: dict[str, Any], state: str, words: str | None) -> None:
    task = of_run(run(**status))
    assert (task["id"], task["contextId"], task["status"]["state"]) == ("r", "c", f"TASK_STATE_{state}")
    said = task["status"].get("message")
    assert (said and said["parts"][0]["text"]) == words
    assert ("artifacts" in task) == ("result" in status)


def test_a_context_goes_on_from_its_newest_run() -> None:
    before = [{"role": "user", "content": "hi"}]
    assert history([]) == []
    found = history(
        [run("never", phase="Succeeded", result="x"), run("Look.", before, phase="Succeeded", result="empty")]
    )
    assert found == [*before, {"role": "user", "content": "Look."}, {"role": "assistant", "content": "empty"}]


def test_what_is_oldest_is_left_out_and_said() -> None:
    long = [{"role": "user", "content": "x" * (HISTORY_LIMIT // 2)} for _ in range(3)]
    found = history([run("Look.", long, phase="Succeeded", result="empty")])
    assert "left out" in found[0]["content"]
    assert [one["content"] for one in found[-2:]] == ["Look.", "empty"]
    assert len(found) == 4
    assert sum(len(one["content"]) for one in found) <= HISTORY_LIMIT
