"""What the client sends, and what it makes of answers."""

import asyncio
from pathlib import Path

import pytest

from sympozium.kube import Client, errors
from sympozium.kube.client import warnings_of
from sympozium.kube.resources import CLUSTER_ROLES, CONFIG_MAPS, NAMESPACES, PODS, Resource, selector
from unit.kube.scripted import Asked, Stream, config_map, serving, status


def test_paths_of_resources() -> None:
    deployments = Resource("apps", "v1", "deployments", "Deployment")
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("ns", "p", "status") == "/api/v1/namespaces/ns/pods/p/status"
    assert deployments.path("ns") == "/apis/apps/v1/namespaces/ns/deployments"
    assert NAMESPACES.path("ignored", "ns") == "/api/v1/namespaces/ns"
    assert CLUSTER_ROLES.path(name="system:x").endswith("/clusterroles/system:x")
    assert deployments.title == "deployments.apps"
    assert selector({"a": "1", "b": "2"}) == "a=1,b=2"
    with pytest.raises(AssertionError):
        PODS.path(name="p")


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", errors.InvalidError),
        (401, "Unauthorized", errors.UnauthorizedError),
        (403, "Forbidden", errors.ForbiddenError),
        (404, "NotFound", errors.NotFoundError),
        (409, "Conflict", errors.ConflictError),
        (409, "AlreadyExists", errors.AlreadyExistsError),
        (410, "Expired", errors.ExpiredError),
        (422, "Invalid", errors.InvalidError),
        (500, "InternalError", errors.ApiError),
    ],
)
async def test_refusals_become_their_type(code: int, reason: str, kind: type[errors.ApiError]) -> None:
    async with serving(lambda _: status(code, reason, "in words")) as api, api.client() as client:
        with pytest.raises(kind) as caught:
            await client.get(PODS, "p", "default")
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.reason, str(caught.value)) == (code, reason, "in words")


async def test_an_apply_that_does_not_fit_the_schema_is_the_senders_mistake() -> None:
    """As kube-apiserver 1.36 says it: 500, without a reason."""
    words = "failed to create typed patch object (/a; v1, Kind=ConfigMap): .nonsense: field not declared in schema"
    answer = {"kind": "Status", "status": "Failure", "message": words, "code": 500}
    async with serving(lambda _: (500, answer)) as api, api.client() as client:
        with pytest.raises(errors.InvalidError, match="not declared") as caught:
            await client.get(PODS, "p", "default")
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")


async def test_an_answer_that_is_no_status_is_shown() -> None:
    async with serving(lambda _: (502, b"<html>bad gateway</html>")) as api, api.client() as client:
        with pytest.raises(errors.ApiError, match="HTTP 502: <html>bad gateway"):
            await client.get(PODS, "p", "default")


async def test_no_server_is_unreachable() -> None:
    async with serving(lambda _: (200, {})) as api:
        client = api.client()
    async with client:
        with pytest.raises(
            errors.UnreachableError, match=r"GET http://127.0.0.1:\d+/api/v1/namespaces/default/pods/p"
        ):
            await client.find(PODS, "p", "default")


async def test_find_and_delete_take_absence_as_an_answer() -> None:
    async with serving(lambda _: status(404, "NotFound")) as api, api.client() as client:
        assert await client.find(PODS, "p", "default") is None
        assert await client.delete(PODS, "p", "default") is False


