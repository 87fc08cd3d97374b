"""Runs over the API server, with a real Kubernetes API: lists, search, what others may not see, actions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from cluster.api_server import ApiServer, installed
from cluster.people import bind
from sympozium.testing.client import Object
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import AGENT_RUN, SCHEDULE, SYMPOZIUM_CONFIG as CONFIG
from sympozium.testing.waiting import until

__all__ = ["installed"]
ROLES = [("viewer", "sympozium-view"), ("operator", "sympozium-view"), ("operator", "sympozium-edit")]


@pytest.fixture(scope="module")
def kube(installed: KubeAPI) -> KubeAPI:
    """Two namespaces, of which viewer and operator have rights in the first one alone; and prices."""
    for namespace in ("ours", "theirs"):
        installed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for user, role in ROLES:
        bind(installed, user, role, "ours")
    prices = {
        "currency": "EUR",
        "models": [{"model": "m*", "inputPerMillion": "2", "outputPerMillion": "20"}],
    }
    installed.apply(
        {
            "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumConfig",
            "metadata": {"name": "default", "namespace": "sympozium-system"}, "spec": {"prices": prices},
        }
    )  # fmt: skip
    return installed


@pytest.fixture(scope="module")
def server(installed: KubeAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """With a ledger in a file."""
    directory = tmp_path_factory.mktemp("apiserver")
    with ApiServer(installed, directory, "--state-dir", str(directory)) as running:
        yield running


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
    assert listed(server, q="walrus", namespace="ours")["partial"] is False
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


def test_a_run_is_forked(kube: KubeAPI, server: ApiServer) -> None:
    create(kube, "heron", sessionKey="sre:heron", labels={"team": "x", "sympozium.ai/schedule": "nightly"})

    def fork(body: Any, token: str = "operator-token") -> httpx2.Response:
        return server.ask("POST", "/namespaces/ours/runs/heron/fork", body, token=token)

    made = fork({"step": 2, "task": "look again"})
    assert made.status_code == 201, made.text
    run = kube.get(AGENT_RUN, made.json()["run"]["name"], "ours")
    assert run["spec"]["forkFrom"] == {"runName": "heron", "step": 2}
    assert (run["spec"]["task"], run["spec"].get("sessionKey")) == ("look again", None)
    assert run["metadata"]["labels"] == {"team": "x"}
    assert kube.get(AGENT_RUN, fork({"step": 1}).json()["run"]["name"], "ours")["spec"]["task"] == "look"
    assert fork({"step": 0}).status_code == 422
    assert fork({"step": 1}, "viewer-token").status_code == 403


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


def ended(phase: str = "Succeeded", ago: timedelta = timedelta(), **status: Any) -> Object:
    """A status with tokens, of a run that took a minute."""
    end = datetime.now(UTC) - ago
    started, completed = (
        (end - back).strftime("%Y-%m-%dT%H:%M:%SZ") for back in (timedelta(minutes=1), timedelta())
    )
    usage = {
        "inputTokens": 1000,
        "outputTokens": 100,
        "totalTokens": 1100,
        "toolCalls": 3,
        "durationMs": 60_000,
    }
    return {"phase": phase, "startedAt": started, "completedAt": completed, "tokenUsage": usage, **status}


def used(server: ApiServer, token: str = "admin-token", **query: Any) -> Any:
    with server.client(token) as client:
        answer = client.get("/api/v1/usage", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_usage_is_kept_when_runs_and_the_server_are_gone(kube: KubeAPI, server: ApiServer) -> None:
    pack = {"sympozium.ai/pack": "ledger"}
    create(kube, "spent-1", labels=pack, model={"model": "m1"}, status=ended())
    create(kube, "spent-2", labels=pack, model={"model": "x9"}, status=ended("Failed"))
    create(kube, "spent-3", "theirs", labels=pack, model={"model": "m1"}, status=ended())

    def row(token: str, **query: Any) -> Any:
        rows = used(server, token, by="pack", **query)["rows"]
        return next((row for row in rows if row["keys"] == {"pack": "ledger"}), None)

    until(lambda: (row("admin-token") or {}).get("runs") == 3, "the ledger has them")
    mine = row("viewer-token")
    assert mine == {
        "keys": {"pack": "ledger"}, "runs": 2, "succeeded": 1, "failed": 1, "inputTokens": 2000, "outputTokens": 200,
        "toolCalls": 6, "durationMs": 120_000, "cost": "0.004",
    }  # fmt: skip
    whole = used(server)
    assert (whole["currency"], whole["unpriced"], whole["partial"], whole["note"]) == (
        "EUR",
        ["x9"],
        False,
        None,
    )
    assert "2000" not in str(used(server, "stranger-token"))
    assert used(server, "stranger-token")["totals"]["runs"] == 0
    shown = listed(server, pack="ledger", sort="-cost")["items"]
    assert [(run["name"], run["cost"]) for run in shown] == [
        ("spent-1", {"amount": "0.004", "currency": "EUR"}),
        ("spent-2", None),
    ]
    for name, namespace in (("spent-1", "ours"), ("spent-2", "ours"), ("spent-3", "theirs")):
        kube.delete(AGENT_RUN, name, namespace)
    until(lambda: listed(server, "admin-token", pack="ledger")["total"] == 0, "the runs are gone")
    assert row("viewer-token") == mine
    server.kill()
    server.start()
    assert row("viewer-token") == mine
    server.stop()
    (server.directory / "usage.db").write_bytes(b"what a bad disk leaves" * 100)
    server.start()
    assert "was damaged" in used(server)["note"]
    assert row("viewer-token") is None
    assert server.ask("GET", "/usage?by=colour", token="viewer-token").status_code == 422
    assert server.ask("GET", "/usage?by=day&by=day", token="viewer-token").status_code == 422
    assert server.ask("GET", "/usage?namespace=theirs", token="viewer-token").status_code == 403


def test_the_overview_has_what_the_caller_may_see(kube: KubeAPI, server: ApiServer) -> None:
    for namespace in ("ours", "theirs"):
        create(kube, "goes-on", namespace, status={"phase": "Running"})
        approval = {
            "runRef": "goes-on",
            "tool": "execute_command",
            "target": "shell",
            "args": {},
            "argsDigest": "sha256:" + "0" * 64,
            "requestedAt": "2026-11-27T10:00:00Z",
            "expiresAt": "2036-11-27T10:00:00Z",
        }
        kube.create(
            {
                "apiVersion": "sympozium.ai/v1alpha1",
                "kind": "ApprovalRequest",
                "metadata": {"name": "asks"},
                "spec": approval,
            },
            namespace,
        )
        create(kube, "failed-now", namespace, status=ended("Failed", error="it broke"))
        create(kube, "failed-once", namespace, status=ended("Failed", timedelta(days=2)))
        kube.apply(
            {
                "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumSchedule",
                "metadata": {"name": "nightly", "namespace": namespace},
                "spec": {"instanceRef": "sre", "schedule": "@daily", "task": "look"},
            }
        )  # fmt: skip
        kube.patch(
            SCHEDULE,
            "nightly",
            {"status": {"nextRunTime": "2026-11-28T00:00:00Z"}},
            namespace,
            subresource="status",
        )

    def overview(token: str, **query: str) -> Any:
        with server.client(token) as client:
            answer = client.get("/api/v1/overview", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    until(lambda: len(overview("viewer-token")["next"]) == 1, "the schedule is seen")
    until(lambda: "failed-once" in names(listed(server)), "the runs are seen")
    seen = overview("viewer-token")
    assert "goes-on" in [run["name"] for run in seen["running"]]
    failed = [run["name"] for run in seen["failed"]]
    assert "failed-now" in failed
    assert "failed-once" not in failed
    assert {run["namespace"] for part in ("running", "failed", "recent") for run in seen[part]} == {"ours"}
    assert seen["next"] == [
        {"namespace": "ours", "schedule": "nightly", "instance": "sre", "at": "2026-11-28T00:00:00Z"}
    ]
    assert [(w["namespace"], w["run"], w["mayDecide"]) for w in seen["waiting"]] == [
        ("ours", "goes-on", False)
    ]
    assert next(run for run in seen["running"] if run["name"] == "goes-on")["waitingApproval"] == "asks"
    assert seen["partial"] is True
    assert seen["stopped"] is False
    assert seen["tokens"]["today"] + seen["tokens"]["week"] > 0
    everywhere = overview("admin-token")
    assert everywhere["phases"]["Running"] > seen["phases"]["Running"]
    assert len(everywhere["next"]) == 2
    stranger = overview("stranger-token")
    assert (stranger["phases"], stranger["recent"], stranger["next"], stranger["tokens"]["week"]) == (
        {},
        [],
        [],
        0,
    )
    kube.patch(CONFIG, "default", {"spec": {"suspend": True}}, "sympozium-system")
    until(lambda: overview("viewer-token")["stopped"], "it says that all is stopped")
    kube.patch(CONFIG, "default", {"spec": {"suspend": None}}, "sympozium-system")
