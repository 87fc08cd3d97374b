"""What is answered, counted and logged when a request or an answer is not as it should be."""

import asyncio
import json
import logging
from typing import Any

import orjson
import pytest
from tests.unit.webhook.world import World, review

from sympozium.policy import Violation
from sympozium.telemetry import metrics
from sympozium.webhook import app as module
from sympozium.webhook.app import Webhook
from sympozium.webhook.review import Answer, Request, ReviewError, allow, invalid


async def post(
    app: Webhook, path: str, *messages: dict[str, Any]
) -> tuple[int, dict[bytes, bytes], dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "path": path, "method": "POST"}, receive, send)
    assert not waiting
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


def whole(content: Any) -> dict[str, Any]:
    return {"type": "http.request", "body": orjson.dumps(content)}


def counted() -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
        if "webhook_reviews_total" in name or "webhook_seconds_" in name
    }


@pytest.fixture
def world() -> World:
    world = World()
    world.put("SympoziumInstance", "ns", "i", {"agents": {"default": {"model": "m"}}})
    return world


@pytest.mark.parametrize(
    ("path", "request_", "labels"),
    [
        ("/mutate", review("AgentRun", instanceRef="i", task="t"), 'endpoint="mutate",kind="AgentRun",outcome="allowed"'),
        ("/validate", review("AgentRun", instanceRef="x", task="t"), 'endpoint="validate",kind="AgentRun",outcome="refused"'),
        ("/validate", review("Elsewhere"), 'endpoint="validate",kind="unknown",outcome="refused"'),
    ],
)  # fmt: skip
async def test_each_review_is_counted_by_its_outcome(world: World, path, request_, labels) -> None:
    before = counted()
    assert (await post(world.webhook(), path, whole(request_)))[0] == 200
    after = counted()
    grown = {
        name: value - before.get(name, 0.0) for name, value in after.items() if value != before.get(name)
    }
    assert grown.pop(f"sympozium_webhook_reviews_total{{{labels}}}") == 1
    seconds = f'{{endpoint="{path[1:]}"}}'
    assert grown.pop(f"sympozium_webhook_seconds_count{seconds}") == 1
    assert 0 < grown.pop(f"sympozium_webhook_seconds_sum{seconds}") < 60
    assert all(name.startswith("sympozium_webhook_seconds_") for name in grown)


async def test_a_failure_is_counted_as_one(world: World) -> None:
    world.broken = True
    name = 'sympozium_webhook_reviews_total{endpoint="validate",kind="AgentRun",outcome="failed"}'
    before = counted().get(name, 0.0)
    await post(world.webhook(), "/validate", whole(review("AgentRun", instanceRef="i", task="t")))
    assert counted()[name] == before + 1


async def test_other_paths_are_told_where_to_go(world: World) -> None:
    status, headers, said = await post(world.webhook(), "/elsewhere")
    assert (status, said) == (404, {"message": "POST /mutate or /validate"})
    assert headers[b"content-type"] == b"application/json"
    assert (await post(world.webhook(), "/mutate/", whole({})))[0] == 400


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}], "the client went away before the body was complete"),
        ([{"type": "http.request", "body": b"x" * 60, "more_body": True}, {"type": "http.request", "body": b"x" * 41, "more_body": True}], "the body is larger than 100 bytes"),
    ],
)  # fmt: skip
async def test_a_body_that_does_not_come_whole(world: World, monkeypatch, messages, said) -> None:
    monkeypatch.setattr(module, "_BODY_LIMIT", 100)
    assert (await post(world.webhook(), "/mutate", *messages))[::2] == (400, {"message": said})


async def test_a_body_in_parts_of_which_one_is_empty_and_that_just_fits(world: World, monkeypatch) -> None:
    body = orjson.dumps(review("Elsewhere"))
    monkeypatch.setattr(module, "_BODY_LIMIT", len(body))
    parts = [{"type": "http.request", "body": body[:20], "more_body": True}, {"type": "http.request", "more_body": True}, {"type": "http.request", "body": body[20:]}]  # fmt: skip
    status, _, said = await post(world.webhook(), "/validate", *parts)
    assert (status, said["response"]["status"]["code"]) == (200, 400)


async def test_an_answer_that_cannot_be_written_is_a_refusal(world: World, monkeypatch, caplog) -> None:
    webhook = world.webhook()

    async def review_(*_: object) -> Answer:
        return allow(patch=[{"op": "add", "path": "/spec/a", "value": "\ud800"}])

    monkeypatch.setattr(webhook, "review", review_)
    status, _, said = await post(webhook, "/mutate", whole(review("AgentRun")))
    response = said["response"]
    assert (status, response["uid"], response["allowed"]) == (200, "u-1", False)
    assert response["status"]["message"] == "the sympozium webhook cannot write its answer: see its log"
    assert caplog.messages[-1].startswith("mutate CREATE AgentRun ns/x: the answer cannot be written: ")
    assert "surrogates" in caplog.messages[-1]


