"""Each person at each route: what `server_matrix` says, before a real Kubernetes API."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from cluster.api_server import ApiServer, installed, server
from cluster.people import bind
from cluster.server_matrix import MARK, MATRIX, OUTSIDE, PEOPLE, Row, others, run
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import AGENT_RUN
from sympozium.testing.waiting import until

__all__ = ["installed", "server"]
TOKENS = {
    "viewer": "viewer-token",
    "approver": "approver-token",
    "operator": "operator-token",
    "administrator": "admin-token",
    "stranger": "stranger-token",
    "anonymous": "",
}
BINDINGS = [
    ("viewer", "view", "team"),
    ("approver", "sympozium-approver", "team"),
    ("operator", "edit", "team"),
    ("stranger", "edit", "other"),
]


@pytest.fixture(scope="module")
def team(installed: KubeAPI, server: ApiServer) -> ApiServer:
    """The namespaces, who has which role there, and a run of their own for each person to be tried on."""
    for namespace in ("team", "other"):
        installed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for user, role, namespace in BINDINGS:
        bind(installed, user, role, namespace)
    for person in PEOPLE:
        installed.create(run(person), "team")
        installed.create(run(f"{person}-ended"), "team")
        for made in others(person):
            installed.create(made)
        installed.patch(
            AGENT_RUN, f"{person}-ended", {"status": {"phase": "Succeeded"}}, "team", subresource="status"
        )

    # The aggregated roles and the server's copies follow at their own pace.
    def complete() -> bool:
        with server.client("viewer-token") as client:
            answer = client.get("/api/v1/runs", params={"namespace": "team", "phase": "Succeeded"})
        return answer.status_code == 200 and len(answer.json()["items"]) == len(PEOPLE)

    until(complete, "the server has the runs, and viewer may list them")
    return server


def told(server: ApiServer, person: str, route: str, row: Row) -> tuple[str, str]:
    """The word for what was answered, and the answer."""
    method, _, path = route.partition(" ")
    name = f"{person}-ended" if row.ended else person
    path = path.format(namespace="team", name=name, instance=name, plural="agentruns")
    root = "" if path.startswith(OUTSIDE) else "/api/v1"
    with (
        server.client(TOKENS[person]) as client,
        client.stream(method, f"{root}{path}", params=row.query, json=row.body_for(name)) as answer,
    ):
        streams = answer.headers.get("content-type", "").startswith("text/event-stream")
        text = "" if streams else answer.read().decode()
    said = f"{answer.status_code} {text[:500]}"
    match answer.status_code:
        case 401:
            return "who", said
        case 403:
            return ("a refusal that tells" if _tells(text) else "no"), said
        case code if code >= 500 and code != httpx2.codes.SERVICE_UNAVAILABLE:
            return "failed", said
    return ("ok" if _tells(text) or streams else "not"), said


def _tells(text: str) -> bool:
    """Whether something of the team is in it."""
    return MARK in text or '"namespace":"team"' in text


@pytest.fixture(scope="module")
def answers(team: ApiServer) -> dict[tuple[str, str], tuple[str, str]]:
    """Everybody's at every route, asked side by side: without a bus some routes wait for one before they say so."""
    asked = [(person, route) for person in PEOPLE for route in MATRIX]
    with ThreadPoolExecutor(8) as threads:
        words = threads.map(lambda pair: told(team, *pair, MATRIX[pair[1]]), asked)
        return dict(zip(asked, words, strict=True))


@pytest.mark.parametrize("person", PEOPLE)
def test_each_route_answers_as_the_matrix_says(
    answers: dict[tuple[str, str], tuple[str, str]], person: str
) -> None:
    wrong = []
    for route, row in MATRIX.items():
        expected = row.of(person)
        word, said = answers[person, route]
        # Who may read is not always shown something; who may not, never is.
        if word != expected and not (expected == "ok" and word == "not"):
            wrong.append(f"{route}: {expected} expected: {said}")
    assert not wrong, "\n".join(wrong)
