"""One localkube for the conformance tests, as its own process; and a namespace for each test."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from conformance.kubeapi import Api

TOKENS = 'admin-token,admin,1,"system:masters"\nalice-token,alice,2,"devs"\n'


class Server:
    """A localkube process over a data directory; `start` again gives the same address."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.tokens = data.parent / "tokens.csv"
        self.tokens.write_text(TOKENS)
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        log = (self.data.parent / "localkube.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sympozium.localkube", "--data-dir", str(self.data), "--token-auth-file", str(self.tokens)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )  # fmt: skip
        log.close()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"localkube did not start: {(self.data.parent / 'localkube.log').read_text()[-2000:]}"
        self.url = json.loads(line)["url"]

    def api(self, token: str | None) -> Api:
        return Api(self.url, token, str(self.data / "pki" / "ca.crt"))

    def kill(self) -> None:
        """As a crash: SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """As an administrator: SIGTERM. Returns the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self._reap()

    def _reap(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        self.process = None
        return code


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("localkube") / "data")
    made.start()
    yield made
    if made.process is not None:
        made.stop()


@pytest.fixture(scope="session")
def admin(server):
    api = server.api("admin-token")
    yield api
    api.close()


@pytest.fixture(scope="session")
def alice(server):
    api = server.api("alice-token")
    yield api
    api.close()


@pytest.fixture
def ns(admin):
    """A namespace of the test's own, with its default ServiceAccount."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    assert admin.post("/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
    admin.eventually(
        f"/api/v1/namespaces/{name}/serviceaccounts/default", lambda answer: answer.status == 200
    )
    return name


@pytest.fixture
def cms(ns):
    return f"/api/v1/namespaces/{ns}/configmaps"
