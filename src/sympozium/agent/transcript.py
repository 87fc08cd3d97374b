"""A readable transcript on standard output: the container's log, for people with `kubectl logs`.

The record is the bus; nothing reads results from here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from sympozium.masking import mask_text
from sympozium.shortening import shorten

if TYPE_CHECKING:
    from sympozium.agent.outcome import Outcome

_ARGUMENTS = 300
_RESULT = 1200


class Transcript:
    """Writes to `out`; each line is flushed, since a follower waits for it."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._middle = False

    def line(self, text: str = "") -> None:
        if self._middle:
            self._out.write("\n")
        self._middle = False
        self._out.write(text + "\n")
        self._out.flush()

    def step(self, number: int) -> None:
        self.line(f"-- step {number}")

    def text(self, piece: str) -> None:
        self._out.write(piece)
        self._out.flush()
        self._middle = not piece.endswith("\n")

    def call(self, name: str, arguments: str) -> None:
        self.line(f"-> {name} {mask_text(shorten(arguments, _ARGUMENTS))}")

    def result(self, text: str, *, is_error: bool) -> None:
        shown = mask_text(shorten(text, _RESULT)).replace("\n", "\n   ")
        self.line(f"{'!!' if is_error else '<-'} {shown}")

    def end(self, outcome: Outcome) -> None:
        usage = outcome.usage
        estimated = " (estimated)" if usage.estimated else ""
        self.line(
            f"-- {outcome.phase}: {outcome.reason}, {outcome.steps} steps, "
            f"{usage.input_tokens} + {usage.output_tokens} tokens{estimated}"
        )
        if outcome.error:
            self.line(f"-- {outcome.error}")