async def test_lists_are_read_in_pages_and_items_get_their_type() -> None:
    def handler(asked: Asked) -> tuple[int, object]:
        if asked.query.get("continue") == "more":
            return 200, {"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "b"}}]}
        page = {
            "metadata": {"resourceVersion": "9", "continue": "more"},
            "items": [{"metadata": {"name": "a"}}],
        }
        return 200, page

    async with serving(handler) as api, api.client() as client:
        items, version = await client.list_at(CONFIG_MAPS, "default", labels="x=y")
    assert [(i["metadata"]["name"], i["kind"], i["apiVersion"]) for i in items] == [
        ("a", "ConfigMap", "v1"),
        ("b", "ConfigMap", "v1"),
    ]
    assert version == "9"
    assert [a.query.get("labelSelector") for a in api.asked] == ["x=y", "x=y"]


async def test_writes_say_who_writes() -> None:
    async with serving(lambda _: (200, {})) as api, api.client() as client:
        await client.apply(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
        await client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
        await client.patch(CONFIG_MAPS, "a", "default", [], kind="json", subresource="status")
        await client.patch_status(CONFIG_MAPS, config_map("a", 7), {"x": None})
    apply, create, patch, patched = api.asked
    assert apply.headers["content-type"] == "application/apply-patch+yaml"
    assert apply.query == {"fieldManager": "tester", "force": "true"}
    assert (apply.body["apiVersion"], apply.body["kind"]) == ("v1", "ConfigMap")
    assert (create.method, create.path) == ("POST", "/api/v1/namespaces/default/configmaps")
    assert (patch.headers["content-type"], patch.path.rsplit("/", 1)[1]) == (
        "application/json-patch+json",
        "status",
    )
    assert patched.body == {"metadata": {"resourceVersion": "7"}, "status": {"x": None}}


async def test_a_busy_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("sympozium.kube.client.asyncio.sleep", sleep)
    answers = [
        (429, {"_headers": "Retry-After: 3\r\n"}),
        (429, {"_headers": "Retry-After: 1\r\n"}),
        (200, {"ok": True}),
    ]
    async with serving(lambda _: answers.pop(0)) as api, api.client() as client:
        assert await client.request("GET", "/x") == {"ok": True}
    assert slept == [3, 1]


async def test_a_refused_eviction_is_not_waited_for() -> None:
    async with serving(lambda _: status(429, "TooManyRequests", "budget")) as api, api.client() as client:
        with pytest.raises(errors.ApiError, match="budget"):
            await client.request("POST", "/x")
        assert len(api.asked) == 1


async def test_watch_events_survive_any_cut_of_the_bytes() -> None:
    async def stream(out: Stream) -> None:
        line = '{"type":"ADDED","object":{"metadata":{"name":"größe"}}}\n'.encode()
        for cut in range(1, len(line), 7):
            await out.raw(line[:cut])
            await out.raw(line[cut:])

    async with (
        serving(lambda _: stream) as api,
        api.client() as client,
        client.watch(CONFIG_MAPS, "default", query={}, idle=5) as events,
    ):
        names = [event["object"]["metadata"]["name"] async for event in events]
    assert set(names) == {"größe"}
    assert api.asked[0].query["watch"] == "true"


async def _drained(client: Client, *, idle: float) -> None:
    async with client.watch(CONFIG_MAPS, None, query={}, idle=idle) as events:
        async for _ in events:
            pass


async def test_an_error_event_is_raised() -> None:
    async def stream(out: Stream) -> None:
        await out.event("ERROR", status(410, "Expired", "too old")[1])

    async with serving(lambda _: stream) as api, api.client() as client:
        with pytest.raises(errors.ExpiredError, match="too old"):
            await _drained(client, idle=5)


async def test_a_silent_watch_is_unreachable() -> None:
    hold = asyncio.Event()

    async def stream(_: Stream) -> None:
        await hold.wait()

    async with serving(lambda _: stream) as api, api.client() as client:
        with pytest.raises(errors.UnreachableError):
            await _drained(client, idle=0.05)
        hold.set()


async def test_a_renewed_token_file_is_taken(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")

    def handler(asked: Asked) -> tuple[int, object]:
        return (200, {}) if asked.headers["authorization"] == "Bearer new" else status(401, "Unauthorized")

    async with serving(handler) as api, api.client(tokenFile=str(token)) as client:
        with pytest.raises(errors.UnauthorizedError):
            await client.request("GET", "/x")
        replacement = tmp_path / "token.new"
        replacement.write_text("new")
        replacement.rename(token)
        assert await client.request("GET", "/x") == {}
    assert [a.headers["authorization"] for a in api.asked] == ["Bearer old", "Bearer old", "Bearer new"]


def test_warnings_of_an_answer_are_read() -> None:
    header = '299 - "audit: denied by \\"p\\"", 299 - "second, with a comma"'
    assert warnings_of(header) == ['audit: denied by "p"', "second, with a comma"]
    assert warnings_of("") == []


@pytest.mark.parametrize("value", ["\ud800", 2**64])
async def test_what_is_no_json_is_refused_as_the_api_would(value: object) -> None:
    async with serving(lambda _: (200, {})) as api, api.client() as client:
        with pytest.raises(errors.InvalidError, match="cannot be written as JSON"):
            await client.request("POST", "/api/v1/namespaces/ns/configmaps", body={"x": value})
