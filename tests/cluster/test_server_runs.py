"""Runs over the API server, with a real Kubernetes API: lists, search, what others may not see, actions."""

from typing import Any

import httpx2
import pytest

from cluster.api_server import ApiServer, installed, server
from sympozium.testing.client import Object
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import AGENT_RUN
from sympozium.testing.waiting import until

__all__ = ["installed", "server"]
ROLES = [("viewer", "sympozium-view"), ("operator", "sympozium-view"), ("operator", "sympozium-edit")]


@pytest.fixture(scope="module")
def kube(installed: KubeAPI) -> KubeAPI:
    """Two namespaces; viewer and operator have their rights in the first one alone."""
    for namespace in ("ours", "theirs"):
        installed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for user, role in ROLES:
        installed.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": f"{user}-{role}", "namespace": "ours"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
            }
        )  # fmt: skip
    return installed


def create(
    kube: KubeAPI, name: str, namespace: str = "ours", *, labels: Any = None, status: Any = None, **spec: Any
) -> Object:
    made = kube.create(
        {
            "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun",
            "metadata": {"name": name, "labels": labels or {}}, "spec": {"instanceRef": "sre", "task": "look", **spec},
        },
        namespace,
    )  # fmt: skip
    if status:
        kube.patch(AGENT_RUN, name, {"status": status}, namespace, subresource="status")
    return made


def listed(server: ApiServer, token: str = "viewer-token", **query: str) -> Any:
    answer = ask(server, token, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(server: ApiServer, token: str = "viewer-token", **query: str) -> httpx2.Response:
    with server.client(token) as client:
        return client.get("/api/v1/runs", params=query)


def names(page: Any) -> list[str]:
    return [item["name"] for item in page["items"]]


def test_a_run_is_listed_found_and_forgotten(kube: KubeAPI, server: ApiServer) -> None:
    create(kube, "found-by-words", task="why does the zebra not become ready", status={"phase": "Running"})
    until(lambda: names(listed(server, q="zebra")) == ["found-by-words"], "the run is found")
    page = listed(server, q="zeb")
    match = {"field": "task", "before": "why does the ", "hit": "zebra", "after": " not become ready"}
    assert page["items"][0]["match"] == [match]
    assert page["facets"] == {"phase": {"Running": 1}, "instance": {"sre": 1}, "pack": {}}
    kube.patch(
        AGENT_RUN,
        "found-by-words",
        {"status": {"phase": "Failed", "error": "no okapi"}},
        "ours",
        subresource="status",
    )
    until(
        lambda: names(listed(server, q="okapi", phase="Failed")) == ["found-by-words"], "the error is found"
    )
    kube.delete(AGENT_RUN, "found-by-words", "ours")
    until(lambda: not names(listed(server, q="zebra")), "a run that is gone is not found")


def test_who_has_rights_in_one_namespace_learns_nothing_of_others(kube: KubeAPI, server: ApiServer) -> None:
    create(kube, "walrus-1", task="walrus", instanceRef="mine")
    create(kube, "walrus-2", "theirs", task="walrus", instanceRef="hidden")
    until(lambda: listed(server, "admin-token", q="walrus")["total"] == 2, "both are found")
    everything = listed(server, "admin-token", q="walrus")
    assert everything["partial"] is False
    page = listed(server, q="walrus", limit="1")
    assert (names(page), page["total"], page["cursor"], page["partial"]) == (["walrus-1"], 1, None, True)
    assert page["facets"]["instance"] == {"mine": 1}
    stranger = listed(server, "stranger-token", q="walrus")
    assert (stranger["items"], stranger["total"], stranger["partial"]) == ([], 0, True)
    answer = ask(server, namespace="theirs")
    assert answer.status_code == 403
    assert "viewer may not list agentruns in namespace theirs" in answer.json()["detail"]
    assert ask(server, "").status_code == 401


def test_a_cursor_of_somebody_else_shows_what_oneself_may_see(kube: KubeAPI, server: ApiServer) -> None:
    for number in range(4):
        create(kube, f"lynx-{number}", "theirs" if number % 2 else "ours", task="lynx")
    until(lambda: listed(server, "admin-token", q="lynx")["total"] == 4, "all are found")
    cursor = listed(server, "admin-token", q="lynx", limit="1", sort="created")["cursor"]
    page = listed(server, q="lynx", sort="created", cursor=cursor)
    assert set(names(page)) <= {"lynx-0", "lynx-2"}
    assert page["total"] == 2


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"labels": "a b"},
        {"sort": "name"},
        {"limit": "0"},
        {"phase": "Odd"},
        {"since": "noon"},
    ],
)
def test_what_cannot_be_asked_is_refused_with_words(
    server: ApiServer, kube: KubeAPI, query: dict[str, str]
) -> None:
    answer = ask(server, **query)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_a_run_is_created_as_whoever_asks(kube: KubeAPI, server: ApiServer) -> None:
    body = {
        "instance": "sre",
        "task": "look",
        "labels": {"team": "x"},
        "timeout": "10m",
        "keep": True,
        "model": "m2",
    }
    made = server.ask("POST", "/namespaces/ours/runs", body, token="operator-token")
    assert made.status_code == 201, made.text
    name = made.json()["run"]["name"]
    run = kube.get(AGENT_RUN, name, "ours")
    assert run["spec"] == {
        "instanceRef": "sre",
        "task": "look",
        "timeout": "10m",
        "cleanup": "keep",
        "model": {"model": "m2"},
        "mode": "task",
        "retries": 0,
    }
    assert run["metadata"]["labels"]["team"] == "x"
    for token, status in (("viewer-token", 403), ("stranger-token", 403), ("", 401)):
        assert server.ask("POST", "/namespaces/ours/runs", body, token=token).status_code == status
    assert server.ask("POST", "/namespaces/theirs/runs", body, token="operator-token").status_code == 403
    assert (
        server.ask("POST", "/namespaces/ours/runs", {"instance": "sre"}, token="operator-token").status_code
        == 422
    )


