"""The tool calls of a run, put together from its messages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sympozium.bus.history import Stored
from sympozium.bus.messages import TOOL_APPROVAL, TOOL_INTENT, TOOL_OUTCOME
from sympozium.masking import MASK
from sympozium.shortening import is_shortened


@dataclass(slots=True)
class Recorded:
    """One call: what was asked, what was decided, by whom, and what came of it."""

    id: str
    time: str
    tool: str
    target: str
    args: Any
    verdict: Mapping[str, Any]
    decisions: list[Mapping[str, Any]] = field(default_factory=list)
    outcome: Mapping[str, Any] | None = None

    @property
    def waits(self) -> bool:
        """Whether it was asked about, and nothing has come of that yet."""
        return self.verdict["action"] == "ask" and not self.decisions and self.outcome is None

    @property
    def is_partial(self) -> bool:
        """Whether the record has less than the arguments: they were shortened, or secrets in them masked."""
        return _partial(self.args)


def of(messages: Iterable[Stored]) -> list[Recorded]:
    """In the order in which they came. A call that a retry makes again under its old id is one more."""
    found: list[Recorded] = []
    open_calls: dict[str, Recorded] = {}
    for stored in messages:
        kind, data = stored.message.type, stored.message.data
        if kind == TOOL_INTENT:
            call = Recorded(
                data["callId"],
                stored.message.time,
                data["tool"],
                data["target"],
                data["args"],
                data["verdict"],
            )
            found.append(call)
            open_calls[call.id] = call
        elif kind == TOOL_APPROVAL and data["callId"] in open_calls and data["state"] != "waiting":
            open_calls[data["callId"]].decisions.append(data)
        elif kind == TOOL_OUTCOME and data["callId"] in open_calls:
            open_calls[data["callId"]].outcome = data
    return found


def _partial(value: Any) -> bool:
    if isinstance(value, str):
        return MASK in value or is_shortened(value)
    if isinstance(value, dict):
        return set(value) == {"shortened"} or any(_partial(item) for item in value.values())
    return isinstance(value, list) and any(_partial(item) for item in value)
