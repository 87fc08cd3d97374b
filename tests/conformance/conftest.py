"""One localkube for the conformance tests, as its own process; and a namespace for each test."""

import uuid
from pathlib import Path

import pytest

from conformance.kubeapi import Api
from sympozium.testing.kube import USERS, KubeProcess


class Server(KubeProcess):
    """A localkube process over a data directory; `start` again gives the same address."""

    def __init__(self, data: Path) -> None:
        tokens = data.parent / "tokens.csv"
        tokens.write_text(USERS)
        super().__init__(data, token_auth_file=tokens, log=data.parent / "localkube.log")

    def api(self, token: str | None) -> Api:
        return Api(self.url, token, str(self.authority))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("localkube") / "data")
    made.start()
    yield made
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
