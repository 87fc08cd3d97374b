"""Files of the dashboard: which file, in which coding, kept for how long."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from sympozium.server import dashboard, problems


@pytest.fixture
def web(tmp_path: Path) -> Path:
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<title>page</title>")
    (web / "assets/a-1f.js").write_text("plain")
    (web / "assets/a-1f.js.br").write_bytes(b"as br")
    (web / "assets/a-1f.js.gz").write_bytes(b"as gz")
    (web / ".stamp").write_text("stamp")
    (tmp_path / "secret.txt").write_text("secret")
    return web


@pytest.fixture
def client(web: Path) -> TestClient:
    app = FastAPI()
    problems.install(app)
    dashboard.serve(app, web)
    return TestClient(app)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("GZIP", "gzip"),
        ("identity", None),
        ("brotli", None),
        ("", None),
    ],
)
def test_an_asset_comes_in_the_best_coding(client: TestClient, accepted: str, coding: str | None) -> None:
    with client.stream("GET", "/assets/a-1f.js", headers={"Accept-Encoding": accepted}) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding
    assert body == {"br": b"as br", "gzip": b"as gz", None: b"plain"}[coding]
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/runs/a", "/.stamp", "/%2e%2e/secret.txt", "/a%00b", "/assets/../x"]
)
def test_every_other_path_is_the_page_and_is_asked_for_anew(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.text == "<title>page</title>"
    assert answer.headers["cache-control"] == "no-cache"


def test_an_asset_of_another_version_is_not_the_page(client: TestClient) -> None:
    answer = client.get("/assets/old-99.js")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_nothing_outside_of_the_build_is_served(web: Path) -> None:
    (web / "assets/out.txt").symlink_to(web.parent / "secret.txt")
    assert dashboard.find(web, "../secret.txt") == web / "index.html"
    assert dashboard.find(web, "assets/out.txt") is None
    assert dashboard.find(web, "/etc/passwd") == web / "index.html"


def test_without_a_build_it_says_what_to_do(tmp_path: Path) -> None:
    app = FastAPI()
    problems.install(app)
    dashboard.serve(app, tmp_path)
    answer = TestClient(app).get("/")
    assert answer.status_code == 404
    assert "make install" in answer.json()["detail"]
