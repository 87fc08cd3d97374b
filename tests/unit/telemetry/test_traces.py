"""Spans of a process: to a real collector, to one that is not there, and to nobody."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Self

import pytest

from collector import Collector
from sympozium.telemetry import otlp, tracecontext, traces
from sympozium.telemetry.otlp import Exporter, Target
from sympozium.telemetry.spans import Resource, Span
from sympozium.telemetry.tracecontext import TraceContext

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OF = Resource.of({"service.name": "s"})


def span(name: str = "n", **attributes: traces.Value) -> Span:
    return Span(name, TraceContext(TRACE, SPAN), "", 1, 2, attributes=attributes)


def dropped(reason: str) -> float:
    return otlp.DROPPED.labels(reason)._value.get()


async def no_pause(_seconds: float) -> None:
    await asyncio.sleep(0)


async def send(target: Target, *spans: Span) -> None:
    """All of them, or as many as go."""
    exporter = Exporter(target, pause=no_pause)
    task = asyncio.create_task(exporter.run())
    for one in spans:
        exporter.add(OF, one)
    await exporter.flush()
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as found:
        yield found


async def test_spans_arrive_with_ids_times_attributes_and_headers(collector: Collector) -> None:
    one = Span(
        "chat m", TraceContext(TRACE, SPAN), "00f067aa0ba902b7", 5, 9, "client",
        {"text": "half \ud800 a pair", "whole": 3, "part": 0.5, "yes": True, "list": ["a", "b"]}, "refused",
    )  # fmt: skip
    await send(Target(collector.endpoint + "/", (("x-key", "k"),)), one)
    [seen] = collector.spans
    assert (seen.name, seen.trace, seen.id, seen.parent) == ("chat m", TRACE, SPAN, "00f067aa0ba902b7")
    assert (seen.kind, seen.start, seen.end, seen.error) == ("client", 5, 9, "refused")
    assert seen.attributes == {
        "text": "half ? a pair",
        "whole": 3,
        "part": 0.5,
        "yes": True,
        "list": ["a", "b"],
    }
    assert seen.resource == {"service.name": "s"}
    assert collector.paths == ["/v1/traces"]
    assert collector.headers[0]["x-key"] == "k"


async def test_an_endpoint_that_is_busy_is_asked_again() -> None:
    with Collector(503, 429) as collector:
        await send(Target(collector.endpoint), span())
        assert len(collector.spans) == 1


@pytest.mark.parametrize(("status", "asked"), [(400, 1), (301, 1), (307, 1), (503, 3)])
async def test_what_is_refused_is_counted_and_redirects_are_not_followed(status: int, asked: int) -> None:
    reason = "unreachable" if status == 503 else "refused"
    before = dropped(reason)
    with Collector(*[status] * 3) as collector:
        await send(Target(collector.endpoint), span(), span())
        assert collector.paths == ["/v1/traces"] * asked
    assert dropped(reason) == before + 2


async def test_an_outage_is_counted_and_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sympozium.telemetry.otlp")
    with Collector(*[503] * 6) as collector:
        exporter = Exporter(Target(collector.endpoint), pause=no_pause)
        task = asyncio.create_task(exporter.run())
        for _ in range(3):
            exporter.add(OF, span())
            await exporter.flush()
        task.cancel()
        await asyncio.wait([task])
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, said
    assert "are dropped: it answered 503" in said[0]
    assert "again" in said[1]


async def test_nobody_there_and_no_room(unused_tcp_port: int) -> None:
    before, full = dropped("unreachable"), dropped("full")
    exporter = Exporter(Target(f"http://127.0.0.1:{unused_tcp_port}"), pause=no_pause)
    for _ in range(otlp.QUEUE + 3):
        exporter.add(OF, span())
    assert dropped("full") == full + 3
    task = asyncio.create_task(exporter.run())
    await exporter.flush()
    task.cancel()
    await asyncio.wait([task])
    assert dropped("unreachable") == before + otlp.QUEUE


async def test_headers_that_are_none_cost_a_batch_and_not_the_process(collector: Collector) -> None:
    before = dropped("refused") + dropped("unreachable")
    await send(Target(collector.endpoint, (("x", "a\nb"),)), span())
    assert dropped("refused") + dropped("unreachable") == before + 1
    assert collector.spans == []


async def test_a_client_that_cannot_be_made_costs_spans_and_not_the_process(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://x")
    before = dropped("ending") + dropped("refused")
    exporter = Exporter(Target(collector.endpoint))
    exporter.add(OF, span())
    await exporter.run()
    await exporter.flush()
    exporter.add(OF, span())
    assert dropped("ending") + dropped("refused") == before + 2


class Talker:
    """A server that takes a request and then talks for as long as it is listened to, or until `most` bytes."""

    def __init__(self, part: bytes, most: int) -> None:
        self.said, self._part, self._most = 0, part, most
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.endpoint = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not writer.is_closing() and self.said < self._most:
                writer.write(self._part)
                self.said += len(self._part)
                await writer.drain()
                await asyncio.sleep(0 if len(self._part) > 1 else 0.01)
        except ConnectionError:
            pass  # they hung up
        finally:
            writer.transport.abort()


async def test_an_endpoint_that_answers_without_end_is_not_listened_to() -> None:
    taken = otlp.SENT._value.get()
    async with Talker(b"x" * 65536, 64 * 1024 * 1024) as talker, asyncio.timeout(60):
        await send(Target(talker.endpoint), span())
    assert talker.said < 16 * 1024 * 1024
    assert otlp.SENT._value.get() == taken + 1


async def test_an_endpoint_that_drips_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "_TIMEOUT", 0.2)
    before = dropped("unreachable")
    async with Talker(b"x", 10_000) as talker, asyncio.timeout(60):
        await send(Target(talker.endpoint), span())
    assert dropped("unreachable") == before + 1


async def test_numbers_that_have_no_form_cost_no_other_span(collector: Collector) -> None:
    wild = Span(
        "wild", TraceContext(TRACE, SPAN), "", -(10**30), 10**30, attributes={"n": 2**70, "m": -(2**70)}
    )
    await send(Target(collector.endpoint), wild, span("tame"))
    assert [(seen.name, seen.start, seen.end) for seen in collector.spans] == [
        ("wild", 0, 2**64 - 1),
        ("tame", 1, 2),
    ]
    assert collector.spans[0].attributes == {"n": 2**63 - 1, "m": -(2**63)}


async def test_no_log_has_a_header(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    await send(Target(collector.endpoint, (("x-key", "s3cret\ufffd"),)), span())
    assert "are dropped" in caplog.text
    assert "s3cret" not in caplog.text


async def test_many_endpoints_take_no_room_of_the_installations(collector: Collector) -> None:
    def other(number: int) -> Target:
        return Target(f"{collector.endpoint}/{number}")

    before = dropped("full")
    async with asyncio.TaskGroup() as group:
        own, configured = other(1000), other(1001)
        found = traces.Traces(group, own, OF)
        for number in range(traces.MOST_TARGETS + 3):
            found.send(other(number), OF, span())
        assert dropped("full") == before + 3  # those that came first keep what is on its way
        found.send(own, OF, span())
        found.send(configured, OF, span(), kept=True)
        assert dropped("full") == before + 3
        assert {own, configured} < set(found._exporters)
        await asyncio.gather(*(exporter.flush() for exporter, _ in found._exporters.values()))
        found.send(other(2000), OF, span())  # nothing waits any more
        assert other(2000) in found._exporters
        assert len(found._exporters) == traces.MOST_TARGETS + 2
        await found.end()


async def test_a_process_sends_what_is_left_at_its_end(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    async with traces.running("sympozium-test"):
        with traces.span("outer", None) as outer, traces.span("inner", tracecontext.current()) as inner:
            assert tracecontext.current() == inner.context
        with pytest.raises(ValueError, match="bad"), traces.span("fails", None):
            raise ValueError("bad")
        with traces.span("unsampled", TraceContext(TRACE, SPAN, sampled=False)):
            pass
    by_name = {seen.name: seen for seen in collector.spans}
    assert set(by_name) == {"outer", "inner", "fails"}
    assert (by_name["inner"].trace, by_name["inner"].parent) == (
        outer.context.trace_id,
        outer.context.span_id,
    )
    assert by_name["outer"].parent == ""
    assert by_name["fails"].error == "ValueError"
    assert by_name["outer"].resource["service.name"] == "sympozium-test"
    assert by_name["outer"].resource["deployment.environment.name"] == "test"
    assert collector.headers[0]["x-key"] == "a b"


async def test_without_an_endpoint_nothing_is_sent_and_a_callers_context_is_carried_on() -> None:
    parent = TraceContext(TRACE, SPAN)
    async with traces.running("sympozium-test"):
        assert not traces.on()
        with traces.span("n", parent):
            assert tracecontext.current() == parent
        with traces.span("n", None):
            assert tracecontext.current() is None


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, "no http"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "use http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/none"}, "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(variables: dict[str, str], words: str) -> None:
    with pytest.raises(traces.EndpointError, match=words):
        traces.environment(variables)


def test_it_can_be_turned_off() -> None:
    on = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
    assert traces.environment(on).target == Target("http://c:4318")
    assert traces.environment({**on, "OTEL_SDK_DISABLED": "true"}).target is None


def test_no_protobuf_is_imported_before_a_span_is_sent() -> None:
    """In each process of ours; agents and tool servers never do. (`mcp` brings OpenTelemetry's API, which does nothing.)"""
    program = (
        "import sys, sympozium.controllers.main, sympozium.webhook.main, sympozium.server.main, sympozium.egress.main, "
        "sympozium.agent.__main__, sympozium.agent.loop, sympozium.tools.__main__\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.proto', 'opentelemetry.sdk', 'google.protobuf'))])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


async def test_a_name_that_an_author_chose_leads_to_no_loopback(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    named = collector.endpoint.replace("127.0.0.1", "localhost")
    before = dropped("unreachable")
    await send(Target(named, guarded=True), span())
    assert collector.spans == []
    assert dropped("unreachable") == before + 1
    assert "localhost is 127.0.0.1, the machine's own loopback" in caplog.text
    await send(Target(named), span())  # whoever runs the installation knows what is on its machine
    await send(Target(collector.endpoint, guarded=True), span())  # an address has been judged by the policy
    assert len(collector.spans) == 2


async def test_what_is_connected_to_is_the_address_that_was_checked(collector: Collector) -> None:
    import httpx2

    port = collector.endpoint.rpartition(":")[2]
    place = otlp.at_address(f"http://otel.example.org:{port}/v1/traces", "127.0.0.1")
    assert dict(place.extensions) == {"sni_hostname": "otel.example.org"}
    async with httpx2.AsyncClient() as client:
        await client.post(
            place.url, content=b"", headers=dict(place.headers), extensions=dict(place.extensions)
        )
    assert collector.headers[0]["host"] == f"otel.example.org:{port}"
    assert (
        otlp.at_address("https://otel.example.org/v1/traces", "10.0.0.1").url == "https://10.0.0.1/v1/traces"
    )
