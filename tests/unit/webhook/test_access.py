"""What the API server is asked about a person, on the wire."""

from typing import Any

import pytest
from tests.unit.kube.scripted import Asked, serving, status

from sympozium.api.shared import RBACRule
from sympozium.kube.errors import KubeError
from sympozium.webhook.access import Access
from sympozium.webhook.review import User

ALICE = User("alice", "u-7", ("devs", "all"), {"scopes": ("a", "b")})


class Rights:
    """Answers as the API server's authorizer would; `held` are sets of attributes that are allowed."""

    def __init__(self, *held: dict[str, str]) -> None:
        self.held = held
        self.asked: list[dict[str, Any]] = []

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        assert (asked.method, asked.path) == ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews")
        self.asked.append(asked.body)
        allowed = asked.body["spec"]["resourceAttributes"] in self.held
        return 201, {**asked.body, "status": {"allowed": True} if allowed else {}}


async def test_the_question_is_about_the_person_with_all_that_is_known_of_them() -> None:
    rights = Rights({"verb": "get", "group": "apps", "resource": "deployments", "subresource": "scale", "namespace": "ns", "name": "web"})  # fmt: skip
    async with serving(rights) as api, api.client() as client:
        access = Access(client)
        assert await access.may(ALICE, "get", "deployments/scale", group="apps", namespace="ns", name="web")
        assert await access.may(ALICE, "get", "pods") is False
    assert rights.asked[0]["apiVersion"] == "authorization.k8s.io/v1"
    assert rights.asked[0]["kind"] == "SubjectAccessReview"
    spec = rights.asked[0]["spec"]
    assert {key: spec[key] for key in ("user", "uid", "groups", "extra")} == {
        "user": "alice", "uid": "u-7", "groups": ["devs", "all"], "extra": {"scopes": ["a", "b"]},
    }  # fmt: skip
    assert rights.asked[1]["spec"]["resourceAttributes"] == {"verb": "get", "resource": "pods"}


async def test_no_answer_is_no_right() -> None:
    async with serving(lambda _: status(403, "Forbidden")) as api, api.client() as client:
        with pytest.raises(KubeError):
            await Access(client).may(ALICE, "get", "pods")


async def test_secrets_that_may_not_be_read() -> None:
    rights = Rights({"verb": "get", "resource": "secrets", "namespace": "ns", "name": "mine"})
    async with serving(rights) as api, api.client() as client:
        found = await Access(client).unreadable_secrets(ALICE, "ns", ["theirs", "mine", "theirs", "other"])
    assert found == ["theirs", "other"]
    assert len(rights.asked) == 3


def rule(verbs: list[str], resources: list[str]) -> RBACRule:
    return RBACRule.model_validate({"apiGroups": ["apps"], "verbs": verbs, "resources": resources})


EVERYTHING = {"verb": "*", "group": "*", "resource": "*", "namespace": "ns"}


async def test_the_rights_of_a_pack_that_somebody_lacks() -> None:
    rights = Rights({"verb": "get", "group": "apps", "resource": "deployments", "namespace": "ns"})
    async with serving(rights) as api, api.client() as client:
        lacking = await Access(client).lacking(ALICE, [rule(["get", "delete"], ["deployments"])], "ns")
        assert [(a.verb, a.group, a.resource) for a in lacking] == [("delete", "apps", "deployments")]
        assert rights.asked[0]["spec"]["resourceAttributes"] == EVERYTHING
        assert len(rights.asked) == 3
        assert await Access(client).lacking(ALICE, [], "ns") == []
        assert len(rights.asked) == 3


async def test_who_may_everything_is_asked_one_question() -> None:
    rights = Rights(EVERYTHING)
    async with serving(rights) as api, api.client() as client:
        assert await Access(client).lacking(ALICE, [rule(["get", "list"], ["a", "b"])], "ns") == []
    assert len(rights.asked) == 1


async def test_a_pack_of_more_rights_than_anybody_asks_for_is_lacking_whole() -> None:
    rights = Rights()
    async with serving(rights) as api, api.client() as client:
        lacking = await Access(client).lacking(ALICE, [rule(["get"], [f"r{n}" for n in range(1500)])], "ns")
    assert len(lacking) > 1000
    assert len(rights.asked) == 1
