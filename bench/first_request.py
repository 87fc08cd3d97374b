"""AgentRun created -> the first request reaches the model endpoint, cold: no pod of a run is warm.

The endpoint is a plain HTTP server of this benchmark's own, which notes when each request came and
answers with one sentence, so that the figure is ours and not a model's.
"""

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.table import head, row
from sympozium.testing import AGENT_RUN, INSTANCE, Cluster, phase

_RUNS = 7


class Endpoint(ThreadingHTTPServer):
    """Answers every completion with "done" and keeps the times at which they were asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[float] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("application/json", json.dumps({"object": "list", "data": [{"id": "bench"}]}))

    def do_POST(self) -> None:
        assert isinstance(self.server, Endpoint)
        self.server.asked.append(time.perf_counter())
        self.rfile.read(int(self.headers["Content-Length"]))
        common = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "bench"}
        delta = {"role": "assistant", "content": "done"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        chunks = [
            {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {**common, "choices": [], "usage": usage},
        ]
        self._answer(
            "text/event-stream", "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"
        )

    def _answer(self, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever)
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.shutdown()
            thread.join()


def main() -> None:
    first, whole = [], []
    with serving() as endpoint, tempfile.TemporaryDirectory() as directory:
        environ = {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{endpoint.server_port}/v1",
            "OPENAI_API_KEY": "bench",
        }
        with Cluster(Path(directory), environ=environ) as cluster:
            cluster.apply(
                {
                    "apiVersion": INSTANCE.api_version,
                    "kind": INSTANCE.kind,
                    "metadata": {"name": "bench"},
                    "spec": {
                        "agents": {"default": {"model": "bench"}},
                        "skills": [{"skillPackRef": "k8s-ops"}],
                    },
                }
            )
            for number in range(_RUNS):
                began = time.perf_counter()
                run = {
                    "apiVersion": AGENT_RUN.api_version,
                    "kind": AGENT_RUN.kind,
                    "metadata": {"name": f"bench-{number}"},
                    "spec": {"instanceRef": "bench", "task": "Say done."},
                }
                cluster.create(run)
                cluster.wait(
                    AGENT_RUN, f"bench-{number}", lambda r: phase(r) in ("Succeeded", "Failed"), timeout=120
                )
                whole.append(time.perf_counter() - began)
                first.append(endpoint.asked[-1] - began)
    print(head("one run with the k8s-ops skill, cold", _RUNS))
    print(row("AgentRun created -> first model request", first, "s", 4))
    print(row("AgentRun created -> Succeeded", whole, "s"))
