"""How a run ends: the reasons, the result, and the termination message of the container."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from sympozium.shortening import fit

RESULT_BYTES = 600_000
"""Of the result in its event, which must fit into one message of the bus."""
MOST_MODELS = 20
"""Names of models in its event."""
TERMINATION_BYTES = 4096
"""What Kubernetes keeps of a termination message."""

Reason = Literal[
    "Completed", "ModelError", "ModelUnreachable", "StepLimit", "TokenLimit", "Timeout", "Cancelled",
    "ToolServerLost", "ConfigError",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a run so far. `estimated` when at least one answer came without figures."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"inputTokens": self.input_tokens, "outputTokens": self.output_tokens}
        return data | ({"estimated": True} if self.estimated else {})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run. `result` is the model's last text, also when the run failed."""

    reason: Reason
    result: str = ""
    error: str = ""
    usage: Usage = field(default_factory=Usage)
    steps: int = 0
    models: tuple[str, ...] = ()
    """Who answered, as the endpoint says, in the order of their first answers."""

    @property
    def phase(self) -> Literal["Succeeded", "Failed"]:
        return "Succeeded" if self.reason == "Completed" else "Failed"

    @property
    def exit_code(self) -> int:
        return 0 if self.reason == "Completed" else 1

    def event(self) -> dict[str, Any]:
        """The data of `run.result`."""
        data = {
            "phase": self.phase,
            "reason": self.reason,
            "result": fit(self.result, RESULT_BYTES),
            "usage": self.usage.to_json(),
            "steps": self.steps,
            **({"models": list(self.models[:MOST_MODELS])} if self.models else {}),
        }
        return data | ({"error": fit(self.error, 10_000)} if self.error else {})

    def termination_message(self) -> bytes:
        """JSON of at most TERMINATION_BYTES: phase, reason, digest of the whole result, and its head."""
        digest = "sha256:" + hashlib.sha256(self.result.encode("utf-8", "surrogatepass")).hexdigest()
        data = {"phase": self.phase, "reason": self.reason, "digest": digest}
        if self.error:
            data["error"] = self.error[:500]
        low, high = 0, len(self.result)
        while low < high:  # the longest head whose JSON fits; escapes make its size uneven
            middle = (low + high + 1) // 2
            if len(_dump(data, self.result[:middle])) <= TERMINATION_BYTES:
                low = middle
            else:
                high = middle - 1
        return _dump(data, self.result[:low])


class RunError(Exception):
    """The run cannot go on; `reason` is the word, the text what was wrong and what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


def _dump(data: dict[str, str], head: str) -> bytes:
    return json.dumps({**data, "result": head}, separators=(",", ":")).encode()
