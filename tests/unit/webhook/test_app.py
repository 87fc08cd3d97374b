import asyncio
import base64
import json
import logging
from typing import Any

import orjson
import pytest
from tests.unit.webhook.world import World, review

from sympozium.policy import Violation
from sympozium.webhook.app import Webhook
from sympozium.webhook.patch import difference
from sympozium.webhook.review import Answer, Request, ReviewError, allow, failed, forbidden, invalid, unknown


async def post(app: Webhook, path: str, body: bytes, method: str = "POST") -> tuple[int, dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    parts = [body[:10], body[10:]]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "path": path, "method": method}, receive, send)
    assert dict(sent[0]["headers"])[b"content-length"] == str(len(sent[1]["body"])).encode()
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.fixture
def world() -> World:
    world = World()
    world.put("SympoziumInstance", "ns", "i", {"agents": {"default": {"model": "m"}}})
    return world


async def test_a_review_is_answered_with_a_patch(world: World) -> None:
    body = orjson.dumps(review("AgentRun", instanceRef="i", task="t"))
    status, answer = await post(world.webhook(), "/mutate", body)
    response = answer["response"]
    assert (status, answer["kind"], response["uid"], response["allowed"]) == (
        200,
        "AdmissionReview",
        "u-1",
        True,
    )
    assert response["patchType"] == "JSONPatch"
    operations = json.loads(base64.b64decode(response["patch"]))
    spec = {f"/spec/{f}" for f in ("model", "agentId", "sessionKey", "timeout", "trigger")}
    assert {o["path"] for o in operations} == {"/metadata/annotations", *spec}


async def test_a_run_has_the_team_of_its_agent_whatever_its_maker_says(world: World) -> None:
    team = {"sympozium.ai/pack": "p", "sympozium.ai/persona": "sre"}
    spec = {"agents": {"default": {"model": "m"}}}
    world.put("SympoziumInstance", "ns", "of-p", spec, labels={"a": "b", **team})
    request = review("AgentRun", instanceRef="of-p", task="t")
    request["request"]["object"]["metadata"]["labels"] = {"mine": "x", "sympozium.ai/pack": "another"}
    patch = (await world.mutate(request)).patch
    assert {o["path"]: o["value"] for o in patch if o["path"].startswith("/metadata/labels")} == {
        "/metadata/labels/sympozium.ai~1pack": "p",
        "/metadata/labels/sympozium.ai~1persona": "sre",
    }


async def test_a_refusal_has_code_reason_and_causes(world: World) -> None:
    _, answer = await post(
        world.webhook(), "/validate", orjson.dumps(review("AgentRun", instanceRef="x", task="t"))
    )
    status = answer["response"]["status"]
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["details"]["causes"][0]["field"] == "spec.instanceRef"


@pytest.mark.parametrize(
    ("path", "method", "body", "code"),
    [("/mutate", "POST", b"[]", 400), ("/mutate", "POST", b"{", 400), ("/validate", "POST", b"{}", 400), ("/", "POST", b"{}", 404), ("/mutate", "GET", b"{}", 404)],
)  # fmt: skip
async def test_what_is_no_review_is_no_answer(
    world: World, path: str, method: str, body: bytes, code: int
) -> None:
    assert (await post(world.webhook(), path, body, method))[0] == code


async def test_a_mistake_of_ours_fails_closed_and_is_logged(world: World, monkeypatch, caplog) -> None:
    webhook = world.webhook()

    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(webhook, "_validate", broken)
    with caplog.at_level(logging.ERROR):
        answer = await webhook.review("validate", Request.parse(review("AgentRun")))
    assert (answer.allowed, answer.code) == (False, 500)
    assert "RuntimeError" in answer.message
    assert "secret detail" not in answer.message
    assert "secret detail" in caplog.text


async def test_it_is_idle_when_everybody_has_been_answered(world: World, monkeypatch) -> None:
    webhook = world.webhook()
    go_on, inside = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> Answer:
        inside.set()
        await go_on.wait()
        return allow()

    monkeypatch.setattr(webhook, "_validate", slow)
    await asyncio.wait_for(webhook.idle(), 10)
    asked = asyncio.create_task(post(webhook, "/validate", orjson.dumps(review("AgentRun"))))
    await asyncio.wait_for(inside.wait(), 10)
    idle = asyncio.create_task(webhook.idle())
    assert not (await asyncio.wait([idle], timeout=0))[0]
    go_on.set()
    await asyncio.wait_for(idle, 10)
    assert (await asked)[1]["response"]["allowed"] is True


