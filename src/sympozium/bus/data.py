"""What each type of message carries (docs/contracts.md, "The bus"), and whether a message does.

Data is a plain dictionary on both sides: these types tell mypy what is in it, and `check` holds them at run time.
A publisher's mistake is found where it is made. A reader checks too, since a signature says who wrote
a message and not that it makes sense: what a hostile run signs about itself must not stop a controller.
Keys that are not listed are kept, and mean nothing.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import (
    Any,
    Final,
    Literal,
    NotRequired,
    TypedDict,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

_PATTERNS: Final = {
    "callId": re.compile(r".{1,256}"),
    "argsDigest": re.compile(r"sha256:[0-9a-f]{64}"),
    "span": re.compile(r"(?!0{16})[0-9a-f]{16}"),
}
"""Of texts that become part of objects, wherever they are: the API refuses others, each time they are tried."""
_MOST: Final = 2**53
"""Of a whole number: beyond it, JSON's readers differ."""


class Usage(TypedDict):
    inputTokens: int
    outputTokens: int
    estimated: NotRequired[bool]


class ToolCall(TypedDict):
    """`arguments` as the model wrote them, which may be no JSON."""

    id: str
    name: str
    arguments: str


class Audited(TypedDict):
    """What a policy under `enforcement: Audit` would have decided."""

    action: Literal["allow", "deny", "ask"]
    rule: str
    reason: str


class Verdict(TypedDict):
    """`instead`: in words, what would be allowed. `audited` when a policy that only watches is stricter."""

    action: Literal["allow", "deny", "ask"]
    rule: str
    reason: str
    instead: NotRequired[str]
    audited: NotRequired[Audited]


class RunStarted(TypedDict):
    """`before`: messages of the conversation that the run goes on with."""

    model: str
    provider: str
    tools: list[str]
    before: NotRequired[int]
    span: NotRequired[str]


class StepStarted(TypedDict):
    step: int
    span: NotRequired[str]


class ModelDelta(TypedDict):
    step: int
    text: str


class ModelMessage(TypedDict):
    """`durationMs` from the step's first request to its answer, over all `attempts`. `model` is who answered, as the endpoint says."""

    step: int
    text: str
    toolCalls: list[ToolCall]
    usage: Usage
    finishReason: str
    durationMs: NotRequired[int]
    attempts: NotRequired[int]
    model: NotRequired[str]


class ToolIntent(TypedDict):
    callId: str
    tool: str
    target: str
    args: Any
    argsDigest: str
    verdict: Verdict
    policy: NotRequired[str]
    span: NotRequired[str]


class ToolApproval(TypedDict):
    callId: str
    tool: NotRequired[str]
    state: Literal["waiting", "Approved", "Denied", "Expired"]
    waitedMs: NotRequired[int]
    decidedBy: NotRequired[str]
    comment: NotRequired[str]
    argsDigest: NotRequired[str]


class ToolOutcome(TypedDict):
    """`bytes` and `resultDigest` (`sha256:` over its UTF-8) of the whole result, of which `summary` is a part."""

    callId: str
    ok: bool
    isError: bool
    summary: str
    bytes: int
    truncated: bool
    durationMs: int
    denied: NotRequired[bool]
    resultDigest: NotRequired[str]


class RunResult(TypedDict):
    """`models`: who answered, as the endpoint says, in the order of their first answers."""

    phase: Literal["Succeeded", "Failed"]
    reason: str
    result: str
    error: NotRequired[str]
    usage: Usage
    steps: int
    models: NotRequired[list[str]]


class PolicyApplied(TypedDict):
    """The tool server judges by this policy from here on. `digest` as in `tools.json`."""

    name: str
    generation: int
    digest: str


class InFlight(TypedDict):
    callId: str
    tool: str
    target: str
    durationMs: int


class RunFrozen(TypedDict):
    """Answer to `run.freeze`: whether calls are held now, and which one had begun before and still runs."""

    frozen: bool
    inFlight: list[InFlight]


class Preview(TypedDict):
    kind: Literal["diff", "dry-run", "request", "command", "none"]
    text: str
    truncated: bool
    problem: NotRequired[str]


class Spawn(TypedDict):
    """A request to start a run. `instance` is the asking run's own when absent."""

    callId: str
    task: str
    instance: NotRequired[str]
    wait: bool
    span: NotRequired[str]


class Schedule(TypedDict):
    """A request about a schedule of the asking run's instance."""

    callId: str
    name: str
    action: Literal["create", "delete", "list"]
    schedule: NotRequired[str]
    task: NotRequired[str]


