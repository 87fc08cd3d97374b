"""The two endpoints, `/mutate` and `/validate`, as a plain ASGI application.

Whatever happens inside, the API server gets an AdmissionReview that it can read: an error of ours refuses the
request and says so, since the only thing worse than a webhook that fails is one that fails open.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any, Final

import orjson
from pydantic import ValidationError

from sympozium.api.meta import ANNOTATION_TRACEPARENT, GROUP, VERSION
from sympozium.api.registry import BY_KIND
from sympozium.kube.errors import KubeError
from sympozium.policy.verdict import Violation
from sympozium.telemetry import tracecontext, traces
from sympozium.telemetry.metrics import counter, histogram
from sympozium.webhook import approvals, runs
from sympozium.webhook.access import Access
from sympozium.webhook.mutate import mutate
from sympozium.webhook.references import References
from sympozium.webhook.review import Answer, Request, ReviewError, failed, invalid, unknown
from sympozium.webhook.specs import Specs

log = logging.getLogger(__name__)

DEADLINE: Final = 8.0
"""Seconds; the webhook configurations wait ten."""
_BODY_LIMIT: Final = 8 * 1024 * 1024

REVIEWS: Final = counter(
    "sympozium_webhook_reviews_total",
    "Reviews by endpoint, kind and outcome.",
    ["endpoint", "kind", "outcome"],
)
SECONDS: Final = histogram(
    "sympozium_webhook_seconds",
    "Time of one review.",
    ["endpoint"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2, 10),
)


class Webhook:
    """The application. `references` must be running."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._access = Access(references.client)
        self._specs = Specs(references, self._access)
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is being answered."""
        await self._idle.wait()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self._busy += 1
        self._idle.clear()
        try:
            status, body = await self._answer(scope["method"], scope["path"].strip("/"), receive)
            await _respond(send, status, body)
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _answer(self, method: str, endpoint: str, receive: Any) -> tuple[int, bytes]:
        if method != "POST" or endpoint not in ("mutate", "validate"):
            return 404, b'{"message": "POST /mutate or /validate"}'
        try:
            request = Request.parse(orjson.loads(await _body(receive)))
        except (ReviewError, orjson.JSONDecodeError) as exc:
            return 400, orjson.dumps({"message": str(exc)})
        began = time.perf_counter()
        with _span(endpoint, request) as span:
            answer = await self.review(endpoint, request)
            if not answer.allowed:
                span.error = "failed" if answer.code >= 500 else "refused"
        try:
            body = orjson.dumps(answer.to_review(request.uid))
        except (TypeError, ValueError) as exc:
            # A patch deeper than JSON may be, or a text that is no Unicode.
            log.warning("%s %s: the answer cannot be written: %s", endpoint, request.what, exc)
            answer = failed("the sympozium webhook cannot write its answer: see its log")
            body = orjson.dumps(answer.to_review(request.uid))
        SECONDS.labels(endpoint).observe(time.perf_counter() - began)
        outcome = "allowed" if answer.allowed else "failed" if answer.code >= 500 else "refused"
        kind = request.kind if request.kind in BY_KIND else "unknown"
        REVIEWS.labels(endpoint, kind, outcome).inc()
        return 200, body

    async def review(self, endpoint: str, request: Request) -> Answer:
        """The answer to a request; never raises but when it is cancelled."""
        what = request.what
        try:
            async with asyncio.timeout(DEADLINE):
                if not _is_understood(request):
                    return unknown(request)
                if endpoint == "mutate":
                    return await mutate(request, self._references)
                return await self._validate(request)
        except ValidationError as exc:
            return invalid([Violation(_path(error), error["msg"]) for error in exc.errors()])
        except KubeError as exc:
            log.warning("%s %s: the API did not answer: %s", endpoint, what, exc)
            return failed(f"the sympozium webhook could not ask the API: {exc}; try again")
        except TimeoutError:
            log.warning("%s %s: no decision within %s s", endpoint, what, DEADLINE)
            return failed(f"the sympozium webhook had no decision within {DEADLINE:g} s; try again")
        except Exception as exc:
            log.exception("%s %s failed", endpoint, what)
            return failed(f"internal error of the sympozium webhook ({type(exc).__name__}): see its log")

    async def _validate(self, request: Request) -> Answer:
        match (request.kind, request.subresource, request.operation):
            case ("AgentRun", "", "CREATE"):
                return await runs.created(request, self._references, self._access)
            case ("AgentRun", "", "UPDATE"):
                return runs.updated(request)
            case ("AgentRun", "status", "UPDATE"):
                return runs.reported(request)
            case ("ApprovalRequest", "", "CREATE"):
                return approvals.created(request)
            case ("ApprovalRequest", "", "UPDATE"):
                return approvals.updated(request)
            case ("ApprovalRequest", "status", "UPDATE"):
                return await approvals.decided(request, self._references.client)
            case (_, "", "CREATE" | "UPDATE"):
                return await self._specs.check(request)
            case _:
                return unknown(request)


@contextlib.contextmanager
def _span(endpoint: str, request: Request) -> Iterator[traces.Open]:
    """Of the admission of a new run, in the trace of whoever made it; of nothing else."""
    parent = None
    if (request.kind, request.subresource, request.operation) == ("AgentRun", "", "CREATE"):
        annotations = (request.object.get("metadata") or {}).get("annotations")
        text = annotations.get(ANNOTATION_TRACEPARENT) if isinstance(annotations, dict) else None
        parent = tracecontext.parse(text if isinstance(text, str) else None)
        attributes = {"sympozium.run.name": request.name, "k8s.namespace.name": request.namespace}
        with traces.span(f"{endpoint} AgentRun", parent, kind="server", attributes=attributes) as span:
            yield span
        return
    yield traces.Open(tracecontext.new(), endpoint)


def _is_understood(request: Request) -> bool:
    """Whether it is about our kinds, and has what its operation changes. The rest is for the checks to know."""
    ours = (request.group, request.version) == (GROUP, VERSION)
    return ours and bool(request.object) and bool(request.old) == (request.operation == "UPDATE")


def _path(error: Any) -> str:
    """The path of a field as Kubernetes writes it."""
    path = ""
    for part in error["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.lstrip(".")


async def _body(receive: Any) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ReviewError("the client went away before the body was complete")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _BODY_LIMIT:
            raise ReviewError(f"the body is larger than {_BODY_LIMIT} bytes")
        if not message.get("more_body"):
            return b"".join(parts)


async def _respond(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
