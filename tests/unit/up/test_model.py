"""Which model a new installation talks to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sympozium.up.model import ModelEndpointError, discover, rehearsal

NOWHERE = "http://127.0.0.1:9/v1"


class _Models(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"data": [{"id": "first"}, {"id": "second"}]}).encode()
        ok = self.path == "/v1/models" and self.headers["Authorization"] == "Bearer word"
        self.send_response(200 if ok else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Models) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_the_environment_wins_and_the_first_model_is_taken(endpoint: str) -> None:
    found = discover({"OPENAI_BASE_URL": endpoint, "OPENAI_API_KEY": "word"}, ollama=NOWHERE)
    assert found is not None
    assert (found.base_url, found.api_key, found.model) == (endpoint, "word", "first")


def test_a_named_model_is_not_looked_up() -> None:
    found = discover({"OPENAI_BASE_URL": NOWHERE, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "mine"})
    assert found is not None
    assert found.model == "mine"


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"OPENAI_BASE_URL": NOWHERE}, "OPENAI_API_KEY"),
        ({"OPENAI_BASE_URL": NOWHERE, "OPENAI_API_KEY": "k"}, "did not answer"),
        ({"OPENAI_BASE_URL": "ftp://x", "OPENAI_API_KEY": "k"}, "not an http"),
    ],
)
def test_an_endpoint_that_was_asked_for_is_never_replaced_in_silence(
    environ: dict[str, str], says: str
) -> None:
    with pytest.raises(ModelEndpointError, match=says):
        discover(environ, ollama=NOWHERE)


def test_a_wrong_key_is_an_error(endpoint: str) -> None:
    with pytest.raises(ModelEndpointError, match="401"):
        discover({"OPENAI_BASE_URL": endpoint, "OPENAI_API_KEY": "wrong"}, ollama=NOWHERE)


def test_nothing_found_leaves_the_rehearsal_model() -> None:
    assert discover({}, ollama=NOWHERE) is None
    assert "scripted" in rehearsal(1234).source
