"""Spans, and how OTLP writes them (https://opentelemetry.io/docs/specs/otlp/).

A span here is a plain value with its times and ids in it: most of ours are told afterwards, from the record of a run.
Protobuf and OpenTelemetry's messages (90 ms of CPU, 6 MB) are imported when the first batch is encoded.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from sympozium.telemetry.tracecontext import TraceContext

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Value = str | bool | int | float | Sequence[str]
Kind = Literal["internal", "server", "client"]
SCOPE: Final = "sympozium"
_KINDS: Final[Mapping[Kind, int]] = {"internal": 1, "server": 2, "client": 3}
_ERROR: Final = 2
_LONGEST: Final = 4096
"""Characters of a text attribute: a span is for finding things, the record has the whole."""


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


def encode(batch: Iterable[tuple[Resource, Span]], version: str) -> bytes:
    """An ExportTraceServiceRequest."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    by_resource: dict[Resource, list[Span]] = {}
    for resource, span in batch:
        by_resource.setdefault(resource, []).append(span)
    for resource, spans in by_resource.items():
        of_resource = request.resource_spans.add()
        of_resource.resource.attributes.extend(_attributes(dict(resource.attributes)))
        of_scope = of_resource.scope_spans.add()
        of_scope.scope.name, of_scope.scope.version = SCOPE, version
        for span in spans:
            message = of_scope.spans.add(
                trace_id=bytes.fromhex(span.context.trace_id),
                span_id=bytes.fromhex(span.context.span_id),
                parent_span_id=bytes.fromhex(span.parent_id),
                name=_text(span.name),
                kind=_KINDS[span.kind],
                start_time_unix_nano=span.start,
                end_time_unix_nano=max(span.start, span.end),
                flags=int(span.context.sampled),
                attributes=_attributes(span.attributes),
            )
            if span.error:
                message.status.code, message.status.message = _ERROR, _text(span.error)
    payload: bytes = request.SerializeToString()
    return payload


def rejected(answer: bytes) -> tuple[int, str]:
    """How many spans a collector did not take of a batch that it answered well, and why."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
    except DecodeError:
        return 0, ""  # some answer with text or JSON: the status says that they took it
    return partial.rejected_spans, partial.error_message


def _attributes(values: Mapping[str, Value]) -> "list[KeyValue]":
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: Value) -> "AnyValue":
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=_text(value))
    return AnyValue(array_value=ArrayValue(values=[_value(item) for item in value]))


def _text(value: str) -> str:
    """Short, and with a question mark for what no UTF-8 has: models produce halves of surrogate pairs."""
    return value[:_LONGEST].encode("utf-8", "replace").decode()
