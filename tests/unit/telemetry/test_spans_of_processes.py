"""The spans that webhook, API server and egress send themselves, and what they carry on."""

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from collector import Collector
from sympozium.egresstoken import Claims, sign, verify
from sympozium.resources import caused
from sympozium.server.guards.journal import Journal
from sympozium.telemetry import logs, tracecontext, traces
from sympozium.webhook.app import Webhook
from unit.egress import test_proxy
from unit.webhook.world import World, apply, review

TRACE, CAUSE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CAUSE}-01"
ANNOTATION = "sympozium.ai/traceparent"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        yield found


def run_review(**annotations: str) -> dict[str, Any]:
    request = review("AgentRun", instanceRef="i", task="t")
    request["request"]["object"]["metadata"]["annotations"] = annotations
    return request


async def mutated(webhook: Webhook, request: dict[str, Any]) -> dict[str, Any]:
    """The annotations of the run, as the API server would keep them."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(request).encode(), "more_body": False}

    status, body = await webhook._answer("POST", "mutate", receive)
    answer = json.loads(body)["response"]
    assert (status, answer["allowed"]) == (200, True), answer
    for operation in json.loads(base64.b64decode(answer["patch"])):
        apply(request["request"]["object"], operation)
    return request["request"]["object"]["metadata"]["annotations"]


@pytest.fixture
def world() -> World:
    made = World()
    made.put("SympoziumInstance", "ns", "i", {"agents": {"default": {"model": "qwen"}}, "policyRef": "p"})
    made.put("SympoziumPolicy", "ns", "p", {})
    return made


async def test_a_run_that_names_no_cause_is_caused_by_its_admission(
    world: World, collector: Collector
) -> None:
    async with traces.running("sympozium-webhook"):
        written = tracecontext.parse((await mutated(world.webhook(), run_review()))[ANNOTATION])
    [span] = collector.named("mutate AgentRun")
    assert written is not None
    assert (span.trace, span.id, span.parent) == (written.trace_id, written.span_id, "")
    assert span.attributes["k8s.namespace.name"] == "ns"


async def test_a_cause_that_is_named_stays_and_what_is_none_is_replaced(
    world: World, collector: Collector
) -> None:
    async with traces.running("sympozium-webhook"):
        kept = await mutated(world.webhook(), run_review(**{ANNOTATION: PARENT}))
        other = await mutated(world.webhook(), run_review(**{ANNOTATION: "nonsense"}))
    assert kept[ANNOTATION] == PARENT
    assert tracecontext.parse(other[ANNOTATION]) is not None
    assert [(s.trace, s.parent) for s in collector.spans if s.trace == TRACE] == [(TRACE, CAUSE)]


async def test_a_webhook_without_traces_names_no_span_that_is_nowhere(world: World) -> None:
    async with traces.running("sympozium-webhook"):
        assert ANNOTATION not in await mutated(world.webhook(), run_review())


async def test_the_annotation_does_not_change(world: World) -> None:
    old = run_review(**{ANNOTATION: PARENT})["request"]["object"]
    new = run_review(**{ANNOTATION: PARENT.replace("1", "2")})["request"]["object"]
    request = review("AgentRun", new, old=old)
    answer = await world.validate(request)
    assert not answer.allowed
    assert ANNOTATION in answer.message


async def ask(method: str, headers: dict[str, str]) -> list[str | None]:
    """What runs that a request makes are caused by."""
    made: list[str | None] = []

    async def handle(request: Request) -> PlainTextResponse:
        run = caused({"metadata": {"name": "r"}})
        made.append((run["metadata"].get("annotations") or {}).get(ANNOTATION))
        return PlainTextResponse("ok", status_code=201)

    app = Journal(Starlette(routes=[Route("/runs/{name}", handle, methods=["GET", "POST"])]))
    scope = {
        "type": "http", "method": method, "path": "/runs/secret-name", "raw_path": b"/runs/secret-name", "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()], "client": ("127.0.0.1", 1), "state": {},
        "http_version": "1.1", "scheme": "http", "server": ("x", 80),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:
        pass

    await app(scope, receive, send)
    return made


async def test_a_request_is_what_causes_a_run_and_goes_on_with_the_trace_of_its_caller(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sympozium.server.guards.journal")
    caplog.handler.setFormatter(logs.JsonFormatter("apiserver"))
    async with traces.running("sympozium-apiserver"):
        [cause] = await ask("POST", {"traceparent": PARENT})
        [read] = await ask("GET", {"traceparent": PARENT})
    [span] = collector.spans
    assert (span.name, span.kind) == ("POST /runs/{name}", "server")
    assert (span.trace, span.parent) == (TRACE, CAUSE)
    assert cause == f"00-{TRACE}-{span.id}-01"
    assert span.attributes["http.response.status_code"] == 201
    assert "secret-name" not in str(span)
    assert read == PARENT, "reading is no span"
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    assert [(line["trace_id"], line["span_id"]) for line in lines] == [(TRACE, span.id), (TRACE, CAUSE)]


async def test_without_traces_of_its_own_the_callers_is_carried_on() -> None:
    async with traces.running("sympozium-apiserver"):
        assert await ask("POST", {"traceparent": PARENT}) == [PARENT]
        assert await ask("POST", {"traceparent": "x"}) == [None]


async def test_connections_of_a_traced_run_are_spans_beneath_it(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = b"k" * 32
    traced = verify(sign(Claims("team", "run", "u", ("model", 1), PARENT), key), key)
    assert traced.trace == PARENT
    for claims, spans in ((test_proxy.CLAIMS, 0), (traced, 2)):
        monkeypatch.setattr(test_proxy, "CLAIMS", claims)
        async with (
            traces.running("sympozium-egress"),
            test_proxy.world(test_proxy.Judge()) as (_, port, target, _got),
        ):
            for host in ("127.0.0.1", "localhost"):
                await test_proxy.ask(port, f"GET http://{host}:{target}/secret HTTP/1.1\nHost: {host}")
        assert len(collector.spans) == spans
    assert {(s.name, s.trace, s.parent, s.error) for s in collector.spans} == {
        ("egress 127.0.0.1", TRACE, CAUSE, ""), ("egress localhost", TRACE, CAUSE, "refused"),
    }  # fmt: skip
    assert "/secret" not in str(collector.spans)
