"""The guards, each before a tiny application."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from sympozium.kube.errors import ConfigError
from sympozium.server import dashboard, problems
from sympozium.server.app import declare
from sympozium.server.guards.bodies import URL_LIMIT, Bodies
from sympozium.server.guards.headers import SecurityHeaders
from sympozium.server.guards.hosts import Hosts
from sympozium.server.guards.journal import Journal
from sympozium.server.guards.order import cors
from sympozium.server.parts import parts
from sympozium.server.settings import Settings
from sympozium.telemetry import metrics

LIMIT = 1000


def application() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.post("/api/v1/items/{name}")
    async def item(name: str, body: dict[str, str]) -> dict[str, str]:
        return body

    @app.get("/api/v1/stream")
    async def stream() -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            yield "data: 1\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/api/v1/broken")
    async def broken() -> None:
        raise ValueError("oh")

    @app.get("/cached")
    async def cached(request: Request) -> str:
        return "page"

    return app


def client(app: ASGIApp, **options: object) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1:8080", raise_server_exceptions=False, **options)  # type: ignore[arg-type]


# -- bodies


def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    answer = client(Bodies(application(), limit=LIMIT)).post("/api/v1/items/a", json={"x": "y" * LIMIT})
    assert answer.status_code == 413
    assert answer.json()["detail"] == "a body may have 1000 bytes: send less at once"
    assert answer.headers["connection"] == "close"
    assert client(Bodies(application(), limit=LIMIT)).post("/api/v1/items/a", json={"x": "y"}).json() == {
        "x": "y"
    }


def test_a_chunked_body_is_refused_when_it_is_too_much_also_where_no_route_reads_json() -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"x": "'
        yield b"y" * LIMIT

    answer = client(Bodies(application(), limit=LIMIT)).post(
        "/api/v1/items/a", content=chunks(), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")

    async def raw(scope: object, receive: object, send: object) -> None:
        while (await receive()).get("more_body"):  # type: ignore[operator]
            pass

    assert client(Bodies(raw, limit=LIMIT)).post("/", content=chunks()).status_code == 413


async def test_a_body_that_does_not_come_is_not_awaited_for_ever() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/v1/items/a", "raw_path": b"/", "query_string": b"", "headers": [(b"content-type", b"application/json")], "scheme": "http", "server": ("127.0.0.1", 1)}  # fmt: skip
    await Bodies(application(), limit=LIMIT, seconds=0.01)(scope, receive, send)
    assert sent[0]["status"] == 408


async def test_a_stream_may_wait_for_its_client_as_long_as_it_likes() -> None:
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    heard: list[str] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def app(scope: object, receive: object, send: object) -> None:
        heard.append((await receive())["type"])  # type: ignore[operator]
        await asyncio.sleep(0.02)
        heard.append((await receive())["type"])  # type: ignore[operator]

    async def send(_: Message) -> None: ...

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
    }
    await Bodies(app, limit=LIMIT, seconds=0.01)(scope, receive, send)
    assert heard == ["http.request", "http.disconnect"]


def test_a_very_long_address_is_refused() -> None:
    bounded = client(Bodies(application(), limit=LIMIT))
    assert bounded.get("/cached?q=" + "x" * URL_LIMIT).status_code == 414


# -- hosts


@pytest.mark.parametrize(
    ("listens", "public", "host", "answered"),
    [
        ("127.0.0.1", None, "127.0.0.1:8080", True),
        ("127.0.0.1", None, "localhost:9", True),
        ("127.0.0.1", None, "LOCALHOST", True),
        ("127.0.0.1", None, "[::1]:8080", True),
        ("127.0.0.1", None, "evil.example:8080", False),
        ("127.0.0.1", None, "10.0.0.7:8080", False),
        ("127.0.0.1", None, "localhost.evil.example", False),
        ("127.0.0.1", None, "evil.example@localhost", False),
        ("127.0.0.1", None, "localhost/../evil", False),
        ("127.0.0.1", None, "", False),
        ("127.0.0.1", None, "[:::]", False),
        ("0.0.0.0", None, "[::1.2]:80", False),
        ("127.0.0.1", None, "sympozium-apiserver.sympozium-system.svc", False),
        ("127.0.0.1", "https://agents.example.org", "agents.example.org", True),
        ("127.0.0.1", None, "chat.example.org", True),
        ("0.0.0.0", None, "10.0.0.7:8080", True),
        ("0.0.0.0", None, "sympozium-apiserver.sympozium-system.svc:8080", True),
        ("0.0.0.0", None, "sympozium-apiserver.evil.example", False),
        ("0.0.0.0", None, "evil.example", False),
    ],
)
def test_only_our_own_names_are_answered(listens: str, public: str | None, host: str, answered: bool) -> None:
    hosts = Hosts(
        application(), Settings(host=listens, public_url=public), lambda name: name == "chat.example.org"
    )
    assert hosts.ours(host) is answered


def test_a_foreign_name_is_told_so() -> None:
    hosts = Hosts(application(), Settings(), lambda _: False)
    answer = client(hosts).get("/cached", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert "evil.example" in answer.json()["detail"]
    assert client(hosts).get("/cached").status_code == 200


# -- headers


def test_every_answer_has_the_headers_and_the_api_is_not_cached() -> None:
    guarded = client(SecurityHeaders(application(), https=False))
    for path in ("/cached", "/api/v1/stream", "/api/v1/none", "/api/v1/broken"):
        headers = guarded.get(path).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in headers
        assert headers.get("cache-control") == ("no-store" if path.startswith("/api/") else None)
    secure = client(SecurityHeaders(application(), https=True)).get("/cached")
    assert secure.headers["strict-transport-security"] == "max-age=31536000"


# -- journal


def value(name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0


def test_a_line_says_who_and_what_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    labels = {"method": "POST", "route": "/api/v1/items/{name}", "status": "200"}
    before = value("sympozium_api_requests_total", **labels)
    lines: list[dict[str, str]] = []
    with caplog.at_level(logging.INFO, "sympozium.server.guards.journal"):
        from sympozium.telemetry.logs import JsonFormatter

        class Line(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                lines.append(json.loads(JsonFormatter("test").format(record)))

        handler = Line()
        logging.getLogger("sympozium.server.guards.journal").addHandler(handler)
        try:
            client(Journal(application())).post(
                "/api/v1/items/secretname?ticket=s3cret", json={}, headers={"Authorization": "Bearer s3cret"}
            )
        finally:
            logging.getLogger("sympozium.server.guards.journal").removeHandler(handler)
    (line,) = lines
    assert "s3cret" not in json.dumps(line)
    assert (line["method"], line["path"], line["status"]) == ("POST", "/api/v1/items/secretname", "200")
    assert len(line["user"]) == 12
    assert value("sympozium_api_requests_total", **labels) == before + 1


def test_a_failure_inside_is_counted_once_and_the_stream_gauge_goes_back() -> None:
    labels = {"method": "GET", "route": "/api/v1/broken", "status": "500"}
    before = value("sympozium_api_requests_total", **labels)
    guarded = client(Journal(application()))
    assert guarded.get("/api/v1/broken").json()["reason"] == "Unknown"
    assert value("sympozium_api_requests_total", **labels) == before + 1
    assert guarded.get("/api/v1/stream").text == "data: 1\n\n"
    assert value("sympozium_api_open_streams", route="/api/v1/stream") == 0
    assert value("sympozium_api_request_seconds_count", method="GET", route="/api/v1/stream") == 0


def test_a_route_of_the_real_application_is_counted_with_its_prefix() -> None:
    routes = {"/api/v1/session/oidc/start": "/api/v1/session/oidc/start", "/api/nothing": "/api/{path:path}"}
    real = declare()
    real.dependency_overrides[parts] = lambda: SimpleNamespace(oidc=None)
    for path, route in routes.items():
        labels = {"method": "GET", "route": route, "status": "404"}
        before = value("sympozium_api_requests_total", **labels)
        assert client(Journal(real)).get(path).status_code == 404
        assert value("sympozium_api_requests_total", **labels) == before + 1


# -- settings


@pytest.mark.parametrize(
    "settings",
    [
        Settings(public_url="agents.example.org"),
        Settings(public_url="https://agents.example.org/"),
        Settings(public_url="ftp://agents.example.org"),
        Settings(cors_origins=["*"]),
        Settings(cors_origins=["null"]),
    ],
)
def test_settings_that_would_be_misread_are_refused(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="expected an origin"):
        settings.check()


@pytest.mark.parametrize(
    "path", ["/%00", "/" + "x" * 300, "/a%00/b", "/../../etc/passwd", "/..%2f..%2fetc/passwd"]
)
def test_a_path_that_can_be_no_file_is_the_page(path: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the page")
    app = FastAPI()
    dashboard.serve(app, tmp_path)
    assert TestClient(app, base_url="http://localhost").get(path).text == "the page"


# -- pages of other origins


def test_a_page_of_an_origin_that_is_let_in_may_send_what_clients_send_and_read_what_they_read() -> None:
    guarded = client(cors(application(), ["https://page.example.org"]))
    sent = "authorization,content-type,idempotency-key,a2a-version,x-stainless-lang,last-event-id"
    asks = {
        "Origin": "https://page.example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": sent,
    }
    preflight = guarded.options("/api/v1/items/a", headers=asks)
    assert preflight.status_code == 200
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert {*sent.split(",")} <= {name.strip() for name in allowed.split(",")}
    answer = guarded.get("/cached", headers={"Origin": "https://page.example.org"})
    assert "X-Sympozium-Run" in answer.headers["access-control-expose-headers"]
    for one in (preflight, answer):
        assert one.headers["access-control-allow-origin"] == "https://page.example.org"
        assert "access-control-allow-credentials" not in one.headers
    asks["Origin"] = "https://other.example.org"
    assert "access-control-allow-origin" not in guarded.options("/api/v1/items/a", headers=asks).headers
