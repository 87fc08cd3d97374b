"""A2A's JSON: requests as values, runs as tasks. Pure.

https://a2a-protocol.org/latest/specification/ (version 1.0, JSON-RPC binding)
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from sympozium.api.conversation import HISTORY_LIMIT
from sympozium.api.run import TERMINAL
from sympozium.kube.resources import Object
from sympozium.names import digest
from sympozium.server.agents.asked import Ended, waits_for

CODES: Final[Mapping[str, int]] = {
    "Parse": -32700, "InvalidRequest": -32600, "MethodNotFound": -32601, "InvalidParams": -32602, "Internal": -32603,
    "TaskNotFound": -32001, "TaskNotCancelable": -32002, "PushNotificationNotSupported": -32003,
    "UnsupportedOperation": -32004, "ContentTypeNotSupported": -32005, "VersionNotSupported": -32009,
}  # fmt: skip
_STATES: Final[Mapping[str, str]] = {
    "Succeeded": "TASK_STATE_COMPLETED", "Failed": "TASK_STATE_FAILED", "Cancelled": "TASK_STATE_CANCELED",
    "Running": "TASK_STATE_WORKING", "AwaitingApproval": "TASK_STATE_WORKING", "Serving": "TASK_STATE_WORKING",
}  # fmt: skip
_ID_LIMIT: Final = 253
_ARTIFACT: Final = "answer"


class RpcError(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def to_json(self) -> Object:
        return {"code": self.code, "message": str(self)}


@dataclass(frozen=True, slots=True)
class Call:
    id: Any
    method: str
    params: Object


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent to the agent. `immediate`: the task is the answer, not its end."""

    id: str
    text: str
    context: str
    immediate: bool


def call(body: bytes, version: str | None) -> Call:
    """Raises RpcError."""
    if version not in (None, "", "1.0", "1"):
        raise RpcError(CODES["VersionNotSupported"], f"A2A-Version {version!r} is not spoken here: 1.0 is")
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RpcError(CODES["Parse"], f"the body is not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("jsonrpc") != "2.0" or not isinstance(data.get("method"), str):
        raise RpcError(CODES["InvalidRequest"], "the body is no JSON-RPC 2.0 request")
    params = data.get("params") or {}
    if not isinstance(params, dict):
        raise RpcError(CODES["InvalidParams"], "params must be an object")
    return Call(data.get("id"), data["method"], params)


def message(params: Object) -> Message:
    """Raises RpcError."""
    said, settings = params.get("message"), params.get("configuration") or {}
    if not isinstance(said, dict) or not isinstance(settings, dict):
        raise RpcError(CODES["InvalidParams"], "params.message must be an object")
    if settings.get("taskPushNotificationConfig"):
        raise RpcError(
            CODES["PushNotificationNotSupported"], "this agent pushes nothing: subscribe, or ask with GetTask"
        )
    if said.get("taskId"):
        words = "a task takes no more messages: send one without taskId in the same contextId, it goes on from there"
        raise RpcError(CODES["UnsupportedOperation"], words)
    context = said.get("contextId") or f"a2a-{digest(str(said.get('messageId')))}"
    for name, value in (("messageId", said.get("messageId")), ("contextId", context)):
        if not isinstance(value, str) or not 0 < len(value) <= _ID_LIMIT:
            raise RpcError(
                CODES["InvalidParams"], f"params.message.{name} must be a text of 1 to {_ID_LIMIT} characters"
            )
    if said.get("role") != "ROLE_USER":
        raise RpcError(CODES["InvalidParams"], "params.message.role must be ROLE_USER")
    return Message(
        said["messageId"], _text(said.get("parts")), context, bool(settings.get("returnImmediately"))
    )


def _text(parts: Any) -> str:
    if not isinstance(parts, list) or not parts:
        raise RpcError(CODES["InvalidParams"], "params.message.parts must be a list with at least one part")
    texts = []
    for index, part in enumerate(parts):
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise RpcError(
                CODES["ContentTypeNotSupported"], f"params.message.parts[{index}]: an agent reads text alone"
            )
        texts.append(part["text"])
    if not (text := "".join(texts)).strip():
        raise RpcError(CODES["InvalidParams"], "params.message.parts have no text")
    return text


def history(runs: Sequence[Object]) -> list[Mapping[str, str]]:
    """What was said in a context, by the newest of its runs, which knew all before. What is oldest is left out where it would
    be too much, with words in its place.
    """
    if not runs:
        return []
    spec, status = runs[-1]["spec"], runs[-1].get("status") or {}
    said = [*(spec.get("history") or ()), {"role": "user", "content": spec["task"]}]
    said.append({"role": "assistant", "content": status.get("result") or "(no words)"})
    mark = {"role": "user", "content": "[what was said before is left out: it was too long]"}
    room = HISTORY_LIMIT - len(mark["content"])
    if sum(_size(one) for one in said) <= HISTORY_LIMIT and len(said) <= 999:
        return said
    kept: list[Mapping[str, str]] = []
    for one in reversed(said):
        room -= _size(one)
        if room < 0 or len(kept) >= 900:
            break
        kept.append(one)
    return [mark, *reversed(kept)]


def _size(said: Mapping[str, str]) -> int:
    return len(said["content"].encode())


# -- tasks


def task(name: str, context: str, state: str, words: str = "", at: str | None = None) -> Object:
    return {"id": name, "contextId": context, "status": status(state, words, name, context, at=at)}


def status(state: str, words: str, name: str, context: str, *, at: str | None = None) -> Object:
    made: Object = {"state": state} | ({"timestamp": at} if at else {})
    if words:
        made["message"] = {
            "messageId": uuid.uuid4().hex, "role": "ROLE_AGENT", "taskId": name, "contextId": context,
            "parts": [{"text": words}],
        }  # fmt: skip
    return made


def ended(name: str, context: str, end: Ended) -> Object:
    """A task at its end."""
    state = _STATES.get(end.phase, "TASK_STATE_WORKING")
    words = "" if end.phase == "Succeeded" else f"{end.reason}: {end.error}".strip(": ")
    made = task(name, context, state, words)
    if end.result:
        made["artifacts"] = [{"artifactId": _ARTIFACT, "name": _ARTIFACT, "parts": [{"text": end.result}]}]
    return made


def of_run(run: Object) -> Object:
    """A run as it is now, as a task."""
    name, context, found = run["metadata"]["name"], context_of(run), run.get("status") or {}
    if is_over(run):
        end = Ended(
            found["phase"], found.get("reason") or "", found.get("result") or "", found.get("error") or ""
        )
        made = ended(name, context, end)
        made["status"]["timestamp"] = found.get("completedAt") or run["metadata"]["creationTimestamp"]
        return made
    state = _STATES.get(found.get("phase") or "", "TASK_STATE_SUBMITTED")
    return task(name, context, state, waits_for(run) if found.get("phase") != "Running" else "")


def context_of(run: Object) -> str:
    return str(run["spec"].get("sessionKey") or run["metadata"]["name"])


def is_over(run: Object) -> bool:
    return (run.get("status") or {}).get("phase") in TERMINAL
