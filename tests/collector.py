"""An OTLP/HTTP collector: what comes is decoded with OpenTelemetry's own messages, and kept."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_KINDS = {1: "internal", 2: "server", 3: "client"}


class Seen(NamedTuple):
    name: str
    trace: str
    id: str
    parent: str
    kind: str
    start: int
    end: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    error: str


class Collector:
    """Use with `with`. `answers` are the statuses of the next requests; then all are taken."""

    def __init__(self, *answers: int) -> None:
        self.spans: list[Seen] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._answers = list(answers)
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(collector._take(self.path, dict(self.headers), body))
                self.send_header("content-length", "0")
                self.send_header("location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def named(self, start: str) -> list[Seen]:
        return [span for span in self.spans if span.name.startswith(start)]

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.paths.append(path)
        self.headers.append({key.lower(): value for key, value in headers.items()})
        status = self._answers.pop(0) if self._answers else 200
        if status == 200:
            self.spans += decoded(body)
        return status

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def decoded(body: bytes) -> list[Seen]:
    return [
        Seen(
            span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), _KINDS[span.kind],
            span.start_time_unix_nano, span.end_time_unix_nano, _plain(span.attributes),
            _plain(of_resource.resource.attributes), span.status.message,
        )
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]  # fmt: skip


def _plain(attributes: Any) -> dict[str, Any]:
    return {item.key: _value(item.value) for item in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind)
    return [_value(item) for item in found.values] if kind == "array_value" else found
