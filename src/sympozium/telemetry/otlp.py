"""Sends spans to one OTLP/HTTP endpoint, in batches, beside the work.

`add` never waits and never fails: what does not fit, and what the endpoint does not take, is counted, and an outage is
said in the log when it begins and when it ends. Redirects are not followed: where spans go was decided before. What is
sent carries the headers of its own destination alone; OpenTelemetry's exporter would add those of the environment, which
are the installation's, to every destination.
"""

import asyncio
import functools
import logging
import ssl
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sympozium import __version__, addresses
from sympozium.telemetry import metrics
from sympozium.telemetry.spans import Resource, Span

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

SENT: Final = metrics.counter("sympozium_trace_spans_sent_total", "Spans that an OTLP endpoint took.")
DROPPED: Final = metrics.counter(
    "sympozium_trace_spans_dropped_total",
    "Spans that nobody took, by reason: full, unreachable, refused, ending.",
    ["reason"],
)
QUEUE: Final = 4096
"""Spans that wait at most; beyond that new ones are dropped."""
BATCH: Final = 256
_DELAY: Final = 1.0
"""Seconds from the first span of a batch to its sending, in which others join it."""
_ATTEMPTS: Final = 3
_TIMEOUT: Final = 5.0
"""Seconds for a request from beginning to end, however slowly an endpoint drips its answer."""
_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read. An endpoint may be anybody's."""
_AGAIN: Final = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Target:
    """Where spans go: a base URL as OTEL_EXPORTER_OTLP_ENDPOINT has it, and headers. `ca` is a file of certificates.

    `guarded` for what the author of an agent chose: its name must not lead to this machine or to a metadata service, at
    whatever time it is looked up.
    """

    endpoint: str
    headers: tuple[tuple[str, str], ...] = ()
    ca: str | None = None
    guarded: bool = False

    @property
    def url(self) -> str:
        base = self.endpoint.rstrip("/")
        return base if base.endswith("/v1/traces") else f"{base}/v1/traces"


