"""What the events of a run say about it. Pure.

The progress of a run is a fold over its transcript in order: the same transcript gives the same progress,
whoever computes it and however often it was interrupted. Nothing of it needs to be stored beside the stream.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

RESULT_LIMIT: Final = 32 * 1024
"""Bytes of the result that go into the status; the whole is in the transcript."""
STATUS_TYPES: Final = frozenset(
    {"run.started", "step.started", "tool.approval", "run.result", "policy.applied", "run.frozen"}
)
"""Events for which a status is written. What the others bring (tokens, calls) goes along with the next of them."""
_ERROR_LIMIT: Final = 4 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """A verified message of a run: `type` and `data` as in docs/contracts.md, `time` in RFC 3339."""

    type: str
    data: Mapping[str, Any]
    time: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the agent said at its end."""

    phase: str
    reason: str
    result: str
    error: str
    time: str


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> "Usage":
        data = data or {}
        return cls(int(data.get("inputTokens") or 0), int(data.get("outputTokens") or 0))

    def at_least(self, other: "Usage") -> "Usage":
        return Usage(max(self.input_tokens, other.input_tokens), max(self.output_tokens, other.output_tokens))


@dataclass(frozen=True, slots=True)
class Applied:
    """The policy that the tool server said it judges by. `count` numbers its answers over the life of the run."""

    name: str
    generation: int
    digest: str
    count: int


@dataclass(frozen=True, slots=True)
class Held:
    """What the tool server answered to the last freeze or its end; `calls` in words: begun before, and not ended then."""

    frozen: bool
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `version` counts the events, so that two values of one run can be ordered."""

    version: int = 0
    started_at: str = ""
    attempts: int = 0
    steps: int = 0
    tool_calls: int = 0
    usage: Usage = Usage()
    before: Usage = Usage()
    """Used by earlier attempts (retries)."""
    steps_before: int = 0
    waiting: Mapping[str, str] = field(default_factory=dict)
    """Call id -> tool, for calls that wait for a person."""
    outcome: Outcome | None = None
    applied: Applied | None = None
    held: Held | None = None


def fold(progress: Progress, event: Event) -> Progress:
    """The progress after one more event. Types that say nothing about the status change only the version."""
    progress = replace(progress, version=progress.version + 1)
    data = event.data
    match event.type:
        case "run.started":
            # A retry: what the failed attempt said is not the result, but what it used was used.
            return replace(
                progress, attempts=progress.attempts + 1, started_at=progress.started_at or event.time,
                before=progress.usage, steps_before=progress.steps, waiting={}, outcome=None,
            )  # fmt: skip
        case "step.started":
            return replace(progress, steps=progress.steps_before + int(data.get("step") or 0))
        case "model.message":
            return replace(progress, usage=progress.usage + Usage.of(data.get("usage")))
        case "tool.intent":
            return replace(progress, tool_calls=progress.tool_calls + 1)
        case "tool.approval":
            return replace(progress, waiting=_waiting(progress, data))
        case "policy.applied":
            return replace(progress, applied=_applied(progress, data))
        case "run.frozen":
            calls = tuple(in_flight(call) for call in data.get("inFlight") or ())
            return replace(progress, held=Held(bool(data.get("frozen")), calls))
        case "run.result":
            return _ended(progress, event)
    return progress


def fold_all(events: Iterable[Event]) -> Progress:
    progress = Progress()
    for event in events:
        progress = fold(progress, event)
    return progress


def _waiting(progress: Progress, data: Mapping[str, Any]) -> dict[str, str]:
    call = str(data.get("callId") or "")
    others = {key: tool for key, tool in progress.waiting.items() if key != call}
    return (
        {**others, call: str(data.get("tool") or "a tool call")} if data.get("state") == "waiting" else others
    )


def _applied(progress: Progress, data: Mapping[str, Any]) -> Applied:
    count = progress.applied.count + 1 if progress.applied else 1
    return Applied(str(data.get("name")), int(data.get("generation") or 0), str(data.get("digest")), count)


def in_flight(call: Mapping[str, Any]) -> str:
    """`execute_command in shell for 2.1 s`."""
    where = f" in {call['target']}" if call.get("target") else ""
    return f"{call.get('tool') or 'a call'}{where} for {int(call.get('durationMs') or 0) / 1000:.1f} s"


def _ended(progress: Progress, event: Event) -> Progress:
    data = event.data
    outcome = Outcome(
        phase="Succeeded" if data.get("phase") == "Succeeded" else "Failed",
        reason=str(data.get("reason") or ""),
        result=head(str(data.get("result") or ""), RESULT_LIMIT),
        error=head(str(data.get("error") or ""), _ERROR_LIMIT),
        time=event.time,
    )
    total = progress.before + Usage.of(data.get("usage"))
    steps = progress.steps_before + int(data.get("steps") or 0)
    return replace(
        progress, outcome=outcome, waiting={}, usage=progress.usage.at_least(total),
        steps=max(progress.steps, steps),
    )  # fmt: skip


def head(text: str, limit: int) -> str:
    """The text, or as much of it as fits into `limit` bytes of UTF-8 with a line that says so."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    note = f"\n[shortened: {len(raw)} bytes, the whole is in the transcript]"
    return raw[: limit - len(note)].decode(errors="ignore") + note
