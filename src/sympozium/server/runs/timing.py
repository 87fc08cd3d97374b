"""Where the time of a run went: spans for a waterfall, from its status, its pod and its messages. Pure.

    queue      created -> its pod was created, or it began
    pod        the pod was created -> the agent said that it has started
    step       a model call with the tool calls that came of it
      model    the model call
      tool     a call, from its intent to its outcome
        approval   the wait for a person

Times are those that the parts of the run wrote: clocks of two machines may differ. What had not ended when the run did
ends with it, and its status says so.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sympozium.api.run import TERMINAL
from sympozium.bus import messages as bus
from sympozium.bus.history import Stored
from sympozium.bus.messages import Message
from sympozium.kube.resources import Object
from sympozium.server.models.inspection import Span

CUT: Final = "cut"
"""Status of what had not ended when its run did."""


def spans(run: Object, pod: Object | None, said: Sequence[Stored]) -> list[Span]:
    """In the order in which they begin. `pod` None: it is gone, or the caller may not see it."""
    status = run.get("status") or {}
    found = _Spans()
    for stored in said:
        found.take(stored)
    created = run["metadata"]["creationTimestamp"]
    started = status.get("startedAt") or found.started
    made = pod["metadata"]["creationTimestamp"] if pod else None
    queue = Span(
        id="queue", kind="queue", name="queued", started_at=created, ended_at=made or started, status="done"
    )
    before = [queue]
    if made and pod:
        before.append(
            Span(
                id="pod",
                kind="pod",
                name=pod["metadata"]["name"],
                started_at=made,
                ended_at=found.started,
                status="done",
            )
        )
    ended = status.get("completedAt") if status.get("phase") in TERMINAL else None
    return [_closed(span, ended) for span in [*before, *found.spans]]


def _closed(span: Span, ended: str | None) -> Span:
    if span.ended_at is not None:
        return span
    return span.model_copy(update={"ended_at": ended, "status": CUT if ended else "running"})


class _Spans:
    """Takes messages in their order."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.started: str | None = None
        """When the agent first said that it has started."""
        self._step: Span | None = None
        self._model: Span | None = None
        self._tools: dict[str, Span] = {}
        self._waits: dict[str, Span] = {}
        self._takers: dict[str, Callable[[int, Message], None]] = {
            bus.RUN_STARTED: self._run_started,
            bus.STEP_STARTED: self._step_started,
            bus.MODEL_MESSAGE: self._model_message,
            bus.TOOL_INTENT: self._intent,
            bus.TOOL_APPROVAL: self._approval,
            bus.TOOL_OUTCOME: self._outcome,
            bus.RUN_RESULT: self._result,
        }

    def take(self, stored: Stored) -> None:
        taker = self._takers.get(stored.message.type)
        if taker:
            taker(stored.sequence, stored.message)

    def _run_started(self, _place: int, message: Message) -> None:
        self.started = self.started or message.time
        self._end_step(message.time)  # a pod before this one may have left its step open

    def _step_started(self, place: int, message: Message) -> None:
        self._end_step(message.time)
        number = message.data["step"]
        self._step = self._open(f"step-{place}", "step", f"step {number}", message.time, None)
        self._model = self._open(f"model-{place}", "model", "model", message.time, self._step)

    def _model_message(self, _place: int, message: Message) -> None:
        _end(self._model, message.time, message.data["finishReason"])
        self._model = None

    def _intent(self, place: int, message: Message) -> None:
        data = message.data
        name = f"{data['tool']} in {data['target']}" if data["target"] else data["tool"]
        self._tools[data["callId"]] = self._open(f"tool-{place}", "tool", name, message.time, self._step)

    def _approval(self, place: int, message: Message) -> None:
        call, state = message.data["callId"], message.data["state"]
        if state == "waiting":
            self._waits[call] = self._open(
                f"approval-{place}", "approval", "approval", message.time, self._tools.get(call)
            )
        else:
            _end(self._waits.pop(call, None), message.time, state)

    def _outcome(self, _place: int, message: Message) -> None:
        data = message.data
        status = "done" if data["ok"] else "denied" if data.get("denied") else "failed"
        _end(self._tools.pop(data["callId"], None), message.time, status)

    def _result(self, _place: int, message: Message) -> None:
        self._end_step(message.time)

    def _end_step(self, time: str) -> None:
        _end(self._step, time, "done")
        self._step = None

    def _open(self, name: str, kind: Any, title: str, time: str, parent: Span | None) -> Span:
        span = Span(
            id=name,
            kind=kind,
            name=title,
            started_at=time,
            ended_at=None,
            status=None,
            parent=parent.id if parent else None,
        )
        self.spans.append(span)
        return span


def _end(span: Span | None, time: str, status: str) -> None:
    if span is not None:
        span.ended_at, span.status = time, status
