"""What the API does not have: paths, methods, parameters."""

import pytest
from starlette.testclient import TestClient

from sympozium.server.access import caller
from sympozium.server.app import declare
from sympozium.server.parts import parts


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(declare(), base_url="http://localhost")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/hooks/default/alerts", "POST"),
        ("HEAD", "/hooks/default/alerts", "POST"),
        ("GET", "/api/v1/stop", "POST"),
        ("HEAD", "/api/v1/runs", "GET"),
        ("PUT", "/api/v1/runs", "GET"),
        ("POST", "/api/v1/namespaces/a/resources/agentruns/b", "DELETE, GET, PATCH, PUT"),
    ],
)
def test_another_method_is_told_which_there_are(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert answer.json()["detail"] == f"{path} takes {allowed}, not {method}"


@pytest.mark.parametrize(
    "path", ["/hooks/", "/hooks/a", "/hooks/a/b/c", "/api/", "/api/v2/runs", "/api/v1/runs/"]
)
def test_a_path_of_the_api_that_is_not_there_is_not_the_page(client: TestClient, path: str) -> None:
    for method in ("GET", "POST"):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")
        assert answer.json()["detail"].startswith(f"{path} is not there: /api/v1/openapi.json")


@pytest.mark.parametrize(
    ("method", "path", "field", "words"),
    [
        ("GET", "/runs?phaze=Failed", "query.phaze", "no such parameter here; there are: cursor, instance,"),
        (
            "DELETE",
            "/namespaces/a/resources/agentruns/b?dryrun=true",
            "query.dryrun",
            "there are: dryRun, uid",
        ),
        ("POST", "/stop?kill=true", "query.kill", "no such parameter here; there is none"),
        ("GET", "/runs?limit=1&limit=2", "query.limit", "given 2 times, and one is taken"),
        ("GET", "/stream?watch=agentruns&namespaces=a", "query.namespaces", "no such parameter here"),
    ],
)
def test_a_parameter_that_would_be_passed_over_is_refused(
    client: TestClient, method: str, path: str, field: str, words: str
) -> None:
    answer = client.request(method, f"/api/v1{path}", json={} if method == "POST" else None)
    assert answer.status_code == 422
    (cause,) = answer.json()["causes"]
    assert cause["field"] == field
    assert words in cause["message"]
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["/runs?phase=Failed&phase=Running&namespace=a", "/usage?by=day&by=pack", "/stream?watch=a&watch=b"],
)
def test_what_may_be_repeated_is_taken_and_then_asked_who_it_is(
    client: TestClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(client.app.dependency_overrides, parts, lambda: None)  # type: ignore[attr-defined]
    assert client.get(f"/api/v1{path}").status_code == 401


@pytest.mark.parametrize("namespace", ["", "a,b", "*", "A"])
def test_what_is_no_namespace_is_no_silent_stream(
    client: TestClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for needed in (caller, parts):
        monkeypatch.setitem(client.app.dependency_overrides, needed, lambda: None)  # type: ignore[attr-defined]
    answer = client.get("/api/v1/stream", params={"watch": "agentruns", "namespace": namespace})
    assert answer.status_code == 422
    assert "query.namespace[0]" in answer.json()["detail"]


def test_a_body_that_is_no_json_is_told_where_it_breaks(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(client.app.dependency_overrides, caller, lambda: None)  # type: ignore[attr-defined]
    answer = client.post(
        "/api/v1/policies/check", content='{"yaml": oops}', headers={"Content-Type": "application/json"}
    )
    (cause,) = answer.json()["causes"]
    assert (answer.status_code, cause["field"]) == (422, "body")
    assert cause["message"] == "not JSON: Expecting value, at character 9"
