"""pytest fixtures: a whole control plane (`sympozium_cluster`) or the embedded API alone (`kube_api`).

Each is one for the session (and xdist worker), and starts when a test first asks for it.
"""

from collections.abc import Generator, Iterator

import pytest

from sympozium.testing.client import Client
from sympozium.testing.cluster import Cluster
from sympozium.testing.kube import KubeAPI


@pytest.fixture(scope="session")
def sympozium_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running control plane with the rehearsal model, stopped at the end of the session."""
    with Cluster(tmp_path_factory.mktemp("sympozium")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kube_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeAPI]:
    """A running embedded API without nodes, stopped at the end of the session."""
    with KubeAPI(tmp_path_factory.mktemp("kube")) as api:
        yield api


@pytest.fixture
def namespace(sympozium_cluster: Cluster) -> Iterator[str]:
    """A fresh namespace, deleted after the test."""
    yield from _namespace(sympozium_cluster)


@pytest.fixture
def kube_namespace(kube_api: KubeAPI) -> Iterator[str]:
    """A fresh namespace of `kube_api`, deleted after the test."""
    yield from _namespace(kube_api)


def _namespace(client: Client) -> Iterator[str]:
    made = client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-"}})
    name: str = made["metadata"]["name"]
    yield name
    client.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test of a cluster shows the ends of the components' logs."""
    report = yield
    fixtures = getattr(item, "funcargs", {})
    cluster = fixtures.get("sympozium_cluster")
    if report.failed and isinstance(cluster, Cluster):
        report.sections.append(("sympozium logs", cluster.logs()))
    api = fixtures.get("kube_api")
    if report.failed and isinstance(api, KubeAPI):
        tail = api.process.log.read_text(errors="replace").splitlines()[-40:]
        report.sections.append(("kube_api log", "\n".join(tail)))
    return report
