"""Opening the dashboard: whose token goes where, and what is done with the link."""

import json
import stat
import threading
import webbrowser
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sympozium.cli import opening
from sympozium.cli.failures import CommandError
from sympozium.kube.kubeconfig import Access


def access(user: dict[str, Any], directory: Path = Path()) -> Access:
    return Access("https://127.0.0.1:1", "default", "the-file", {}, user, directory)


async def test_the_token_of_a_kubeconfig_whatever_makes_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    credential = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": "plugged"},
    }
    plugin = {"command": "echo", "args": [json.dumps(credential)]}
    assert await opening.bearer_token(access({"token": "as-text"})) == "as-text"
    assert await opening.bearer_token(access({"tokenFile": "token"}, tmp_path)) == "from-file"
    assert await opening.bearer_token(access({"exec": plugin})) == "plugged"


@pytest.mark.parametrize(
    "user",
    [{}, {"client-certificate-data": "eA==", "client-key-data": "eA=="}, {"username": "u", "password": "p"}],
)
async def test_without_a_token_the_cure_is_named(user: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="kubectl create token") as caught:
        await opening.bearer_token(access(user))
    assert "the-file" in str(caught.value)


class _Handler(BaseHTTPRequestHandler):
    answer: tuple[int, bytes]
    seen: list[tuple[str, str]]

    def do_POST(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Handler]]]:
    handler = type(
        "Handler", (_Handler,), {"answer": (201, b'{"url": "http://x/#/sign-in?ticket=t"}'), "seen": []}
    )
    http = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}", handler
    http.shutdown()
    http.server_close()
    thread.join()


async def test_the_token_is_sent_and_the_link_taken(server: tuple[str, type[_Handler]]) -> None:
    base, handler = server
    assert await opening._link(base, "tok") == "http://x/#/sign-in?ticket=t"
    assert handler.seen == [("/api/v1/session/links", "Bearer tok")]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (401, b'{"detail": "Kubernetes does not know this token"}'),
            "made no link (401): Kubernetes does not know",
        ),
        ((200, b"<html>"), "made no link (200)"),
        ((201, b'{"url": 3}'), "made no link (201)"),
    ],
)
async def test_a_server_that_makes_no_link(
    server: tuple[str, type[_Handler]], answer: tuple[int, bytes], words: str
) -> None:
    base, handler = server
    handler.answer = answer
    with pytest.raises(CommandError) as caught:
        await opening._link(base, "tok")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("http://dashboard.example.com", "your token was not sent"),
        ("http://127.0.0.1.example.com", "your token was not sent"),
        ("file:///etc/passwd", "is no URL"),
        ("http://127.0.0.1:1", "does not answer"),
    ],
)
async def test_where_no_token_goes(base: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        await opening._link(base, "tok")


def test_the_link_is_printed_where_no_browser_is_to_be_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    opening._show("http://x/#t", only_print=False)
    said = capsys.readouterr()
    assert said.out == "http://x/#t\n"
    assert "works once" in said.err
    opening._show("http://x/#t", only_print=True)
    assert capsys.readouterr().err == ""
    assert opened == []


def test_the_browser_gets_a_page_that_only_its_user_can_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    opening._show('http://x/?a="&b=1#t', only_print=False)
    page = tmp_path / "sympozium-open.html"
    assert opened == [page.as_uri()]
    assert "url=http://x/?a=&quot;&amp;b=1#t" in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
