"""Whatever the body is: never a crash, never a yes to what is not understood, always an answer that can be read."""

import json
from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from tests.unit.webhook.test_app import post
from tests.unit.webhook.world import CONTROLLER, World, is_sent, review

from sympozium.api.registry import BY_KIND

QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

AGENTS = {"default": {"model": "m"}}
SPECS: dict[str, dict[str, Any]] = {
    "SympoziumInstance": {"agents": AGENTS, "skills": [{"skillPackRef": "k"}], "authRefs": [{"secret": "s"}]},
    "AgentRun": {"instanceRef": "i", "task": "t", "parent": {"runName": "r"}, "skills": [{"skillPackRef": "k"}]},
    "SympoziumPolicy": {"toolGating": {"rules": [{"tool": "*", "action": "deny", "when": "args.x == 1"}]}},
    "SkillPack": {"skills": [{"name": "s", "content": "c"}], "sidecar": {"image": "i", "rbac": []}},
    "SympoziumSchedule": {"instanceRef": "i", "task": "t", "schedule": "@hourly"},
    "PersonaPack": {"enabled": True, "personas": [{"name": "p", "systemPrompt": "s", "model": "m", "skills": ["k"]}]},
    "ApprovalRequest": {"runRef": "r", "tool": "t"},
    "SympoziumConfig": {"floorPolicyRef": "f"},
    "SympoziumTrigger": {"instanceRef": "i", "task": "{{event.x}}", "source": {"kubernetesEvent": {"reasons": ["a"]}}},
}  # fmt: skip
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["sympozium.ai/v1alpha1", "CREATE", "UPDATE", "AgentRun", "status", CONTROLLER, {}, []]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["metadata", "spec", "status", "name", "x", ""]), inner, max_size=4)
    ),
    max_leaves=8,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value of a document."""
    found = [path] if path else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


@st.composite
def near_reviews(draw: st.DrawFn) -> dict[str, Any]:
    """A good review in which up to three values are something else, or are gone."""
    kind = draw(st.sampled_from(sorted(SPECS)))
    obj = deepcopy(review(kind, **SPECS[kind])["request"]["object"])
    update = draw(st.booleans())
    body = review(kind, obj, old=deepcopy(obj) if update else None, user=draw(st.sampled_from(["alice", "admin", CONTROLLER])))  # fmt: skip
    if draw(st.booleans()) and update:
        body["request"]["subResource"] = "status"
        body["request"]["object"] = {**obj, "status": {"decision": "Approved", "phase": "Running"}}
    for _ in range(draw(st.integers(min_value=0, max_value=3))):
        *parents, last = draw(st.sampled_from(places(body)))
        node = body
        try:
            for parent in parents:
                node = node[parent]
            if draw(st.booleans()):
                node[last] = deepcopy(draw(JUNK))
            else:
                del node[last]
        except (KeyError, IndexError, TypeError):
            continue  # a change before this one took the place away
    return body


def world() -> World:
    made = World()
    made.put("SympoziumInstance", "ns", "i", {"agents": AGENTS})
    made.put("SkillPack", "ns", "k", SPECS["SkillPack"])
    return made


def is_understood(body: Any, endpoint: str) -> bool:
    """Whether a review is one that the install sends to an endpoint, said without the code that decides."""
    request = body["request"]
    kind = request["kind"]
    if (kind["group"], kind["version"]) != ("sympozium.ai", "v1alpha1") or kind["kind"] not in BY_KIND:
        return False
    configuration = {"mutate": "MutatingWebhookConfiguration", "validate": "ValidatingWebhookConfiguration"}
    sub = request.get("subResource") or ""
    if not is_sent(configuration[endpoint], {**request, "subResource": sub}):
        return False
    return bool(request["userInfo"]["username"]) and isinstance(request["object"], dict)


async def asked(path: str, raw: bytes) -> dict[str, Any] | None:
    """The response, or None for HTTP 400; everything else is wrong."""
    status, answer = await post(world().webhook(), path, raw)
    if status == 400:
        assert set(answer) == {"message"}
        return None
    assert status == 200
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response = answer["response"]
    assert isinstance(response["allowed"], bool)
    if not response["allowed"]:
        assert response["status"]["code"] in (400, 403, 422, 500)
        assert response["status"]["message"]
        assert "patch" not in response
    return dict(response)


@QUICK
@given(body=near_reviews(), endpoint=st.sampled_from(["mutate", "validate"]))
async def test_seed_gotcha_webhook_never_panics_on_any_input(body: dict[str, Any], endpoint: str) -> None:
    response = await asked(f"/{endpoint}", orjson.dumps(body))
    if response is None:
        return
    assert response["uid"] == body["request"]["uid"]
    # 500 is an exception that nobody foresaw.
    assert response["allowed"] or response["status"]["code"] in (400, 403, 422)
    if response["allowed"]:
        assert is_understood(body, endpoint)


@QUICK
@given(raw=st.binary(max_size=200) | JUNK.map(orjson.dumps), path=st.sampled_from(["/mutate", "/validate"]))
@example(raw=b"", path="/mutate")
@example(raw=b"null", path="/mutate")
@example(raw=b"\xff\xfe", path="/validate")
async def test_bodies_that_are_no_reviews(raw: bytes, path: str) -> None:
    assert await asked(path, raw) is None


def deep(levels: int, inner: str = "1") -> str:
    return '{"a":' * levels + inner + "}" * levels


GOOD = json.dumps(review("AgentRun", instanceRef="i", task="t"))
BODIES = {
    "NaN": GOOD.replace('"task": "t"', '"task": NaN'),
    "infinity": GOOD.replace('"task": "t"', '"task": 1e999'),
    "half a surrogate": GOOD.replace('"task": "t"', '"task": "\\ud800"'),
    "invalid UTF-8": GOOD.encode().replace(b'"task": "t"', b'"task": "\xc3"'),
    "cut": GOOD[:-5],
    "two documents": GOOD + GOOD,
    "a bomb of braces": deep(100_000),
    "a bomb of brackets": "[" * 100_000,
    "a bomb in the object": GOOD.replace('"task": "t"', f'"task": {deep(5000)}'),
    "an array of reviews": f"[{GOOD}]",
    "groups are a text": GOOD.replace('["system:authenticated"]', '"system:masters"'),
    "a group is a list": GOOD.replace('["system:authenticated"]', '[["system:masters"]]'),
    "extra is flat": GOOD.replace('"groups"', '"extra": {"scopes": "x"}, "groups"'),
    "the user has no name": GOOD.replace('"username": "alice"', '"username": ""'),
    "the user is gone": GOOD.replace('"userInfo"', '"who"'),
    "no uid": GOOD.replace('"uid": "u-1"', '"uid": null'),
    "another version of the review": GOOD.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
    "an object that is a list": GOOD.replace('"object": {', '"object": [], "x": {'),
    "metadata that are none": GOOD.replace('"metadata": {', '"metadata": true, "x": {'),
    "labels that are a list": GOOD.replace('"labels": {}', '"labels": []'),
    "an annotation that is a number": GOOD.replace('"metadata": {', '"metadata": {"annotations": {"a": 1}, '),
    "an owner that is a text": GOOD.replace('"metadata": {', '"metadata": {"ownerReferences": ["o"], '),
}


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("path", ["/mutate", "/validate"])
async def test_what_no_api_server_sends_is_a_bad_request(path: str, case: str) -> None:
    body = BODIES[case]
    assert await asked(path, body if isinstance(body, bytes) else body.encode()) is None


@pytest.mark.parametrize("levels", [100, 250, 260, 500, 900, 1000])
@pytest.mark.parametrize("path", ["/mutate", "/validate"])
async def test_depth_that_json_has_and_we_do_not(path: str, levels: int) -> None:
    """Refused or a bad request; to mutate is no judgement."""
    raw = GOOD.replace('"task": "t"', f'"task": "t", "env": {deep(levels)}')
    response = await asked(path, raw.encode())
    assert response is None or not response["allowed"] or path == "/mutate"
    old = review("SkillPack", **SPECS["SkillPack"])["request"]["object"]
    changed = json.dumps(review("SkillPack", old, old=old))
    raw = changed.replace('"content": "c"', f'"content": {deep(levels)}', 1)
    assert (response := await asked(path, raw.encode())) is None or not response["allowed"]


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "CONNECT"}, {"operation": "DELETE"}, {"operation": "PATCH"}, {"operation": "create"},
        {"subResource": "status"}, {"subResource": "scale"}, {"subResource": "finalizers"},
        {"kind": {"group": "sympozium.ai", "version": "v1alpha1", "kind": "SympoziumThing"}},
        {"kind": {"group": "sympozium.ai", "version": "v1", "kind": "AgentRun"}},
        {"kind": {"group": "evil.ai", "version": "v1alpha1", "kind": "AgentRun"}},
        {"kind": {"group": "sympozium.ai", "version": "v1alpha1", "kind": "Pod"}},
        {"object": None}, {"object": {}}, {"operation": "UPDATE"}, {"oldObject": {"spec": {}}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/mutate", "/validate"])
async def test_what_is_not_understood_is_refused_with_its_uid(path: str, change: dict[str, Any]) -> None:
    body = review("AgentRun", instanceRef="i", task="t")
    body["request"] |= change
    response = await asked(path, orjson.dumps(body))
    assert response is not None
    assert (response["uid"], response["allowed"], response["status"]["code"]) == ("u-1", False, 400)


async def test_a_key_that_comes_twice_does_not_mix_two_requests() -> None:
    """The last counts, for the answer's uid as for what is judged."""
    other = json.dumps(review("AgentRun", instanceRef="none", task="t")["request"]).replace("u-1", "u-2")
    raw = GOOD[:-1] + f', "request": {other}}}'
    response = await asked("/validate", raw.encode())
    assert response is not None
    assert (response["uid"], response["allowed"]) == ("u-2", False)


async def test_a_huge_list_of_mistakes_is_counted_and_cut() -> None:
    env = {f"LD_{n}": "x" for n in range(20_000)}
    body = review("AgentRun", instanceRef="i", task="t", env=env, model={"provider": "p", "model": "m"}, agentId="a", sessionKey="s", timeout="1m", trigger={"kind": "Manual", "user": "alice"})  # fmt: skip
    response = await asked("/validate", orjson.dumps(body))
    assert response is not None
    assert response["status"]["code"] == 422
    assert len(response["status"]["message"]) < 20_000
    assert " more" in response["status"]["message"]
    assert len(response["status"]["details"]["causes"]) == 100
