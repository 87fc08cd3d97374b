"""The spans of a run, from its events in order. Pure.

    run                                creation to end
      queue, start                     what the controllers did before there was a Job
      invoke_agent <instance>          one for each attempt
        chat <model>                   a step: from asking the model to its answer
        execute_tool <tool>            a call: from its arrival at the gate to its outcome
          approval <tool>              the wait for a person
          tools/call <tool>            the making of it, in the sidecar of a skill
          run                          of a run that the call started: its annotation names the call's span

Names and attributes are OpenTelemetry's for GenAI and MCP (https://opentelemetry.io/docs/specs/semconv/gen-ai/), and
`sympozium.*` for what those have no word for. What was said, by model, person or tool, is in no span.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sympozium.api.run import AgentRun
from sympozium.controllers.run.fold import Event, Usage
from sympozium.controllers.run.trace.origin import Origin
from sympozium.kube.conditions import parse_time
from sympozium.policy import SHELL, TOOL_SERVER
from sympozium.telemetry import tracecontext
from sympozium.telemetry.spans import Span, Value
from sympozium.telemetry.tracecontext import TraceContext

_MS: Final = 1_000_000
LOST: Final = "the attempt was lost"


def nanoseconds(time: str) -> int:
    """Since 1970, of an RFC 3339 time."""
    moment = parse_time(time)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


@dataclass(slots=True)
class _Attempt:
    context: TraceContext
    start: int
    model: str
    provider: str


@dataclass(slots=True)
class _Step:
    context: TraceContext
    start: int


@dataclass(slots=True)
class _Call:
    context: TraceContext
    start: int
    tool: str
    target: str
    verdict: Mapping[str, Any]
    asked: int | None = None
    decision: str = ""


@dataclass(slots=True)
class Story:
    """Of one run. `take` and the rest return the spans that ended with what they are told."""

    run: AgentRun
    origin: Origin
    attempts: int = 0
    _attempt: _Attempt | None = None
    _step: _Step | None = None
    _calls: dict[str, _Call] = field(default_factory=dict)
    _usage: Usage = field(default_factory=Usage)

    def take(self, event: Event) -> list[Span]:
        """One more event."""
        time, data = nanoseconds(event.time), event.data
        match event.type:
            case "run.started":
                return self._started(time, data)
            case "step.started":
                self._step = _Step(self._own(data, "step", event.time), time)
            case "model.message":
                return self._answered(time, data)
            case "tool.intent":
                self._intended(time, data, event.time)
            case "tool.approval":
                return self._asked(time, data)
            case "tool.outcome":
                return self._done(time, data)
            case "run.result":
                error = "" if data.get("phase") == "Succeeded" else str(data.get("reason") or "failed")
                return self._close(time, error)
        return []

    def started(self, queued_from: int, planned_at: int, done_at: int) -> list[Span]:
        """The controllers made the Job of the run."""
        uid, context = self.run.metadata.uid, self.origin.context
        return [
            self._span(
                "queue", context.within(tracecontext.derived(uid, "queue")), context, queued_from, planned_at
            ),
            self._span(
                "start", context.within(tracecontext.derived(uid, "start")), context, planned_at, done_at
            ),
        ]

    def ended(self, phase: str, reason: str, time: int) -> list[Span]:
        """The run has ended: whatever is still open has too."""
        error = "" if phase == "Succeeded" else reason or phase
        meta, trigger = self.run.metadata, self.run.spec.trigger
        attributes: dict[str, Value] = {
            "sympozium.run.phase": phase,
            "sympozium.run.reason": reason,
            "sympozium.run.attempts": self.attempts,
            "sympozium.run.trigger": trigger.kind if trigger else "",
        }
        created = nanoseconds(str(meta.creation_timestamp)) if meta.creation_timestamp else time
        run = Span(
            f"run {self.run.spec.instance_ref}", self.origin.context, self.origin.parent_id, created, time,
            "internal", {**self._common(), **_usage(self._usage), **attributes}, error,
        )  # fmt: skip
        return [*self._close(time, error), run]

    # -- the parts

    def _started(self, time: int, data: Mapping[str, Any]) -> list[Span]:
        closed = self._close(time, LOST)
        self.attempts += 1
        model = self.run.spec.model
        self._attempt = _Attempt(
            self._own(data, "attempt", str(self.attempts)), time,
            str(data.get("model") or (model.model if model else "") or ""), str(data.get("provider") or ""),
        )  # fmt: skip
        return closed

    def _answered(self, time: int, data: Mapping[str, Any]) -> list[Span]:
        step, attempt = self._step, self._attempt
        if step is None or attempt is None:
            return []
        self._step = None
        usage = Usage.of(data.get("usage"))
        self._usage += usage
        attributes: dict[str, Value] = {
            **self._of_model("chat", attempt),
            **_usage(usage),
            "gen_ai.request.stream": True,
            "gen_ai.response.finish_reasons": [str(data.get("finishReason") or "")],
            "sympozium.model.attempts": int(data.get("attempts") or 1),
            **({"gen_ai.response.model": str(data["model"])} if data.get("model") else {}),
        }
        return [
            self._span(
                f"chat {attempt.model}",
                step.context,
                attempt.context,
                step.start,
                time,
                attributes,
                client=True,
            )
        ]

    def _intended(self, time: int, data: Mapping[str, Any], text: str) -> None:
        call = str(data.get("callId"))
        known = self._calls.get(call)
        self._calls[call] = _Call(
            self._own(data, "call", f"{call} {text}"),
            known.start if known else time,  # judged anew: it is the same call still
            str(data.get("tool")),
            str(data.get("target") or ""),
            data.get("verdict") or {},
        )

    def _asked(self, time: int, data: Mapping[str, Any]) -> list[Span]:
        call = self._calls.get(str(data.get("callId")))
        if call is None:
            return []
        if data.get("state") == "waiting":
            call.asked = time
            return []
        call.decision = str(data.get("state"))
        if call.asked is None:
            return []  # decided before: by an approval for the whole run, or in an earlier attempt
        attributes: dict[str, Value] = {
            "gen_ai.tool.name": call.tool,
            "sympozium.approval.decision": call.decision,
        }
        own = call.context.within(tracecontext.derived(call.context.span_id, "approval", str(call.asked)))
        asked, call.asked = call.asked, None
        return [self._span(f"approval {call.tool}", own, call.context, asked, time, attributes)]

    def _done(self, time: int, data: Mapping[str, Any]) -> list[Span]:
        call = self._calls.pop(str(data.get("callId")), None)
        if call is None or self._attempt is None:
            return []
        denied, failed = bool(data.get("denied")), bool(data.get("isError"))
        error = "denied" if denied else "tool_error" if failed else ""
        found: list[Span] = []
        if call.target not in ("", SHELL, TOOL_SERVER) and not denied:
            inner = call.context.within(tracecontext.derived(call.context.span_id, "skill"))
            took = int(data.get("durationMs") or 0) * _MS
            attributes: dict[str, Value] = {
                "mcp.method.name": "tools/call", "gen_ai.tool.name": call.tool, "sympozium.tool.target": call.target,
            }  # fmt: skip
            found.append(
                self._span(
                    f"tools/call {call.tool}",
                    inner,
                    call.context,
                    time - took,
                    time,
                    attributes,
                    error,
                    client=True,
                )
            )
        return [*found, self._call_span(str(data.get("callId")), call, self._attempt, time, error)]

    def _call_span(self, call_id: str, call: _Call, attempt: _Attempt, time: int, error: str) -> Span:
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.tool,
            "gen_ai.tool.call.id": call_id,
            "gen_ai.tool.type": "function",
            "sympozium.tool.target": call.target,
            "sympozium.gate.action": str(call.verdict.get("action") or ""),
            "sympozium.gate.rule": str(call.verdict.get("rule") or ""),
        }
        if call.decision:
            attributes["sympozium.approval.decision"] = call.decision
        return self._span(
            f"execute_tool {call.tool}", call.context, attempt.context, call.start, time, attributes, error
        )

    def _close(self, time: int, error: str) -> list[Span]:
        """End the attempt, and what is open in it."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return []
        calls, self._calls = self._calls, {}
        found = [
            self._call_span(call_id, call, attempt, time, error or LOST) for call_id, call in calls.items()
        ]
        if self._step is not None:
            name, step, self._step = f"chat {attempt.model}", self._step, None
            attributes = self._of_model("chat", attempt)
            found.append(
                self._span(
                    name,
                    step.context,
                    attempt.context,
                    step.start,
                    time,
                    attributes,
                    error or LOST,
                    client=True,
                )
            )
        spec = self.run.spec
        attributes = {
            **self._of_model("invoke_agent", attempt),
            **_usage(self._usage),
            "gen_ai.agent.name": spec.instance_ref,
            "gen_ai.agent.id": spec.agent_id or "default",
            "gen_ai.conversation.id": spec.session_key or self.run.name,
        }
        name = f"invoke_agent {spec.instance_ref}"
        return [
            *found,
            self._span(name, attempt.context, self.origin.context, attempt.start, time, attributes, error),
        ]

    def _of_model(self, operation: str, attempt: _Attempt) -> dict[str, Value]:
        return {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": attempt.provider or "unknown",
            "gen_ai.request.model": attempt.model,
        }

    def _own(self, data: Mapping[str, Any], *else_of: str) -> TraceContext:
        """The span that the pod says, else one that derives from what it is about."""
        derived = tracecontext.derived(self.run.metadata.uid, *else_of)
        return self.origin.context.within(str(data.get("span") or derived))

    def _common(self) -> dict[str, Value]:
        run = self.run
        return {
            "sympozium.run.name": run.name, "sympozium.run.uid": run.metadata.uid, "sympozium.instance": run.spec.instance_ref,
        }  # fmt: skip

    def _span(
        self,
        name: str,
        context: TraceContext,
        parent: TraceContext,
        start: int,
        end: int,
        attributes: Mapping[str, Value] | None = None,
        error: str = "",
        *,
        client: bool = False,
    ) -> Span:
        more: dict[str, Value] = {"error.type": error} if error else {}
        return Span(
            name, context, parent.span_id, start, end, "client" if client else "internal",
            {**self._common(), **(attributes or {}), **more}, error,
        )  # fmt: skip


def _usage(usage: Usage) -> dict[str, Value]:
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
