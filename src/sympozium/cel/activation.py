"""The variables of one evaluation, what it has cost, and the bounds that end it."""

import time
from collections.abc import Callable
from typing import Any, Final

from sympozium.cel.errors import CostError

PER_CALL: Final = 1_000_000
"""Cost of one evaluation."""
SECONDS: Final = 5.0
"""Of one evaluation: what compares large values costs little by the count, and takes its time."""
MEMORY: Final = 32_000_000
"""Characters and elements that one evaluation may make."""


class Activation:
    """The variables of one evaluation, and what it has cost."""

    __slots__ = ("cost", "deadline", "limit", "memory", "vars")

    def __init__(self, variables: dict[str, Any], limit: int, seconds: float) -> None:
        self.vars = variables
        self.deadline = time.monotonic() + seconds
        self.cost = 0
        self.limit = limit
        self.memory = 0

    def check(self) -> None:
        if self.cost > self.limit or time.monotonic() > self.deadline:
            raise CostError("operation cancelled: actual cost limit exceeded")


Step = Callable[[Activation], Any]
