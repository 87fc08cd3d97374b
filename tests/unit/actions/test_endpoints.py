"""Trying a model endpoint: what works, and the words for each way in which it does not."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sympozium.actions import endpoints
from sympozium.actions.endpoints import attempt, discover, provider_of

Reply = tuple[int, Any]
MODELS: Reply = (200, {"data": [{"id": "m1"}, {"id": "m2"}]})
SAID: Reply = (200, {"choices": [{"message": {"content": "ready"}}], "usage": {"total_tokens": 9}})
DEEP = b"[" * 1015 + b"]" * 1015
"""As deep as orjson reads, and deeper than Python writes out."""


class Server:
    """Answers GET and POST as it is told, and remembers what it was asked."""

    def __init__(self, get: Reply, post: Reply | Callable[[dict[str, Any]], Reply]) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(("GET", self.path, dict(self.headers)))
                self._send(*get)

            def do_POST(self) -> None:
                outer.asked.append(("POST", self.path, dict(self.headers)))
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._send(*(post(body) if callable(post) else post))

            def _send(self, status: int, body: Any) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if status in (301, 302):
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


@contextmanager
def serving(get: Reply = MODELS, post: Reply | Callable[[dict[str, Any]], Reply] = SAID) -> Iterator[Server]:
    server = Server(get, post)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


async def test_one_that_works_lists_its_models_and_answers() -> None:
    with serving() as server:
        trial = await attempt(server.url + "/", "sk-1")
    assert trial.problem == ""
    assert trial.models == ("m1", "m2")
    assert trial.answer is not None
    assert (trial.answer.model, trial.answer.text, trial.answer.tokens) == ("m1", "ready", 9)
    assert [path for _, path, _ in server.asked] == ["/v1/models", "/v1/chat/completions"]
    assert {headers["Authorization"] for _, _, headers in server.asked} == {"Bearer sk-1"}
    assert server.asked[0][2]["Host"] == server.url.split("/")[2]


async def test_the_model_that_was_chosen_is_asked_also_where_nothing_is_listed() -> None:
    def post(body: dict[str, Any]) -> Reply:
        return (200, {"choices": [{"message": {"content": body["model"]}}]})

    with serving((404, {}), post) as server:
        trial = await attempt(server.url, "", "mine")
        unnamed = await attempt(server.url, "")
    assert trial.answer is not None
    assert trial.answer.text == "mine"
    assert "Authorization" not in server.asked[0][2]
    assert "no list of models" in unnamed.problem
    assert "/v1" in unnamed.cure


async def test_a_model_that_knows_the_bound_by_its_newer_name() -> None:
    def post(body: dict[str, Any]) -> Reply:
        if "max_tokens" in body:
            return (
                400,
                {"error": {"message": "Unsupported parameter: use 'max_completion_tokens' instead."}},
            )
        assert body["max_completion_tokens"] == 16
        return SAID

    with serving(post=post) as server:
        assert (await attempt(server.url, "k")).answer


@pytest.mark.parametrize(
    ("get", "post", "problem", "cure"),
    [
        ((401, {"error": {"message": "Incorrect API key"}}), SAID, "refuses the key (401): Incorrect", "check the key"),
        (MODELS, (403, {}), "refuses the key (403)", "check the key"),
        (MODELS, (404, {"error": {"message": "no such model"}}), "has no model 'm1': no such model", "lists"),
        (MODELS, (429, {"error": {"message": "quota"}}), "no more requests now (429): quota", "limits"),
        (MODELS, (500, b"<html>stack trace</html>"), "failed (500)", "log of the model server"),
        (MODELS, (200, {"hello": 1}), "no chat completion", "OpenAI-compatible"),
        (MODELS, (400, {"error": "bad thing"}), "refused the request (400): bad thing", "check"),
        ((200, b"<html>"), SAID, "does not speak the OpenAI protocol", "/v1"),
        ((200, {"data": []}), SAID, "lists no model", "name the model"),
        ((200, b'{"data": [{"id": ' + DEEP + b"}]}"), SAID, "lists no model", "name the model"),
        (MODELS, (200, b'{"choices": [{"message": {"content": ' + DEEP + b"}}]}"), "no chat completion", "OpenAI"),
        ((302, b""), SAID, "redirects (302)", "leads to"),
        ((200, b" " * (endpoints._LIMIT + 1)), SAID, "more than 1048576 bytes", "model endpoint"),
    ],
)  # fmt: skip
async def test_each_failure_has_words_and_a_cure(get: Reply, post: Reply, problem: str, cure: str) -> None:
    with serving(get, post) as server:
        trial = await attempt(server.url, "sk-secret")
    assert trial.answer is None
    assert problem in trial.problem
    assert cure in trial.cure
    assert "stack trace" not in trial.problem
    assert "sk-secret" not in trial.problem


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://host/v1", "no http:// or https:// URL"),
        ("http://", "no http:// or https:// URL"),
        ("http://host:port/v1", "is no URL"),
        ("http://a b/v1", "odd characters"),
        ("http://user:word@host/v1", "holds credentials"),
        ("http://host/v1?x=1", "query or a fragment"),
        ("http://host/v1#x", "query or a fragment"),
        ("http://nowhere.invalid/v1", "nowhere.invalid is not known"),
        ("http://169.254.169.254/v1", "keep their metadata"),
        ("http://[::ffff:169.254.169.254]/v1", "keep their metadata"),
        ("http://[fd00:ec2::254]/v1", "keep their metadata"),
        ("http://0.0.0.0:80/v1", "keep their metadata"),
    ],
)
async def test_where_no_request_goes(url: str, problem: str) -> None:
    trial = await attempt(url, "k", "m")
    assert problem in trial.problem
    assert trial.cure


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        trial = await attempt(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "k")
    assert "nothing answers at 127.0.0.1" in trial.problem


async def test_tls_where_there_is_none() -> None:
    with serving() as server:
        trial = await attempt(server.url.replace("http:", "https:"), "k")
    assert "does not speak TLS" in trial.problem


async def test_a_key_that_was_copied_badly() -> None:
    assert "the key holds" in (await attempt("http://127.0.0.1:1/v1", "sk-1\n")).problem


async def test_what_this_machine_offers() -> None:
    with serving() as server:
        env = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-1"}
        both = await discover(env, ollama=server.url)
        none = await discover({}, ollama="http://127.0.0.1:1/v1")
        broken = await discover({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, ollama="http://127.0.0.1:1/v1")
    assert [(f.source, f.provider, f.models) for f in both] == [
        ("env", "openai", ("m1", "m2")), ("ollama", "ollama", ("m1", "m2")),
    ]  # fmt: skip
    assert "sk-1" not in repr(both)
    assert none == []
    assert [f.source for f in broken] == ["env"]
    assert "nothing answers" in broken[0].problem


def test_providers_by_their_host() -> None:
    assert provider_of("https://openrouter.ai/api/v1") == "openrouter"
    assert provider_of("http://gpu-box:11434/v1") == "ollama"
    assert provider_of("https://notopenrouter.ai/v1") == "openai"