async def test_what_takes_too_long_is_refused_and_said(world: World, monkeypatch, caplog) -> None:
    monkeypatch.setattr(module, "DEADLINE", 0.01)
    webhook = world.webhook()
    monkeypatch.setattr(webhook, "_validate", lambda _: asyncio.Event().wait())
    answer = await webhook.review("validate", Request.parse(review("AgentRun")))
    assert (answer.allowed, answer.code) == (False, 500)
    assert answer.message == "the sympozium webhook had no decision within 0.01 s; try again"
    assert caplog.messages == ["validate CREATE AgentRun ns/x: no decision within 0.01 s"]


async def test_an_api_that_does_not_answer_is_said(world: World, caplog) -> None:
    world.broken = True
    request = Request.parse(review("AgentRun", instanceRef="i", task="t"))
    answer = await world.webhook().review("validate", request)
    assert answer.message == "the sympozium webhook could not ask the API: connection refused; try again"
    assert caplog.messages == ["validate CREATE AgentRun ns/x: the API did not answer: connection refused"]


async def test_our_own_mistake_is_logged_with_what_it_was_about(world: World, monkeypatch, caplog) -> None:
    webhook = world.webhook()

    async def broken(_: object) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr(webhook, "_validate", broken)
    with caplog.at_level(logging.ERROR):
        await webhook.review("validate", Request.parse(review("AgentRun")))
    assert caplog.messages == ["validate CREATE AgentRun ns/x failed"]


async def test_what_breaks_its_schema_is_named_as_kubernetes_names_it(world: World) -> None:
    request = review(
        "AgentRun", instanceRef="i", task="t", skills=[{"skillPackRef": "a"}, {"skillPackRef": 5}]
    )
    answer = await world.webhook().review("validate", Request.parse(request))
    assert answer.code == 422
    (cause,) = answer.causes
    assert cause.field == "spec.skills[1].skillPackRef"
    assert "string" in cause.message


def _without(*path: str) -> dict[str, Any]:
    request = review("AgentRun")
    at: Any = request
    for part in path[:-1]:
        at = at[part]
    at.pop(path[-1], None)
    return request


def _with(value: Any, *path: str) -> dict[str, Any]:
    request = _without(*path)
    at: Any = request
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return request


IS_NOT = "not an AdmissionReview of admission.k8s.io/v1: "


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ([], "not an AdmissionReview: the body is no object"),
        (_with("v1", "apiVersion"), "not an AdmissionReview of admission.k8s.io/v1"),
        (_without("kind"), f"{IS_NOT}kind is not a text"),
        (_without("request"), f"{IS_NOT}request is not an object"),
        (_with([], "request", "kind"), f"{IS_NOT}request.kind is not an object"),
        (_with("", "request", "kind", "group"), f"{IS_NOT}request.kind.group is not a text"),
        (_with(5, "request", "uid"), f"{IS_NOT}request.uid is not a text"),
        (_without("request", "userInfo", "username"), f"{IS_NOT}request.userInfo.username is not a text"),
        (_with([5], "request", "userInfo", "groups"), f"{IS_NOT}request.userInfo.groups is not a list of texts"),
        (_with({"a": "b"}, "request", "userInfo", "extra"), f"{IS_NOT}request.userInfo.extra.a is not a list of texts"),
        (_with("x", "request", "object"), f"{IS_NOT}request.object is not an object"),
    ],
)  # fmt: skip
def test_what_is_no_review_says_what_is_missing(request_, said: str) -> None:
    with pytest.raises(ReviewError) as error:
        Request.parse(request_)
    assert str(error.value) == said


def test_a_review_is_read_whole() -> None:
    request = review("AgentRun")
    request["request"]["userInfo"] |= {"uid": "u-9", "extra": {"scopes": ["a"]}}
    read = Request.parse(request)
    assert (read.user.uid, dict(read.user.extra)) == ("u-9", {"scopes": ["a"]})
    for field in ("namespace", "name", "subResource"):
        request["request"].pop(field)
    request["request"]["userInfo"].pop("uid")
    read = Request.parse(request)
    assert (read.namespace, read.name, read.subresource, read.user.uid) == ("", "", "", "")


def test_a_refusal_says_rule_and_alternative_once() -> None:
    said = invalid(
        [
            Violation("a", "is wrong", rule="p: r", instead="b"),
            Violation("c", "is not p: r", rule="p: r", instead="p: r"),
            Violation("d", "too"),
        ]
    )
    assert said.message == "a: is wrong (p: r); b; c: is not p: r; d: too"


def test_of_refusals_as_many_as_fit_are_said(monkeypatch) -> None:
    monkeypatch.setattr("sympozium.webhook.review._MESSAGE_LIMIT", 10)
    three = [Violation("a", "bc"), Violation("d", "e"), Violation("f", "g")]
    assert invalid(three).message == "a: bc; and 2 more"
    monkeypatch.setattr("sympozium.webhook.review._MESSAGE_LIMIT", 11)
    assert invalid(three).message == "a: bc; d: e; and 1 more"
    assert len(invalid([Violation("a", "x" * 100)]).message) == 11
