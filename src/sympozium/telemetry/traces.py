"""The traces of this process: where its spans go, from OpenTelemetry's environment variables.

    OTEL_EXPORTER_OTLP_ENDPOINT      base URL; without it this process has no traces of its own
    OTEL_EXPORTER_OTLP_PROTOCOL      http/protobuf, the only one
    OTEL_EXPORTER_OTLP_HEADERS       k=v,k=v with values percent-encoded
    OTEL_EXPORTER_OTLP_CERTIFICATE   file of the CA of an endpoint with https
    OTEL_RESOURCE_ATTRIBUTES         k=v,k=v
    OTEL_SDK_DISABLED                `true` turns all off

`emit` may be called anywhere; it does nothing where nothing is sent.
"""

import asyncio
import contextlib
import logging
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from sympozium import __version__
from sympozium.telemetry import spans, tracecontext
from sympozium.telemetry.otlp import DROPPED, Exporter, Target
from sympozium.telemetry.spans import Kind, Resource, Span, Value
from sympozium.telemetry.tracecontext import TraceContext

__all__ = [
    "EndpointError", "Environment", "Open", "Traces", "Value", "emit", "environment", "on", "running", "span",
]  # fmt: skip

log = logging.getLogger(__name__)

PROTOCOL: Final = "http/protobuf"
MOST_TARGETS: Final = 32
"""Endpoints at a time beside the installation's; of those that have nothing to send, the one not used for longest makes room."""
_FAREWELL: Final = 3.0
"""Seconds that a process waits at its end for spans to be sent."""


class EndpointError(ValueError):
    """The environment asks for what is not there; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment says: `target` is None without an endpoint."""

    target: Target | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def environment(variables: Mapping[str, str] = os.environ) -> Environment:
    """Raises EndpointError."""
    endpoint = variables.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    attributes = _pairs(variables.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    if not endpoint or variables.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Environment(attributes=attributes)
    if not endpoint.startswith(("http://", "https://")):
        raise EndpointError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT {endpoint!r} is no http(s) URL: http://collector:4318"
        )
    if (protocol := variables.get("OTEL_EXPORTER_OTLP_PROTOCOL") or PROTOCOL) != PROTOCOL:
        raise EndpointError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL {protocol!r} is not spoken: use {PROTOCOL}, on port 4318"
        )
    headers = tuple(sorted(_pairs(variables.get("OTEL_EXPORTER_OTLP_HEADERS", "")).items()))
    ca = variables.get("OTEL_EXPORTER_OTLP_CERTIFICATE") or None
    if ca and not os.access(ca, os.R_OK):
        raise EndpointError(f"OTEL_EXPORTER_OTLP_CERTIFICATE {ca!r} cannot be read")
    return Environment(Target(endpoint, headers, ca), attributes)


def _pairs(text: str) -> dict[str, str]:
    found = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {key.strip(): unquote(value.strip()) for key, _, value in found}


class Traces:
    """Spans of one process. `target` is the environment's, where its own spans go."""

    def __init__(self, group: asyncio.TaskGroup, target: Target | None, resource: Resource) -> None:
        self.target = target
        self.resource = resource
        self._group = group
        self._kept: set[Target] = set()
        self._exporters: OrderedDict[Target, tuple[Exporter, asyncio.Task[None]]] = OrderedDict()

    def send(self, target: Target, resource: Resource, span: Span, *, kept: bool = False) -> None:
        """Send a span of whatever is told about here; never waits.

        `kept` is for a target of the installation's: many others take none of its room.
        """
        found = self._exporters.get(target)
        if found is None:
            if target != self.target and not self._room(kept=kept):
                DROPPED.labels("full").inc()
                return
            exporter = Exporter(target)
            found = exporter, self._group.create_task(exporter.run(), name=f"spans to {target.url}")
            self._exporters[target] = found
            if kept:
                self._kept.add(target)
        self._exporters.move_to_end(target)
        found[0].add(resource, span)

    def _room(self, *, kept: bool) -> bool:
        """For one more endpoint. What is on its way is not given up for it: others' spans are no worse than these."""
        others = [t for t in self._exporters if t != self.target and (t in self._kept) == kept]
        if len(others) < MOST_TARGETS:
            return True
        for target in others:
            exporter, task = self._exporters[target]
            if exporter.idle:
                del self._exporters[target]
                self._kept.discard(target)
                task.cancel()
                return True
        return False

    async def end(self) -> None:
        """Send what is left, for a bounded time."""
        exporters = list(self._exporters.values())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await asyncio.gather(*(exporter.flush() for exporter, _ in exporters))
        for _, task in exporters:
            task.cancel()


_process: Traces | None = None


@contextlib.asynccontextmanager
async def running(service: str) -> AsyncIterator[Traces]:
    """The traces of this process for the length of the block; at its end, what is left is sent within three seconds."""
    global _process  # noqa: PLW0603 - one process, one destination, as with logging
    try:
        found = environment()
    except EndpointError as error:
        log.error("no traces are sent: %s", error)  # noqa: TRY400 - the text says it
        found = Environment()
    own = {"service.name": service, "service.version": __version__}
    async with asyncio.TaskGroup() as group:
        traces = Traces(group, found.target, Resource.of({**found.attributes, **own}))
        _process = traces
        try:
            yield traces
        finally:
            _process = None
            await traces.end()


def on() -> bool:
    """Whether this process sends spans of its own."""
    return _process is not None and _process.target is not None


def emit(span: Span) -> None:
    """Send a span of this process, where it sends any and the trace is kept."""
    if _process is not None and _process.target is not None and span.context.sampled:
        _process.send(_process.target, _process.resource, span)


@dataclass(slots=True)
class Open:
    """A span that goes on: what is set here before its end is sent with it."""

    context: TraceContext
    name: str
    attributes: dict[str, Value] = field(default_factory=dict)
    error: str = ""


@contextlib.contextmanager
def span(
    name: str,
    parent: TraceContext | None,
    *,
    kind: Kind = "internal",
    attributes: Mapping[str, Value] | None = None,
) -> Iterator[Open]:
    """A span around a block, which works within it. Without `parent` it begins a trace.

    Where this process sends none the block works within `parent`, so that nobody hears of a span that is nowhere.
    """
    root = tracecontext.new()
    if not on():
        with tracecontext.within(parent):
            yield Open(parent or root, name)
        return
    opened = Open(parent.within(root.span_id) if parent else root, name, dict(attributes or {}))
    began = spans.now()
    try:
        with tracecontext.within(opened.context):
            yield opened
    except Exception as error:
        opened.error = opened.error or type(error).__name__  # its words may be a task's, or a person's
        raise
    finally:
        parent_id = parent.span_id if parent else ""
        emit(
            Span(
                opened.name,
                opened.context,
                parent_id,
                began,
                spans.now(),
                kind,
                opened.attributes,
                opened.error,
            )
        )
