import asyncio

import pytest

from sympozium.telemetry import health, metrics

REQUESTS = metrics.counter("sympozium_test_health_total", "Of this test.", ["kind"])


async def _ask(port: int, request: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split(" ")[1]), body


async def test_health_readiness_and_metrics() -> None:
    missing = ["runs not synced"]
    REQUESTS.labels("a").inc(3)
    async with health.serve(0, lambda: missing) as port:
        assert await _ask(port, "GET /healthz HTTP/1.1\r\n\r\n") == (200, "ok\n")
        assert await _ask(port, "GET /readyz?verbose HTTP/1.1\r\nHost: x\r\n\r\n") == (
            503,
            "runs not synced\n",
        )
        missing.clear()
        assert await _ask(port, "GET /readyz HTTP/1.1\r\n\r\n") == (200, "ok\n")
        status, body = await _ask(port, "GET /metrics HTTP/1.1\r\n\r\n")
        assert (status, 'sympozium_test_health_total{kind="a"} 3.0' in body) == (200, True)
        assert "process_resident_memory_bytes" in body
        assert await _ask(port, "HEAD /healthz HTTP/1.1\r\n\r\n") == (200, "")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /else HTTP/1.1", 404),
        ("POST /healthz HTTP/1.1", 405),
        ("nonsense", 400),
        ("GET " + "x" * 20_000, 400),
    ],
)
async def test_other_requests_are_answered_and_harmless(request_: str, status: int) -> None:
    async with health.serve(0, list) as port:
        assert (await _ask(port, f"{request_}\r\n\r\n"))[0] == status


async def test_no_port_serves_nothing() -> None:
    async with health.serve(None, list) as port:
        assert port == 0
