"""Two API servers of one installation, as two pods behind one address: what began at one goes on at the other."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from cluster.api_server import ApiServer, installed
from cluster.live_streams import Stage, bus, connect, events_of, finish, say, second, stage, texts
from cluster.people import bind
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import AGENT_RUN, APPROVAL_REQUEST

__all__ = ["bus", "installed", "second", "stage"]
API = "sympozium.ai/v1alpha1"


@pytest.fixture
def server(stage: Stage) -> ApiServer:
    return stage.server


@pytest.fixture
def other(second: Stage) -> ApiServer:
    return second.server


def through(server: ApiServer, address: ApiServer) -> httpx2.Client:
    """A browser whose requests to the address of one server come to another."""
    browser = server.client()
    browser.headers["Host"] = urlsplit(address.url).netloc
    return browser


def who(browser: httpx2.Client) -> str | None:
    user = browser.get("/api/v1/session").json()["user"]
    return user and str(user["name"])


def test_a_session_is_good_at_both(server: ApiServer, other: ApiServer) -> None:
    with server.client() as browser, through(other, server) as elsewhere:
        assert browser.post("/api/v1/session/token", json={"token": "viewer-token"}).status_code == 200
        elsewhere.cookies.update(dict(browser.cookies))
        assert (who(browser), who(elsewhere)) == ("viewer", "viewer")


def test_a_one_time_link_is_good_once_and_where_it_was_made(server: ApiServer, other: ApiServer) -> None:
    """What it stands for is in one process: the other one knows nothing of it, and so cannot open it twice."""
    url = server.ask("POST", "/session/links", token="viewer-token").json()["url"]
    ticket = {"ticket": parse_qs(urlsplit(urlsplit(url).fragment).query)["ticket"][0]}
    opened = []
    for one in (other, server, other, server):
        with through(one, server) as browser:
            opened.append(browser.post("/api/v1/session/link", json=ticket).status_code)
    assert opened == [401, 200, 401, 401]


def test_of_two_decisions_at_once_one_counts(server: ApiServer, other: ApiServer, installed: KubeAPI) -> None:
    spec = {
        "runRef": "r", "tool": "execute_command", "target": "shell", "args": {}, "argsDigest": "sha256:" + "0" * 64,
        "requestedAt": "2026-11-27T10:00:00Z", "expiresAt": "2036-11-27T10:00:00Z",
    }  # fmt: skip
    bind(installed, "approver", "sympozium-approver", "default")
    path = "/namespaces/default/approvals"
    for number in range(5):
        name = f"asks-{number}"
        installed.create({"apiVersion": API, "kind": "ApprovalRequest", "metadata": {"name": name, "namespace": "default"}, "spec": spec})  # fmt: skip
        with ThreadPoolExecutor(2) as pool:
            answers = [
                pool.submit(one.ask, "POST", f"{path}/{name}/{verb}", {}, token="approver-token")
                for one, verb in ((server, "approve"), (other, "deny"))
            ]
        approved, denied = (answer.result().status_code for answer in answers)
        assert sorted((approved, denied)) == [200, 409]
        decision = installed.get(APPROVAL_REQUEST, name, "default")["status"]["decision"]
        assert decision == ("Approved" if approved == 200 else "Denied")


def test_a_request_that_comes_to_both_at_once_makes_one_run(
    server: ApiServer, other: ApiServer, installed: KubeAPI
) -> None:
    body = {"instance": "both", "task": "look"}
    with ThreadPoolExecutor(4) as pool:
        sent = [
            pool.submit(
                one.ask, "POST", "/namespaces/default/runs", body, token="admin-token", Idempotency_Key="k"
            )
            for one in (server, other, server, other)
        ]
    names = {answer.result().json()["run"]["name"] for answer in sent}
    made = [run for run in installed.items(AGENT_RUN, "default") if run["spec"]["instanceRef"] == "both"]
    assert names == {run["metadata"]["name"] for run in made}
    assert len(made) == 1


async def test_a_stream_goes_on_at_another_server(stage: Stage, second: Stage) -> None:
    """Places are of the bus, and not of a server."""
    run = stage.run()
    seen: list[str] = []
    last = 0
    async with stage.speaker(run) as agent:
        for turn, one in enumerate([stage, second, stage]):
            for number in range(3):
                await say(agent, f"{turn}.{number}")
            async with connect(one.server, events_of(run), last=last) as client:
                await client.until_ids(2)
                seen += texts(client.events)
                last = client.ids[-1]
        await finish(agent)
        async with connect(second.server, events_of(run), last=last) as client:
            await client.until(lambda c: c.ids and c.events[-1].data.get("type") == "run.result")
            seen += texts(client.events)
    assert seen[:-1] == [f"{turn}.{number}" for turn in range(3) for number in range(3)]
