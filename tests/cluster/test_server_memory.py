"""Notes of agents over REST: as each person, and never over what somebody wrote meanwhile."""

from collections.abc import Iterator

import pytest

from cluster.api_server import ApiServer, installed, server
from cluster.people import bind
from sympozium.api import memory
from sympozium.kube.resources import CONFIG_MAPS
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import INSTANCE, NAMESPACE

__all__ = ["installed", "server"]
NS, VIEWER, EDITOR, STRANGER = "notes", "viewer-token", "operator-token", "stranger-token"


@pytest.fixture(scope="module", autouse=True)
def kube(installed: KubeAPI) -> Iterator[KubeAPI]:
    installed.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}})
    for user, role in (("viewer", "view"), ("operator", "edit")):
        bind(installed, user, role, NS)
    yield installed
    installed.delete(NAMESPACE, NS)


def agent(kube: KubeAPI, name: str, **settings: object) -> str:
    spec = {"agents": {"default": {"model": "m"}}, "memory": {"enabled": True, **settings}}
    kube.create(
        {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "SympoziumInstance",
            "metadata": {"name": name, "namespace": NS},
            "spec": spec,
        }
    )
    return f"/namespaces/{NS}/memory/{name}"


def test_notes_are_read_and_corrected(kube: KubeAPI, server: ApiServer) -> None:
    where = agent(kube, "sre", seeds=["look at nodes"], maxSizeKB=1)
    empty = server.ask("GET", where, token=VIEWER).json()
    assert (empty["text"], empty["resourceVersion"], empty["maxBytes"]) == ("- look at nodes\n", None, 1024)
    made = server.ask("PUT", where, {"text": "mine\n"}, token=EDITOR)
    assert made.status_code == 200, made.text
    found = kube.get(CONFIG_MAPS, "sre-memory", NS)
    assert found["data"][memory.KEY] == "mine\n"
    assert memory.is_memory(found, "sre")
    listed = server.ask("GET", f"/memory?namespace={NS}", token=VIEWER).json()["items"]
    assert [(item["instance"], item["text"], item["enabled"]) for item in listed] == [("sre", "mine\n", True)]
    too_long = server.ask("PUT", where, {"text": "x" * 1025, "resourceVersion": "1"}, token=EDITOR)
    assert (too_long.status_code, "1024 are the most" in too_long.json()["detail"]) == (422, True)


def test_what_the_agent_wrote_meanwhile_is_not_overwritten(kube: KubeAPI, server: ApiServer) -> None:
    where = agent(kube, "busy")
    read = server.ask("PUT", where, {"text": "one\n"}, token=EDITOR).json()
    kube.patch(CONFIG_MAPS, "busy-memory", {"data": {memory.KEY: "two\n"}}, NS)
    stale = {"text": "three\n", "resourceVersion": read["resourceVersion"]}
    assert server.ask("PUT", where, stale, token=EDITOR).status_code == 409
    assert server.ask("PUT", where, {"text": "three\n"}, token=EDITOR).status_code == 409
    fresh = server.ask("GET", where, token=EDITOR).json()
    assert fresh["text"] == "two\n"
    current = {"text": "three\n", "resourceVersion": fresh["resourceVersion"]}
    assert server.ask("PUT", where, current, token=EDITOR).json()["text"] == "three\n"


def test_kubernetes_decides_who_reads_and_who_writes(kube: KubeAPI, server: ApiServer) -> None:
    where = agent(kube, "shut")
    assert server.ask("PUT", where, {"text": "x"}, token=VIEWER).status_code == 403
    assert server.ask("GET", where, token=STRANGER).status_code == 403
    assert server.ask("GET", f"/memory?namespace={NS}", token=STRANGER).status_code == 403
    assert server.ask("GET", "/memory", token=VIEWER).status_code == 403
    assert server.ask("GET", f"/namespaces/{NS}/memory/nobody", token=VIEWER).status_code == 404


def test_notes_outlive_their_agent_and_foreign_config_maps_are_none(kube: KubeAPI, server: ApiServer) -> None:
    where = agent(kube, "gone")
    server.ask("PUT", where, {"text": "left\n"}, token=EDITOR)
    kube.delete(INSTANCE, "gone", NS)
    listed = server.ask("GET", f"/memory?namespace={NS}", token=VIEWER).json()["items"]
    left = next(item for item in listed if item["instance"] == "gone")
    assert (left["text"], left["enabled"], left["maxBytes"]) == ("left\n", False, None)
    agent(kube, "odd")
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "odd-memory", "namespace": NS},
            "data": {},
        }
    )
    assert server.ask("GET", f"/namespaces/{NS}/memory/odd", token=VIEWER).status_code == 409
