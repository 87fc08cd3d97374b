"""Trace contexts as W3C writes them: https://www.w3.org/TR/trace-context/

    00-<trace id, 32 hex digits>-<span id, 16 hex digits>-<flags>

An id from outside is an id and nothing more: what has not this form is as good as absent. `current` is what the code
at hand works within; requests that leave the process carry it on.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final

HEADER: Final = "traceparent"
_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a trace. `sampled` is false where whoever began the trace keeps none of it."""

    trace_id: str
    span_id: str
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"

    def within(self, span_id: str) -> "TraceContext":
        """Another span of the same trace."""
        return replace(self, span_id=span_id)


_current: ContextVar[TraceContext | None] = ContextVar("sympozium_trace", default=None)


def parse(text: str | None) -> TraceContext | None:
    """The context that a `traceparent` names; None for what is none."""
    found = _FORM.fullmatch(text or "")
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def new() -> TraceContext:
    """The first span of a new trace."""
    return TraceContext(secrets.token_hex(16), new_span_id())


def new_span_id() -> str:
    """16 hex digits, never all zero."""
    return f"{secrets.randbits(64) or 1:016x}"


def derived(*parts: str) -> str:
    """A span id that is the same for the same parts, whoever computes it and however often."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def derived_trace(*parts: str) -> str:
    """A trace id that is the same for the same parts."""
    return hashlib.sha256("\0".join(("trace", *parts)).encode()).hexdigest()[:32]


def current() -> TraceContext | None:
    """What the code at hand works within."""
    return _current.get()


@contextmanager
def within(context: TraceContext | None) -> Iterator[None]:
    """Work within a context (None: within no trace) for the length of the block."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def keeps(trace_id: str, ratio: float) -> bool:
    """Whether a share of all traces has this one: the same answer in each process, as OpenTelemetry's TraceIdRatioBased."""
    return int(trace_id[16:], 16) < round(ratio * 2**64)
