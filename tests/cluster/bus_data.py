"""Whole data of each type of message, for tests that care about a field or two of it."""

from collections.abc import Mapping
from typing import Any

_DIGEST = "sha256:" + 64 * "0"
_USAGE = {"inputTokens": 1, "outputTokens": 1}
_CALL = {
    "callId": "c1",
    "tool": "execute_command",
    "target": "shell",
    "args": {"command": "ls"},
    "argsDigest": _DIGEST,
}
_WHOLE: dict[str, dict[str, Any]] = {
    "run.started": {"model": "m", "provider": "p", "tools": []},
    "step.started": {"step": 1},
    "model.delta": {"step": 1, "text": "t"},
    "model.message": {"step": 1, "text": "t", "toolCalls": [], "usage": _USAGE, "finishReason": "stop"},
    "tool.intent": {**_CALL, "verdict": {"action": "allow", "rule": "r", "reason": ""}},
    "tool.approval": {"callId": "c1", "tool": "execute_command", "state": "waiting"},
    "tool.outcome": {
        "callId": "c1", "ok": True, "isError": False, "summary": "s", "bytes": 1, "truncated": False, "durationMs": 1,
    },
    "run.result": {"phase": "Succeeded", "reason": "Completed", "result": "r", "usage": _USAGE, "steps": 1},
    "approval": {**_CALL, "reason": "policy", "expiresIn": 60.0},
    "approval.decided": {
        "callId": "c1", "argsDigest": _DIGEST, "decision": "Approved", "decidedBy": "olivia", "scope": "once", "comment": "",
    },
    "run.cancel": {"reason": "enough"},
    "run.keys": {"keys": {}, "issuer": "A"},
    "policy.changed": {"policy": {"name": "p"}, "toolPolicies": [], "approvalTimeoutSeconds": 60.0},
    "policy.applied": {"name": "p", "generation": 1, "digest": _DIGEST},
    "run.freeze": {"frozen": True, "reason": "stop"},
    "run.frozen": {"frozen": True, "inFlight": []},
    "spawn": {"callId": "c1", "task": "look", "wait": True},
    "schedule": {"callId": "c1", "name": "nightly", "action": "create"},
    "memory": {"callId": "c1", "action": "append", "text": "the pod lies"},
    "request.answered": {"callId": "c1", "ok": True, "text": "started"},
}  # fmt: skip


def whole(kind: str, data: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """`data` and `fields`, with everything else that a message of this type carries."""
    return {**_WHOLE[kind], **(data or {}), **fields}