@pytest.mark.parametrize("kind", ["SympoziumInstance", "ApprovalRequest", "SympoziumTrigger"])
async def test_nothing_else_is_written_into(world: World, kind: str) -> None:
    answer = await world.mutate(review(kind))
    assert (answer.allowed, answer.code) == (False, 400)
    assert f"CREATE {kind} ns/x" in answer.message


async def test_a_body_in_small_parts_is_refused_too(world: World, monkeypatch) -> None:
    monkeypatch.setattr("sympozium.webhook.app._BODY_LIMIT", 100)
    assert (await post(world.webhook(), "/mutate", b"x" * 105))[0] == 400


async def test_a_body_without_end_is_refused(world: World, monkeypatch) -> None:
    monkeypatch.setattr("sympozium.webhook.app._BODY_LIMIT", 100)
    assert (await post(world.webhook(), "/mutate", b"x" * 200))[0] == 400


def test_warnings_are_cut_where_it_can_be_seen() -> None:
    response = allow(warnings=["a\nb", "x" * 1000]).to_review("u")["response"]
    assert response["warnings"][0] == "a b"
    assert response["warnings"][1].endswith("x ...")
    assert len(response["warnings"][1]) == 250


def test_a_request_without_a_kind_is_no_request() -> None:
    with pytest.raises(ReviewError, match="AdmissionReview"):
        Request.parse({"request": {"uid": "u"}})


def test_service_accounts_are_told_from_people() -> None:
    def user(name: str):
        return Request.parse(review("AgentRun", user=name)).user.service_account

    assert user("system:serviceaccount:ns:name") == ("ns", "name")
    assert user("alice") is None
    assert user("evil:system:serviceaccount:ns:name") is None
    assert user("system:serviceaccount:") is None


@pytest.mark.parametrize(("old", "new"), [({"x": 1}, 5), (5, {"x": 1}), ({"x": 1}, [1])])
def test_what_becomes_something_else_is_replaced_whole(old: object, new: object) -> None:
    assert difference({"a": old}, {"a": new}, "/spec") == [{"op": "replace", "path": "/spec/a", "value": new}]


def test_patches_name_only_what_differs() -> None:
    old = {"a": 1, "gone": 2, "map": {"x": 1, "y": [1]}, "s/l~h": 1}
    new = {"a": 1, "new": 3, "map": {"x": 2, "y": [1]}, "s/l~h": 2}
    assert sorted(difference(old, new, "/spec"), key=lambda o: o["path"]) == [
        {"op": "remove", "path": "/spec/gone"},
        {"op": "replace", "path": "/spec/map/x", "value": 2},
        {"op": "add", "path": "/spec/new", "value": 3},
        {"op": "replace", "path": "/spec/s~1l~0h", "value": 2},
    ]


def test_answers_are_statuses_as_kubernetes_writes_them() -> None:
    wrong = [Violation("spec.a", "is wrong"), Violation("spec.b", "too")]
    said = {
        answer.code: answer.to_review("u")["response"]["status"]
        for answer in (invalid(wrong), forbidden(wrong), failed("oh"), unknown(Request.parse(review("X"))))
    }
    assert {code: (one["status"], one["reason"]) for code, one in said.items()} == {
        422: ("Failure", "Invalid"),
        403: ("Failure", "Forbidden"),
        500: ("Failure", "InternalError"),
        400: ("Failure", "BadRequest"),
    }
    assert said[422]["details"]["causes"] == [
        {"reason": "FieldValueInvalid", "field": "spec.a", "message": "is wrong"},
        {"reason": "FieldValueInvalid", "field": "spec.b", "message": "too"},
    ]


@pytest.mark.parametrize(("length", "said"), [(250, "x" * 250), (251, "x" * 246 + " ...")])
def test_a_warning_that_just_fits_is_whole(length: int, said: str) -> None:
    assert allow(warnings=["x" * length]).to_review("u")["response"]["warnings"] == [said]
