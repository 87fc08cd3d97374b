"""Spans as plain values, with their times and ids: most of ours are told afterwards, from the record of a run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sympozium.telemetry.tracecontext import TraceContext

Value = str | bool | int | float | Sequence[str]
Kind = Literal["internal", "server", "client"]


@dataclass(frozen=True, slots=True)
class Span:
    """One span that has ended. Times are nanoseconds since 1970; `error` is the status in words, empty for none."""

    name: str
    context: TraceContext
    parent_id: str
    start: int
    end: int
    kind: Kind = "internal"
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """What a span is of: a process, or the pod of a run."""

    attributes: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> "Resource":
        return cls(tuple(sorted(attributes.items())))


def now() -> int:
    return time.time_ns()