def test_a_run_is_held_cancelled_and_tried_again(kube: KubeAPI, server: ApiServer) -> None:
    create(kube, "ibex")

    def act(verb: str, token: str = "operator-token", name: str = "ibex") -> httpx2.Response:
        return server.ask("POST", f"/namespaces/ours/runs/{name}/{verb}", token=token)

    assert act("suspend").json()["run"]["suspended"] is True
    assert kube.get(AGENT_RUN, "ibex", "ours")["spec"]["suspend"] is True
    assert act("resume").json()["run"]["suspended"] is False
    assert act("retry").status_code == 409
    for verb in ("suspend", "resume", "cancel"):
        assert act(verb, "viewer-token").status_code == 403
    assert act("cancel").status_code == 200
    assert kube.get(AGENT_RUN, "ibex", "ours")["spec"]["cancel"] is True
    kube.patch(AGENT_RUN, "ibex", {"status": {"phase": "Cancelled"}}, "ours", subresource="status")
    assert act("cancel").status_code == 409
    again = act("retry")
    assert again.status_code == 201
    assert again.json()["run"]["name"] != "ibex"
    assert kube.get(AGENT_RUN, again.json()["run"]["name"], "ours")["spec"].get("cancel") is None
    assert act("retry", "viewer-token").status_code == 403
    for verb in ("suspend", "resume", "cancel", "retry"):
        assert act(verb, name="nobody").status_code == 404


def test_a_run_and_its_family(kube: KubeAPI, server: ApiServer) -> None:
    create(kube, "elder", status={"phase": "Running", "conditions": [condition()]})
    for name, parent in (("child", "elder"), ("grandchild", "child"), ("sibling", "elder")):
        create(kube, name, parent={"runName": parent, "sessionKey": "s", "spawnDepth": 1})
    detail = server.ask("GET", "/namespaces/ours/runs/elder", token="viewer-token").json()
    assert detail["object"]["spec"]["task"] == "look"
    assert "managedFields" not in detail["object"]["metadata"]
    assert detail["conditions"][0]["type"] == "Planned"

    def tree() -> Any:
        return server.ask("GET", "/namespaces/ours/runs/grandchild/tree", token="viewer-token").json()

    def shape(node: Any) -> Any:
        return {node["run"]["name"]: [shape(child) for child in node["children"]]}

    until(
        lambda: shape(tree()) == {"elder": [{"child": [{"grandchild": []}]}, {"sibling": []}]},
        "the family is whole",
    )
    assert server.ask("GET", "/namespaces/ours/runs/elder", token="viewer-token").json()["children"] == 2
    assert server.ask("GET", "/namespaces/ours/runs/nobody/tree", token="viewer-token").status_code == 404
    for token in ("stranger-token", "nobody-token"):
        assert server.ask("GET", "/namespaces/ours/runs/elder", token=token).status_code == 403
        assert server.ask("GET", "/namespaces/ours/runs/elder/tree", token=token).status_code == 403


def condition() -> Object:
    return {
        "type": "Planned",
        "status": "True",
        "reason": "Applied",
        "message": "",
        "lastTransitionTime": "2026-11-27T10:00:00Z",
    }
