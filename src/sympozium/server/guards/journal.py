"""A log line and metrics of every request, those that were refused too.

A line has no query, since that may hold what signs somebody in, and no token: `user` is the head of its digest, by
which requests of one credential are found. Metrics go by the route's template, never by names in a path.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sympozium.server.guards.rates import address_of, key_of
from sympozium.telemetry import logs, metrics, tracecontext, traces
from sympozium.telemetry.tracecontext import TraceContext

log = logging.getLogger(__name__)
_PATH: Final = 300
_PREFIX: Final = "/api/v1/"
_REQUESTS: Final = metrics.counter(
    "sympozium_api_requests_total", "Requests that were answered.", ["method", "route", "status"]
)
_SECONDS: Final = metrics.histogram(
    "sympozium_api_request_seconds", "From a request to its answer; without streams.", ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
_OPEN: Final = metrics.gauge("sympozium_api_open_streams", "Streams that are open.", ["route"])
_STREAMS: Final = b"text/event-stream"


class Journal:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})
        began = time.monotonic()
        status, stream = 0, False
        context: TraceContext | None = None

        async def answer(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                stream = any(
                    name.lower() == b"content-type" and value.startswith(_STREAMS)
                    for name, value in message.get("headers", ())
                )
                if stream:
                    _OPEN.labels(_route(scope)).inc()
            await send(message)

        try:
            with _span(scope) as span:
                context = tracecontext.current()
                await self.app(scope, receive, answer)
                span.name = f"{scope['method']} {_route(scope)}"
                span.attributes["http.response.status_code"] = status
                span.attributes["http.route"] = _route(scope)
        except Exception:
            # Starlette answers 500 and raises again what the handler of problems has written to the log.
            if not status:
                raise
        finally:
            seconds = time.monotonic() - began
            if stream:
                _OPEN.labels(_route(scope)).dec()
            else:
                _SECONDS.labels(scope["method"], _route(scope)).observe(seconds)
            _REQUESTS.labels(scope["method"], _route(scope), str(status)).inc()
            with tracecontext.within(context):
                _say(scope, status, seconds)


@contextlib.contextmanager
def _span(scope: Scope) -> Iterator[traces.Open]:
    """Of a request that may change something. Others carry on what their caller says, and are no span."""
    headers = dict(scope["headers"])
    parent = tracecontext.parse(headers.get(tracecontext.HEADER.encode(), b"").decode("latin-1"))
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        with tracecontext.within(parent):
            yield traces.Open(tracecontext.new(), "")
        return
    attributes = {"http.request.method": scope["method"]}
    with traces.span(scope["method"], parent, kind="server", attributes=attributes) as span:
        yield span


def _say(scope: Scope, status: int, seconds: float) -> None:
    if not log.isEnabledFor(logging.INFO):
        return
    key = key_of(scope)
    with logs.bind(
        method=scope["method"],
        path=scope["path"][:_PATH],
        status=str(status or "none"),
        ms=f"{seconds * 1000:.1f}",
        user=key[:12] if key else "",
        address=address_of(scope),
    ):
        log.info("request")


def _route(scope: Scope) -> str:
    """`/api/v1/namespaces/{namespace}/runs`; what met no route is one."""
    path = str(getattr(scope.get("route"), "path", "none"))
    # FastAPI's route does not know the prefix that its router was included with.
    beneath = scope["path"].startswith(_PREFIX) and path.startswith("/") and not path.startswith("/api/")
    return _PREFIX.rstrip("/") + path if beneath else path
