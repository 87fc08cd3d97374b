"""pytest fixtures: `sympozium_cluster` is one control plane for the whole session (and xdist worker)."""

from collections.abc import Generator, Iterator

import pytest

from sympozium.testing.client import Object
from sympozium.testing.cluster import Cluster


@pytest.fixture(scope="session")
def sympozium_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running control plane with the rehearsal model, stopped at the end of the session."""
    with Cluster(tmp_path_factory.mktemp("sympozium")) as cluster:
        yield cluster


@pytest.fixture
def namespace(sympozium_cluster: Cluster) -> Iterator[str]:
    """A fresh namespace, deleted after the test."""
    made: Object = sympozium_cluster.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-"}}
    )
    name: str = made["metadata"]["name"]
    yield name
    sympozium_cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test of a cluster shows the ends of the components' logs."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("sympozium_cluster")
    if report.failed and isinstance(cluster, Cluster):
        report.sections.append(("sympozium logs", cluster.logs()))
    return report