class Memory(TypedDict):
    """A request to write into the notes of the asking run's instance."""

    callId: str
    action: Literal["append", "replace"]
    text: str


class RequestAnswered(TypedDict):
    """Answer to `spawn`, `schedule` and `memory`: text for the model; `ok` false is a refusal or a failure, said why."""

    callId: str
    ok: bool
    text: str


class PolicyChanged(TypedDict):
    """`policy` is a `PolicyFile`, `toolPolicies` a list of `ToolPolicy` (sympozium.api.runconfig), as JSON."""

    policy: dict[str, Any]
    toolPolicies: list[Any]
    approvalTimeoutSeconds: float


class RunFreeze(TypedDict):
    """Hold every call that has not begun, or let them go again."""

    frozen: bool
    reason: str


class Approval(TypedDict):
    """A request. `expiresIn` in seconds."""

    callId: str
    tool: str
    target: str
    args: dict[str, Any]
    argsDigest: str
    reason: str
    expiresIn: float
    preview: NotRequired[Preview]


class ApprovalDecided(TypedDict):
    callId: str
    argsDigest: str
    decision: Literal["Approved", "Denied", "Expired"]
    decidedBy: str
    scope: Literal["once", "run"]
    comment: str


class RunCancel(TypedDict):
    reason: str


class RunKeys(TypedDict):
    """Public signing keys by container (base64), and the account's key that issued their users."""

    keys: dict[str, str]
    issuer: str


TYPES: Final[Mapping[str, Any]] = {
    "run.started": RunStarted,
    "step.started": StepStarted,
    "model.delta": ModelDelta,
    "model.message": ModelMessage,
    "tool.intent": ToolIntent,
    "tool.approval": ToolApproval,
    "tool.outcome": ToolOutcome,
    "run.result": RunResult,
    "approval": Approval,
    "approval.decided": ApprovalDecided,
    "run.cancel": RunCancel,
    "policy.applied": PolicyApplied,
    "run.frozen": RunFrozen,
    "spawn": Spawn,
    "schedule": Schedule,
    "memory": Memory,
    "request.answered": RequestAnswered,
    "policy.changed": PolicyChanged,
    "run.freeze": RunFreeze,
    "run.keys": RunKeys,
}


def wrong(kind: str, data: Mapping[str, Any]) -> str:
    """What is wrong with the data of a message, with the path of the field; empty when nothing is."""
    if kind not in TYPES:
        return f"unknown message type {kind[:80]!r}"
    problem = _wrong(data, TYPES[kind], "data")
    return f"{kind}: {problem}" if problem else ""


@cache
def _fields(shape: Any) -> dict[str, Any]:
    return get_type_hints(shape)


def _wrong(value: Any, shape: Any, path: str) -> str:
    if shape is Any:
        return ""
    if is_typeddict(shape):
        return _wrong_object(value, shape, path)
    origin, parameters = get_origin(shape), get_args(shape)
    if origin is Literal:
        return "" if value in parameters else f"{path} is none of {', '.join(map(str, parameters))}"
    if origin is list:
        if not isinstance(value, list):
            return f"{path} is no list"
        return _first(_wrong(item, parameters[0], f"{path}.{i}") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            return f"{path} is no object"
        return _first(_wrong(item, parameters[1], f"{path}.{key}") for key, item in value.items())
    return _wrong_scalar(value, shape, path)


def _wrong_object(value: Any, shape: Any, path: str) -> str:
    if not isinstance(value, Mapping):
        return f"{path} is no object"
    missing = sorted(shape.__required_keys__ - value.keys())
    if missing:
        return f"{path}.{missing[0]} is missing"
    problem = _first(
        _wrong(value[key], of, f"{path}.{key}") for key, of in _fields(shape).items() if key in value
    )
    return problem or _first(
        f"{path}.{key} is not {pattern.pattern}"
        for key, pattern in _PATTERNS.items()
        if key in shape.__annotations__ and key in value and not pattern.fullmatch(value[key])
    )


def _wrong_scalar(value: Any, shape: Any, path: str) -> str:
    if shape is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number and 0 <= value < _MOST else f"{path} is no number of at least 0"
    if shape is int:
        return "" if type(value) is int and 0 <= value < _MOST else f"{path} is no whole number of at least 0"
    return "" if type(value) is shape else f"{path} is no {_WORDS[shape]}"


_WORDS: Final = {str: "text", bool: "boolean"}


def _first(problems: Iterable[str]) -> str:
    return next((problem for problem in problems if problem), "")
