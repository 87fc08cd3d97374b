"""What a message of a run puts on the record: kinds and data of entries. Pure.

A record is kept for long and read by many. It holds digests of arguments, tasks and results, never these themselves;
what people and policies wrote (comments, reasons) is masked and bounded.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sympozium.bus import messages
from sympozium.bus.audit.entry import digest
from sympozium.bus.messages import Message
from sympozium.masking import mask_text
from sympozium.shortening import shorten

Data = Mapping[str, Any]
_TEXT: Final = 1000
"""Characters of a text on the record."""
_MANY: Final = 200
"""Items of a list on the record."""


def fact(message: Message) -> tuple[str, dict[str, Any]] | None:
    """Kind and data of the entry that a verified message makes; None where it makes none."""
    made = _MAKERS.get(message.type)
    return (made[0], made[1](message.data)) if made else None


def text(value: Any) -> str:
    """As it may stand on the record."""
    return shorten(mask_text(shorten(str(value), 4 * _TEXT)), _TEXT)


def _picked(data: Data, *names: str) -> dict[str, Any]:
    """Fields as they are, those that are there; texts as they may stand on the record."""
    found = {name: data[name] for name in names if name in data}
    return {name: text(v) if isinstance(v, str) and not _is_digest(v) else v for name, v in found.items()}


def _is_digest(value: str) -> bool:
    return value.startswith("sha256:") and len(value) == 71


def _verdict(verdict: Data) -> dict[str, Any]:
    made = _picked(verdict, "action", "rule", "reason")
    return made | ({"audited": _verdict(verdict["audited"])} if "audited" in verdict else {})


def _intent(data: Data) -> dict[str, Any]:
    call = _picked(data, "callId", "tool", "target", "argsDigest", "policy")
    return call | {"verdict": _verdict(data["verdict"])}


def _requested(data: Data) -> dict[str, Any]:
    asked = _picked(data, "callId", "tool", "target", "argsDigest", "reason")
    # What the person was shown, so that nobody can say later that it was something else.
    shown = {"previewDigest": digest(data["preview"]["text"])} if "preview" in data else {}
    return (
        asked
        | {"argsShownDigest": _digest_of(data["args"]), "expiresInMs": int(data["expiresIn"] * 1000)}
        | shown
    )


def _digest_of(value: Any) -> str:
    """A digest of JSON that a pod wrote, which may hold numbers that are not finite."""
    try:
        return digest(value)
    except ValueError:
        return digest(repr(value))


def _applied(data: Data) -> dict[str, Any]:
    return _picked(data, "callId", "state", "decidedBy", "comment")


def _decided(data: Data) -> dict[str, Any]:
    return _picked(data, "callId", "argsDigest", "decision", "decidedBy", "scope", "comment")


def _outcome(data: Data) -> dict[str, Any]:
    return _picked(
        data, "callId", "ok", "isError", "denied", "resultDigest", "bytes", "truncated", "durationMs"
    )


def _usage(usage: Data) -> dict[str, Any]:
    return _picked(usage, "inputTokens", "outputTokens", "estimated")


def _started(data: Data) -> dict[str, Any]:
    tools = [text(name) for name in data["tools"][:_MANY]]
    return _picked(data, "model", "provider") | {"tools": tools, "toolsOffered": len(data["tools"])}


def _result(data: Data) -> dict[str, Any]:
    made = _picked(data, "phase", "reason", "steps") | {"usage": _usage(data["usage"])}
    if "models" in data:
        made["models"] = [text(name) for name in data["models"][:_MANY]]
    return made | {"resultDigest": digest(data["result"]), "errorDigest": digest(data.get("error", ""))}


def _changed(data: Data) -> dict[str, Any]:
    policy = _picked(data["policy"], "name", "generation", "digest")
    return {k: v for k, v in policy.items() if isinstance(v, str | int)} | {
        "toolPoliciesDigest": _digest_of(data["toolPolicies"])
    }


def _frozen(data: Data) -> dict[str, Any]:
    calls = [_picked(call, "callId", "tool", "target", "durationMs") for call in data["inFlight"][:_MANY]]
    return {"frozen": data["frozen"], "inFlight": calls, "callsInFlight": len(data["inFlight"])}


def _spawn(data: Data) -> dict[str, Any]:
    return _picked(data, "callId", "instance", "wait") | {"taskDigest": digest(data["task"])}


def _schedule(data: Data) -> dict[str, Any]:
    made = _picked(data, "callId", "name", "action", "schedule")
    return made | ({"taskDigest": digest(data["task"])} if "task" in data else {})


def _memory(data: Data) -> dict[str, Any]:
    return _picked(data, "callId", "action") | {"textDigest": digest(data["text"])}


def _answered(data: Data) -> dict[str, Any]:
    return _picked(data, "callId", "ok") | {"textDigest": digest(data["text"])}


def _approval(data: Data) -> dict[str, Any]:
    return _applied(data)


_MAKERS: Final[Mapping[str, tuple[str, Callable[[Data], dict[str, Any]]]]] = {
    messages.RUN_STARTED: ("attempt.started", _started),
    messages.RUN_RESULT: ("attempt.result", _result),
    messages.TOOL_INTENT: ("call.intent", _intent),
    messages.APPROVAL_REQUEST: ("approval.requested", _requested),
    messages.APPROVAL_DECIDED: ("approval.decided", _decided),
    messages.TOOL_APPROVAL: ("approval.state", _approval),
    messages.TOOL_OUTCOME: ("call.outcome", _outcome),
    messages.POLICY_CHANGED: ("policy.changed", _changed),
    messages.POLICY_APPLIED: ("policy.applied", lambda data: _picked(data, "name", "generation", "digest")),
    messages.RUN_FREEZE: ("run.freeze", lambda data: _picked(data, "frozen", "reason")),
    messages.RUN_FROZEN: ("run.frozen", _frozen),
    messages.RUN_CANCEL: ("run.cancel", lambda data: _picked(data, "reason")),
    messages.SPAWN_REQUEST: ("spawn.requested", _spawn),
    messages.SCHEDULE_REQUEST: ("schedule.requested", _schedule),
    messages.MEMORY_REQUEST: ("memory.requested", _memory),
    messages.REQUEST_ANSWERED: ("request.answered", _answered),
}
"""Of a message type, the kind of its entry. Messages of the model and its steps are the transcript's alone."""
UNRECORDED: Final = frozenset(
    {messages.STEP_STARTED, messages.MODEL_DELTA, messages.MODEL_MESSAGE, messages.RUN_KEYS}
)
KINDS: Final = frozenset(
    {kind for kind, _ in _MAKERS.values()} | {"run.created", "run.admitted", "run.ended", "gap"}
)