@dataclass(frozen=True, slots=True)
class Place:
    """One request's: the URL to connect to, and what it says of the name that this was found by."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    extensions: tuple[tuple[str, str], ...] = ()


def at_address(url: str, address: str) -> Place:
    """The same URL at an address of its host: Host header and TLS go by the name."""
    parts = urlsplit(url)
    netloc = address if parts.port is None else f"{address}:{parts.port}"
    pinned = parts._replace(netloc=netloc).geturl()
    return Place(pinned, (("host", parts.netloc),), (("sni_hostname", parts.hostname or ""),))


@functools.cache
def _trust(ca: str | None) -> ssl.SSLContext:
    """Whom a client believes. To read the authorities takes 20 ms, so clients share them."""
    import httpx2

    return ssl.create_default_context(cafile=ca) if ca else httpx2.create_ssl_context()


class Exporter:
    """For one target. `run` must be running; `pause` is asyncio.sleep, replaced in tests."""

    def __init__(self, target: Target, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._target = target
        self._pause = pause
        self._waiting: deque[tuple[Resource, Span]] = deque()
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()
        self._down = False
        self._broken = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is on its way."""
        return self._idle.is_set()

    def add(self, resource: Resource, span: Span) -> None:
        """Send a span some time."""
        if self._broken:
            self._lost(1, "refused", "no client can be made for it")
            return
        if len(self._waiting) >= QUEUE:
            self._lost(1, "full", f"{QUEUE} spans wait already")
            return
        self._waiting.append((resource, span))
        self._idle.clear()
        self._some.set()

    async def flush(self) -> None:
        """Wait until all that was added has been sent or given up."""
        self._hurry.set()
        await self._idle.wait()

    async def run(self) -> None:
        """Send what is added, until cancelled; what is left then is dropped."""
        try:
            await self._run()
        except Exception:
            # Such as a proxy in the environment that is none: no trace is worth the process that tells it.
            log.exception("nothing can be sent to %s", self._target.url)
            self._broken = True
        finally:
            if self._waiting:
                self._lost(len(self._waiting), "ending", "the process ended")
                self._waiting.clear()
            self._idle.set()

    async def _run(self) -> None:
        import httpx2

        async with httpx2.AsyncClient(
            timeout=_TIMEOUT, follow_redirects=False, verify=_trust(self._target.ca)
        ) as client:
            while True:
                await self._some.wait()
                if len(self._waiting) < BATCH and not self._hurry.is_set():
                    await self._gather()
                count = min(BATCH, len(self._waiting))
                await self._send(client, [self._waiting.popleft() for _ in range(count)])
                if not self._waiting:
                    self._some.clear()
                    self._idle.set()

    async def _gather(self) -> None:
        try:
            await asyncio.wait_for(self._hurry.wait(), _DELAY)
        except TimeoutError:
            return

    async def _send(self, client: "httpx2.AsyncClient", batch: list[tuple[Resource, Span]]) -> None:
        try:
            body = await asyncio.to_thread(_encoded, batch)
            for attempt in range(_ATTEMPTS):
                if attempt and not self._hurry.is_set():
                    await self._pause(2.0 ** (attempt - 1))
                problem, again = await self._post(client, body, len(batch))
                if not problem:
                    return
                if not again:
                    break
            self._lost(len(batch), "unreachable" if again else "refused", problem)
        except asyncio.CancelledError:
            self._lost(len(batch), "ending", "the process ended")
            raise
        except Exception as error:  # noqa: BLE001 - said below, without its words
            # Whatever a span, a header or an endpoint is like: no trace is worth the process that tells it.
            at = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{type(error).__name__} in {at.name}, {at.filename}:{at.lineno}"
            # The text may be of a header, whose value is a secret.
            self._lost(len(batch), "refused", name)

    async def _post(self, client: "httpx2.AsyncClient", body: bytes, spans: int) -> tuple[str, bool]:
        """What went wrong, empty for nothing, and whether it may go better later."""
        import httpx2

        from sympozium.telemetry.encoding import rejected

        headers = {
            **dict(self._target.headers),
            "content-type": "application/x-protobuf",
            "accept-encoding": "identity",
        }
        try:
            async with asyncio.timeout(_TIMEOUT):
                place = await self._place()
                async with client.stream(
                    "POST",
                    place.url,
                    content=body,
                    headers={**headers, **dict(place.headers)},
                    extensions=dict(place.extensions),
                ) as answer:
                    said = await _beginning(answer)
        except (httpx2.HTTPError, OSError) as error:  # TimeoutError is one
            return f"{type(error).__name__}: {error}", True
        if answer.status_code >= 300:
            return f"it answered {answer.status_code}", answer.status_code in _AGAIN
        missing, why = rejected(said)
        missing = min(max(missing, 0), spans)
        SENT.inc(spans - missing)
        if missing:
            self._lost(missing, "refused", why or "it took a part of a batch")
        elif self._down:
            self._down = False
            log.info("spans reach %s again", self._target.url)
        return "", False

    async def _place(self) -> Place:
        """Raises OSError, for a guarded name that leads where it must not too."""
        url = self._target.url
        host = urlsplit(url).hostname or ""
        if not self._target.guarded or addresses.is_address(host):
            return Place(url)  # an address was judged by the policy
        port = urlsplit(url).port or (443 if url.startswith("https:") else 80)
        found = await addresses.resolve(host, port, lambda _address: False, private=True)
        return at_address(url, found[0])

    def _lost(self, spans: int, reason: str, words: str) -> None:
        DROPPED.labels(reason).inc(spans)
        if not self._down:
            self._down = True
            log.warning(
                "spans for %s are dropped: %s; sympozium_trace_spans_dropped_total counts them",
                self._target.url,
                words,
            )


async def _beginning(answer: "httpx2.Response") -> bytes:
    """As it came over the wire: a few compressed bytes can be gigabytes."""
    said = bytearray()
    async for part in answer.aiter_raw():
        said += part[: _ANSWER - len(said)]
        if len(said) >= _ANSWER:
            break
    return bytes(said)


def _encoded(batch: list[tuple[Resource, Span]]) -> bytes:
    from sympozium.telemetry.encoding import encode  # see there what it costs

    return encode(batch, __version__)
