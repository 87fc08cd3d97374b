"""Requests from outside to triggers: who may send, what they make, once, and what is counted.

The controllers are not here: the test writes the digest that they would publish.
"""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from cluster.api_server import SYSTEM, ApiServer, installed, server
from sympozium.api.endpoint import HMAC_KEY, SERVER, digest
from sympozium.resources import TRIGGERS
from sympozium.testing.client import Object
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import AGENT_RUN, SECRET
from sympozium.testing.waiting import until

__all__ = ["installed", "server"]
TOKEN = "a-token-of-sixteen-and-more"
FIRING = {"status": "firing", "groupKey": '{}:{alertname="Down"}', "commonLabels": {"alertname": "Down"}}


@pytest.fixture(scope="module", autouse=True)
def namespace(installed: KubeAPI) -> None:
    installed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hooks"}})


def trigger(server: ApiServer, name: str, **spec: Any) -> None:
    source = {"webhook": {"secretRef": "s", "format": spec.pop("format", "json")}}
    body: Object = {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumTrigger",
        "metadata": {"name": name, "namespace": "hooks"},
        "spec": {"instanceRef": "sre", "task": "{{ event.what }}", "source": source, "cooldown": "1h", **spec},
    }  # fmt: skip
    server.kube.create(body)
    key = base64.b64decode(server.kube.get(SECRET, SERVER, SYSTEM)["data"][HMAC_KEY])
    known = {"path": f"/hooks/hooks/{name}", "keyDigest": digest(key, "hooks", name, TOKEN, of="trigger")}
    server.kube.patch(TRIGGERS, name, {"status": {"webhook": known}}, "hooks", subresource="status")
    until(lambda: send(server, name, b"no json").status_code == 400, "the server knows the trigger")


def send(server: ApiServer, name: str, body: Any, *, token: str = TOKEN, **headers: str) -> httpx2.Response:
    with server.client(token) as client:
        kind = {"content": body} if isinstance(body, bytes) else {"json": body}
        return client.post(f"/hooks/hooks/{name}", headers=headers, **kind)


def made(server: ApiServer, name: str) -> list[Object]:
    return server.kube.items(AGENT_RUN, "hooks", labelSelector=f"sympozium.ai/trigger={name}")


def status(server: ApiServer, name: str) -> Object:
    return server.kube.get(TRIGGERS, name, "hooks")["status"]


def test_a_request_makes_a_run_and_the_same_again_none(server: ApiServer) -> None:
    trigger(server, "plain")
    answer = send(server, "plain", {"what": "look at {{ event.x }}"})
    assert answer.status_code == 202, answer.text
    [run] = made(server, "plain")
    assert run["metadata"]["name"] == answer.json()["run"]
    assert run["spec"]["task"] == "look at {{ event.x }}"
    again = send(server, "plain", {"what": "look at {{ event.x }}"})
    assert again.status_code == 200
    assert "within 1h of the last run" in again.json()["suppressed"]
    assert send(server, "plain", {"what": "other"}).status_code == 202
    counted = status(server, "plain")
    assert (counted["firedCount"], counted["suppressedCount"]) == (2, 1)


def test_one_request_that_comes_twice_is_one_run(server: ApiServer) -> None:
    trigger(server, "once", cooldown="0s")
    answers = [
        send(server, "once", {"what": "x"}, **{"Idempotency-Key": "k1"}).json()["run"] for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(made(server, "once")) == 1
    assert send(server, "once", {"what": "x"}, **{"Idempotency-Key": "k2"}).json()["run"] != answers[0]


def test_a_request_that_comes_again_within_the_cooldown_is_told_its_run(server: ApiServer) -> None:
    trigger(server, "again")
    first = send(server, "again", {"what": "x"}, **{"Idempotency-Key": "k1"})
    second = send(server, "again", {"what": "x"}, **{"Idempotency-Key": "k1"})
    assert (second.status_code, second.json()) == (202, first.json())
    other = send(server, "again", {"what": "y"}, **{"Idempotency-Key": "k1"})
    assert other.status_code == 409
    assert first.json()["run"] in other.json()["detail"]
    assert len(made(server, "again")) == 1
    assert status(server, "again")["firedCount"] == 1


def test_requests_that_come_at_once_keep_the_limit_of_an_hour_and_a_rate(server: ApiServer) -> None:
    trigger(server, "flood", maxRunsPerHour=2)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: send(server, "flood", {"what": f"x{n}"}).status_code, range(40)))
    assert answers.count(202) == len(made(server, "flood")) == 2
    assert set(answers) == {200, 202, 429}


def test_notifications_of_alertmanager(server: ApiServer) -> None:
    trigger(server, "alerts", format="alertmanager", task="{{ event.commonLabels.alertname }}")
    assert send(server, "alerts", FIRING).status_code == 202
    assert made(server, "alerts")[0]["spec"]["task"] == "Down"
    # More alerts of the group are the same matter.
    assert send(server, "alerts", {**FIRING, "alerts": [1]}).status_code == 200
    assert (
        send(server, "alerts", {**FIRING, "status": "resolved"}).json()["suppressed"]
        == "the alerts are resolved"
    )
    assert send(server, "alerts", {"what": "x"}).status_code == 400


def test_many_at_once_are_no_more_than_one_after_the_other(server: ApiServer) -> None:
    trigger(server, "burst", maxRunsPerHour=3)
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda number: send(server, "burst", {"what": f"matter {number}"}), range(12))
        )
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202] * 3
    assert len(made(server, "burst")) == 3
    assert (status(server, "burst")["firedCount"], status(server, "burst")["suppressedCount"]) == (3, 9)


@pytest.mark.parametrize("name", ["guarded", "not-there"])
def test_without_the_token_nobody_learns_whether_there_is_a_trigger(server: ApiServer, name: str) -> None:
    if name == "guarded":
        trigger(server, name)
    answers = [send(server, name, {"what": "x"}, token=token) for token in ("wrong", "admin-token", "none")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    with httpx2.Client(trust_env=False, timeout=60) as client:
        assert client.post(f"{server.url}/hooks/hooks/{name}", json={}).status_code == 401
    assert made(server, name) == []


def test_what_the_task_has_no_value_for_is_said_and_counted(server: ApiServer) -> None:
    trigger(server, "strict")
    answer = send(server, "strict", {"other": 1})
    assert answer.status_code == 422
    assert "event.what" in answer.json()["detail"]
    assert status(server, "strict")["suppressedCount"] == 1
    assert made(server, "strict") == []


def test_a_body_without_end_is_refused(server: ApiServer) -> None:
    trigger(server, "big")
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    assert send(server, "big", deep).status_code == 400
