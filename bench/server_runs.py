"""10,000 runs in the API server: until it is ready, its memory, pages of the list, searches.

The runs are objects of the embedded API, with tasks and results of the length that real ones have (words of our own
documentation, so that they are spread as words are). Times are of whole requests as a browser makes them, with a bearer token.
"""

import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from bench.table import head, row
from bench.wire import Address, Connection, resident
from sympozium.catalog import install
from sympozium.kube.resources import SERVICE_ACCOUNTS
from sympozium.testing.kube import KubeAPI
from sympozium.up.identities import kubeconfig
from sympozium.up.ports import pick

_RUNS = 10_000
_WORKERS = 8
_TIMES = 30
_SYSTEM = install.SYSTEM_NAMESPACE
_PATH = "/apis/sympozium.ai/v1alpha1/namespaces/{}/agentruns"
_SPACES = [f"team-{n}" for n in range(5)]
_PHASES = ["Succeeded"] * 16 + ["Failed"] * 2 + ["Running", "Queued"]
_ASKED = {
    "page of 50, with facets": {},
    "  of one namespace": {"namespace": "team-1"},
    "  the failed ones of a pack": {"phase": "Failed", "pack": "pack-1"},
    "  by tokens": {"sort": "-tokens"},
    "  by label": {"labels": "team in (t1,t2)"},
    "search, a rare word": {"q": "seccomp"},
    "search, a frequent word": {"q": "run"},
    "search, its first letter": {"q": "r"},
    "search, two words": {"q": "policy approv"},
}


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, KubeAPI(Path(directory) / "kube") as kube:
        prepare(kube)
        fill(Address.of(kube.kubeconfig))
        print(head(f"API server with {_RUNS} runs", _TIMES))
        ready = []
        for _ in range(3):
            with serving(kube, Path(directory)) as server:
                ready.append(server.ready)
        print(row("process started -> ready (3 runs)", ready, "s"))
        with serving(kube, Path(directory)) as server:
            print(row("memory when ready", [resident(server.pid)], "MB"))
            for name, query in _ASKED.items():
                times = [server.ask(query) for _ in range(_TIMES)]
                print(row(name, times, "ms", 50))
            print(row("memory after all that", [resident(server.pid)], "MB"))


def fill(address: Address) -> None:
    with ThreadPoolExecutor(_WORKERS) as workers:
        list(workers.map(lambda index: _fill(address, index), range(_WORKERS)))


def _fill(address: Address, index: int) -> None:
    rng = random.Random(index)
    words = _words()
    with Connection(address) as connection:
        for which in range(index, _RUNS, _WORKERS):
            path = _PATH.format(_SPACES[which % len(_SPACES)])
            made = _run(which, rng, words)
            connection.json("POST", path, made)
            status = {"status": _status(which, rng, words)}
            path += f"/{made['metadata']['name']}/status"
            connection.json("PATCH", path, status, "application/merge-patch+json")


def _words() -> list[str]:
    return " ".join(
        p.read_text() for p in sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
    ).split()


def _text(rng: random.Random, words: list[str], length: int) -> str:
    at = rng.randrange(len(words) - length)
    return " ".join(words[at : at + length])


def _run(which: int, rng: random.Random, words: list[str]) -> dict[str, Any]:
    labels = {"sympozium.ai/pack": f"pack-{which % 4}", "team": f"t{which % 7}"}
    return {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun",
        "metadata": {"name": f"desk-{which:05}", "labels": labels},
        "spec": {
            "instanceRef": f"desk-{which % 40}", "task": _text(rng, words, 60), "model": {"model": f"model-{which % 3}"},
            "trigger": {"kind": "Schedule", "name": "nightly"},
        },
    }  # fmt: skip


def _status(which: int, rng: random.Random, words: list[str]) -> dict[str, Any]:
    status: dict[str, Any] = {"phase": rng.choice(_PHASES), "steps": 7, "startedAt": "2026-11-27T10:00:00Z"}
    if status["phase"] in {"Succeeded", "Failed"}:
        status |= {
            "completedAt": "2026-11-27T10:03:00Z", "result": _text(rng, words, 150),
            "tokenUsage": {"inputTokens": which * 7, "outputTokens": which, "totalTokens": which * 8, "toolCalls": 6,
                           "durationMs": 180_000},
        }  # fmt: skip
    return status


def prepare(kube: KubeAPI) -> None:
    for document in install.identities():
        kube.apply(document)
    for file in (resources.files("sympozium.api") / "crds").iterdir():
        crd = yaml.safe_load(file.read_text())
        kube.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    for name in _SPACES:
        kube.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    for _ in range(200):
        try:
            kube.request("GET", _PATH.format("team-0"))
        except Exception:  # noqa: BLE001 - not served yet
            time.sleep(0.05)
        else:
            return


class Server:
    """`sympozium serve apiserver`, as an install runs it."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, ready: float) -> None:
        self.pid = process.pid
        self.ready = ready
        self._port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: dict[str, str]) -> float:
        """Milliseconds of a request for the list."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        began = time.perf_counter()
        connection.request(
            "GET", f"/api/v1/runs?{urlencode(query)}", headers={"Authorization": "Bearer admin-token"}
        )
        answer = connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1000
        connection.close()
        if answer.status != 200 or not json.loads(body)["total"]:
            raise RuntimeError(body.decode())
        return took


@contextmanager
def serving(kube: KubeAPI, directory: Path) -> Iterator[Server]:
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 36000},
    }
    token = kube.request("POST", SERVICE_ACCOUNTS.path(_SYSTEM, "sympozium-apiserver", "token"), request)[
        "status"
    ]["token"]
    config = directory / "server.kubeconfig"
    config.write_text(
        kubeconfig(kube.url, kube.process.authority.read_bytes(), {"token": token}, namespace=_SYSTEM)
    )
    port = pick(set())
    health = pick({port})
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "sympozium", "serve", "apiserver", "--port", str(port), "--health-port", str(health)],
        env={**os.environ, "KUBECONFIG": str(config)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(process, health)
        yield Server(process, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.02)
    raise RuntimeError(f"the API server ended with {process.returncode}")
