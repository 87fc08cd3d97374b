"""JSON lines on stderr, with what the code at hand is about (run, namespace, controller, trace) in every line.

One line is one object: `time` (RFC 3339, ms), `level`, `logger`, `message`, what `bind` holds, `trace_id` and `span_id` of
the span that the code works within, and `exception` where there is one.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from sympozium.telemetry import tracecontext

_bound: ContextVar[Mapping[str, str]] = ContextVar("sympozium_log_fields", default={})  # noqa: B039 - never changed

_QUIET: Final = ("httpx2", "httpcore2", "asyncio", "uvicorn.access", "nats")
"""Libraries that tell of every request; their warnings are kept."""


@contextmanager
def bind(**fields: str) -> Iterator[None]:
    """Add fields to every line that this task and the tasks it starts write within the block."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON. A value that JSON does not know is written as its `str`."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "component": self._component,
            "logger": record.name,
            "message": record.getMessage(),
            **_bound.get(),
        }
        if (context := tracecontext.current()) is not None:
            line |= {"trace_id": context.trace_id, "span_id": context.span_id}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def setup(component: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logging of this process to `stream` (stderr). Replaces what was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
