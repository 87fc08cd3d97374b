"""The types of messages and the data that each carries (docs/contracts.md, "The bus").

Data is a plain dictionary on both sides; the types here describe it to mypy and, through pydantic, hold it at run
time: what a publisher sends is checked before it goes, and what arrives is checked again, since a signature says who
wrote a message and not that it makes sense. More keys than listed are kept and mean nothing.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

# pydantic refuses typing's own before Python 3.12.
from typing_extensions import TypedDict

Data = Mapping[str, Any]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Seconds = Annotated[float, Field(gt=0, le=366 * 86400, allow_inf_nan=False)]
CallId = Annotated[str, Field(min_length=1, max_length=256)]
_CONFIG: Final = ConfigDict(strict=True, extra="allow")


class MessageError(ValueError):
    """Data is not what its type asks for; the message names the field."""


@with_config(_CONFIG)
class Usage(TypedDict):
    inputTokens: Count
    outputTokens: Count


@with_config(_CONFIG)
class ToolCall(TypedDict):
    id: str
    name: str
    arguments: Any


@with_config(_CONFIG)
class Verdict(TypedDict):
    action: Literal["allow", "deny", "ask"]
    rule: str
    reason: str


@with_config(_CONFIG)
class RunStarted(TypedDict):
    model: str
    provider: str
    tools: list[str]


@with_config(_CONFIG)
class StepStarted(TypedDict):
    step: Count


@with_config(_CONFIG)
class ModelDelta(TypedDict):
    step: Count
    text: str


@with_config(_CONFIG)
class ModelMessage(TypedDict):
    step: Count
    text: str
    toolCalls: list[ToolCall]
    usage: Usage
    finishReason: str


@with_config(_CONFIG)
class ToolIntent(TypedDict):
    callId: CallId
    tool: str
    target: str
    args: Any
    argsDigest: str
    verdict: Verdict


@with_config(_CONFIG)
class ToolApproval(TypedDict):
    callId: CallId
    state: Literal["waiting", "Approved", "Denied", "Expired"]
    decidedBy: NotRequired[str]
    comment: NotRequired[str]


@with_config(_CONFIG)
class ToolOutcome(TypedDict):
    callId: CallId
    ok: bool
    isError: bool
    summary: str
    bytes: Count
    truncated: bool
    durationMs: Count
    denied: NotRequired[bool]


@with_config(_CONFIG)
class RunResult(TypedDict):
    phase: Literal["Succeeded", "Failed"]
    reason: str
    result: str
    error: NotRequired[str]
    usage: Usage
    steps: Count


@with_config(_CONFIG)
class ApprovalRequest(TypedDict):
    callId: CallId
    tool: str
    target: str
    args: dict[str, Any]
    argsDigest: str
    reason: str
    expiresIn: Seconds


@with_config(_CONFIG)
class ApprovalDecided(TypedDict):
    callId: CallId
    argsDigest: str
    decision: Literal["Approved", "Denied", "Expired"]
    decidedBy: str
    scope: Literal["once", "run"]
    comment: str


@with_config(_CONFIG)
class RunCancel(TypedDict):
    reason: str


@with_config(_CONFIG)
class RunKeys(TypedDict):
    """Public keys (base64) of a run, by which readers verify what its containers say."""

    agent: str
    tools: str


KEYS: Final = "run.keys"
DELTA: Final = "model.delta"
EVENTS: Final[dict[str, Any]] = {
    "run.started": RunStarted,
    "step.started": StepStarted,
    "model.message": ModelMessage,
    "tool.intent": ToolIntent,
    "tool.approval": ToolApproval,
    "tool.outcome": ToolOutcome,
    "run.result": RunResult,
}
DELTAS: Final[dict[str, Any]] = {DELTA: ModelDelta}
REQUESTS: Final[dict[str, Any]] = {"approval": ApprovalRequest}
CONTROLS: Final[dict[str, Any]] = {
    "approval.decided": ApprovalDecided,
    "run.cancel": RunCancel,
    KEYS: RunKeys,
}
BY_KIND: Final[dict[str, dict[str, Any]]] = {
    "event": EVENTS,
    "delta": DELTAS,
    "request": REQUESTS,
    "control": CONTROLS,
}


def check(kind: str, message_type: str, data: Data) -> None:
    """Whether `data` is what this type carries. `kind` is event, delta, request or control.

    Raises MessageError; also for a type that is not of this kind.
    """
    known = BY_KIND[kind]
    if message_type not in known:
        raise MessageError(f"{message_type!r} is no {kind}; there are {', '.join(known)}")
    try:
        _adapter(kind, message_type).validate_python(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise MessageError(f"{message_type}: {path or 'data'}: {first['msg']}") from None


@cache
def _adapter(kind: str, message_type: str) -> TypeAdapter[Any]:
    return TypeAdapter(BY_KIND[kind][message_type])
