"""Webhooks: whom they hear of, what their answers do, over real HTTPS."""

import asyncio
import base64
import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sympozium.localkube.access.pki import CertificateAuthority
from sympozium.localkube.admission.policies.expressions import ConditionError, conditions_hold
from sympozium.localkube.admission.webhooks import conditions, matching, review
from sympozium.localkube.admission.webhooks.dispatch import Webhooks
from sympozium.localkube.admission.webhooks.hook import parse
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import AdmissionRequest, Decision, UserInfo

GROUP = "admissionregistration.k8s.io"


def request(**changes):
    base = AdmissionRequest(
        user=UserInfo(username="alice", uid="7", groups=("devs",)), operation="CREATE", group="", version="v1",
        kind="ConfigMap", resource="configmaps", subresource="", namespace="ns", name="a",
        obj={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "1"}}, "data": {}},
        old=None, options={"fieldManager": "me"}, dry_run=False,
    )  # fmt: skip
    return replace(base, **changes)


def webhook(name="w.test.dev", *, url="https://127.0.0.1:1/", **changes):
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    return {"name": name, "clientConfig": {"url": url}, "rules": [rule]} | changes


def configure(objects, *webhooks, name="conf", kind="validating"):
    objects.put(
        GROUP, f"{kind}webhookconfigurations", {"metadata": {"name": name}, "webhooks": list(webhooks)}
    )


# -- matching


@pytest.mark.parametrize(
    ("rule", "asked", "expected"),
    [
        ({}, {}, True),
        ({"operations": ["*"]}, {"operation": "DELETE"}, True),
        ({"operations": ["UPDATE"]}, {}, False),
        ({"apiGroups": ["apps"]}, {}, False),
        ({"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}, {}, True),
        ({"apiVersions": ["v2"]}, {}, False),
        ({"resources": ["*"]}, {"subresource": "status"}, False),
        ({"resources": ["*/*"]}, {"subresource": "status"}, True),
        ({"resources": ["configmaps/*"]}, {"subresource": "status"}, True),
        ({"resources": ["configmaps/status"]}, {"subresource": "status"}, True),
        ({"resources": ["*/status"]}, {"subresource": "status"}, True),
        ({"resources": ["configmaps/status"]}, {}, False),
        ({"scope": "Namespaced"}, {}, True),
        ({"scope": "Cluster"}, {}, False),
        (
            {"scope": "Cluster", "resources": ["namespaces"]},
            {"resource": "namespaces", "namespace": "ns"},
            True,
        ),
    ],
)
def test_rules(rule, asked, expected):
    base = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    (hook,) = parse(
        {"metadata": {"name": "c"}, "webhooks": [webhook(rules=[base | rule], matchPolicy="Exact")]}
    )
    assert (matching.matched_version(hook, request(**asked), []) == "v1") is expected


def test_an_equivalent_version_matches_unless_the_policy_is_exact():
    rules = [{"operations": ["*"], "apiGroups": ["x.dev"], "apiVersions": ["v1"], "resources": ["things"]}]
    asked = request(group="x.dev", version="v2", resource="things")
    (hook,) = parse({"metadata": {"name": "c"}, "webhooks": [webhook(rules=rules)]})
    assert matching.matched_version(hook, asked, ["v2", "v1"]) == "v1"
    (hook,) = parse({"metadata": {"name": "c"}, "webhooks": [webhook(rules=rules, matchPolicy="Exact")]})
    assert matching.matched_version(hook, asked, ["v2", "v1"]) is None
    body = review.build(replace(asked, obj={"apiVersion": "x.dev/v2", "metadata": {}}), "v1")["request"]
    assert body["object"]["apiVersion"] == "x.dev/v1"
    assert (body["kind"]["version"], body["requestKind"]["version"]) == ("v1", "v2")


@pytest.mark.parametrize(
    ("selectors", "labels", "asked", "expected"),
    [
        ({}, {}, {}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, {"team": "a"}, {}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, {}, {}, False),
        ({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}}, {}, {}, True),
        ({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}, {}, {}, False),
        # A cluster-scoped object has no namespace that could fail to match.
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, None, {"namespace": "", "resource": "nodes"}, True),
        # A Namespace is matched by its own labels.
        ({"namespaceSelector": {"matchLabels": {"x": "1"}}}, {}, {"resource": "namespaces"}, True),
        ({"objectSelector": {"matchLabels": {"x": "1"}}}, {}, {}, True),
        ({"objectSelector": {"matchLabels": {"x": "2"}}}, {}, {}, False),
        ({"objectSelector": {"matchLabels": {"x": "2"}}}, {}, {"old": {"metadata": {"labels": {"x": "2"}}}}, True),
        ({"objectSelector": {"matchLabels": {"x": "1"}}}, {}, {"obj": None, "old": {"metadata": {}}}, False),
    ],
)  # fmt: skip
def test_selectors(selectors, labels, asked, expected):
    (hook,) = parse({"metadata": {"name": "c"}, "webhooks": [webhook(**selectors)]})
    namespace = None if labels is None else {"metadata": {"name": "ns", "labels": labels}}
    assert matching.selectors_match(hook, request(**asked), namespace) is expected


def test_conditions_decide_false_before_errors():
    shown = review.build(request(), "v1")["request"]
    data = {"object": shown["object"], "oldObject": shown["oldObject"], "request": shown}

    def hold(*texts):
        return conditions_hold([(text, conditions.condition(text)) for text in texts], data, quick=True)

    assert hold("object.metadata.name == 'a'", "oldObject == null")
    assert not hold("request.userInfo.username != 'alice'")
    assert not hold("object.nothing.there == 1", "false")
    why = "expression 'object.nothing.there == 1' resulted in error: no such key: nothing"
    with pytest.raises(ConditionError) as failed:
        hold("object.nothing.there == 1", "true")
    assert str(failed.value) == why


# -- values


def test_the_review_has_what_was_recorded():
    body = review.build(request(), "v1")
    inner = body["request"]
    assert (body["apiVersion"], body["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert inner["kind"] == inner["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert inner["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert inner["userInfo"] == {"username": "alice", "uid": "7", "groups": ["devs"]}
    assert (inner["operation"], inner["name"], inner["namespace"], inner["dryRun"]) == (
        "CREATE",
        "a",
        "ns",
        False,
    )
    assert inner["oldObject"] is None
    assert inner["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"}
    assert "subResource" not in inner
    deleted = review.build(request(operation="DELETE", obj=None, old={}, options={}), "v1")["request"]
    assert (deleted["object"], deleted["options"]["kind"]) == (None, "DeleteOptions")


def answered(**response):
    return json.dumps(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    ).encode()


def encoded(*operations):
    return base64.b64encode(json.dumps(operations).encode()).decode()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "expected webhook response of admission.k8s.io/v1"),
        (answered(uid="other", allowed=True), 'expected response.uid="u"'),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', "response was absent"),
        (answered(uid="u", allowed=True, patch=encoded()), 'only "JSONPatch" is supported'),
        (answered(uid="u", allowed=True, patchType="JSONPatch"), "but not response.patch"),
        (answered(uid="u", allowed=True, patchType="JSONPatch", patch="***"), "not base64 of JSON"),
        (answered(uid="u", allowed=True, patchType="JSONPatch", patch=base64.b64encode(b"{}").decode()), "must be a list"),
    ],
)  # fmt: skip
def test_answers_that_are_none(raw, message):
    with pytest.raises(review.ResponseError, match=message):
        review.parse(raw, "u")


def test_allowed_is_only_what_says_so():
    assert not review.parse(answered(uid="u"), "u").allowed
    assert not review.parse(answered(uid="u", allowed="true"), "u").allowed
    assert review.parse(answered(uid="u", allowed=True, warnings=["w"]), "u").warnings == ["w"]


@pytest.mark.parametrize(
    ("status", "code", "reason", "message"),
    [
        ({}, 400, "", "denied the request without explanation"),
        ({"message": "no"}, 400, "", "denied the request: no"),
        ({"reason": "Policy"}, 400, "Policy", "denied the request: Policy"),
        ({"message": "no", "code": 422, "reason": "Invalid"}, 422, "Invalid", "denied the request: no"),
        ({"message": "no", "code": 200}, 400, "", "denied the request: no"),
    ],
)
def test_denials(status, code, reason, message):
    (hook,) = parse({"metadata": {"name": "c"}, "webhooks": [webhook()]})
    error = review.denial(hook, status)
    assert (error.code, error.reason) == (code, reason)
    assert error.message == f'admission webhook "w.test.dev" {message}'


# -- over HTTPS


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return CertificateAuthority(tmp_path_factory.mktemp("ca") / "pki")


class Server:
    """An HTTPS server whose answers are functions of the review's request, by path."""

    def __init__(self, url, bundle):
        self.url, self.bundle = url, bundle
        self.answers, self.seen, self.connections = {}, [], 0

    def client(self, path):
        return {"url": f"{self.url}/{path}", "caBundle": self.bundle}

    async def handle(self, reader, writer):
        self.connections += 1
        while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
            lines = head.decode().split("\r\n")
            path = lines[0].split()[1]
            length = next(int(x.split(":")[1]) for x in lines if x.lower().startswith("content-length"))
            asked = json.loads(await reader.readexactly(length))["request"]
            self.seen.append((path, asked))
            response = self.answers[path.lstrip("/").partition("?")[0]](asked)
            if asyncio.iscoroutine(response):
                response = await response
            body = answered(uid=asked["uid"], **response)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()


@asynccontextmanager
async def serving(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.serving.certificate, authority.serving.key)
    made = Server("", base64.b64encode(authority.certificate_pem).decode())
    tasks = set()

    async def connected(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            await made.handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            # A farewell of TLS may wait for the other side's, and the loop ends soon.
            writer.transport.abort()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    made.url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def patcher(obj, operations):
    """Enough of RFC 6902 for these tests: add at a path of keys."""
    out = json.loads(json.dumps(obj))
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        target = out
        for key in parents:
            target = target[key]
        target[last] = operation["value"]
    return out


@pytest.fixture
async def webhooks(objects):
    made = Webhooks(objects, AllowAll(), json_patch=patcher)
    yield made
    await made.close()


async def nothing(request):
    return request


class AllowAll:
    def authorize(self, attributes):
        return Decision(attributes.user.username != "nobody", "because")


def adds(path, value):
    return lambda _: {
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": encoded({"op": "add", "path": path, "value": value}),
    }


async def test_a_validating_webhook_allows_warns_and_denies_on_one_connection(objects, webhooks, authority):
    async with serving(authority) as server:
        server.answers["v"] = lambda asked: {
            "allowed": asked["name"] != "bad",
            "warnings": ["careful"],
            "status": {"message": "bad name", "code": 403},
        }
        configure(objects, webhook(clientConfig=server.client("v")))
        for _ in range(3):
            assert await webhooks.validate(request()) == ["careful"]
        with pytest.raises(
            ApiError, match=r'admission webhook "w\.test\.dev" denied the request: bad name'
        ) as refused:
            await webhooks.validate(request(name="bad"))
        assert refused.value.code == 403
        assert server.seen[0][0] == "/v?timeout=10s"
        assert server.connections == 1
        assert webhooks.counts["w.test.dev", "denials"] == 1


async def test_mutating_webhooks_run_in_order_each_with_what_the_one_before_left(
    objects, webhooks, authority
):
    async with serving(authority) as server:
        server.answers |= {"one": adds("/data/one", "1"), "two": adds("/data/two", "2")}
        configure(
            objects, webhook("two.test.dev", clientConfig=server.client("two")), name="b", kind="mutating"
        )
        configure(
            objects, webhook("one.test.dev", clientConfig=server.client("one")), name="a", kind="mutating"
        )
        again = []

        async def plugins(changed):
            again.append(changed.obj)
            return changed

        result = await webhooks.mutate(request(), plugins)
        assert result.obj["data"] == {"one": "1", "two": "2"}
        assert [asked["object"]["data"] for _, asked in server.seen] == [{}, {"one": "1"}]
        assert again == [result.obj]


async def test_a_webhook_is_asked_again_when_a_later_one_changed_the_object(objects, webhooks, authority):
    async with serving(authority) as server:
        server.answers |= {"first": adds("/data/first", "1"), "later": adds("/data/later", "1")}
        configure(
            objects,
            webhook("first.test.dev", clientConfig=server.client("first"), reinvocationPolicy="IfNeeded"),
            webhook("never.test.dev", clientConfig=server.client("first")),
            webhook("later.test.dev", clientConfig=server.client("later")),
            kind="mutating",
        )
        await webhooks.mutate(request(), nothing)
        assert [path.partition("?")[0] for path, _ in server.seen] == ["/first", "/first", "/later", "/first"]
        assert server.seen[3][1]["object"]["data"] == {"first": "1", "later": "1"}


async def test_a_webhook_that_cannot_be_asked_refuses_or_is_passed_over(objects, webhooks, caplog):
    configure(objects, webhook(failurePolicy="Fail"))
    with pytest.raises(ApiError) as refused:
        await webhooks.validate(request())
    assert refused.value.code == 500
    assert refused.value.message.startswith(
        'Internal error occurred: failed calling webhook "w.test.dev": failed to call webhook: Post "https://127.0.0.1:1/?timeout=10s":'
    )
    configure(objects, webhook(failurePolicy="Ignore"))
    assert await webhooks.validate(request()) == []
    assert "failed and is ignored" in caplog.text
    assert webhooks.counts["w.test.dev", "failures"] == 2


async def test_a_slow_webhook_is_given_up(objects, webhooks, authority):
    async def never(_):
        await asyncio.Event().wait()

    async with serving(authority) as server:
        server.answers["slow"] = never
        configure(objects, webhook(clientConfig=server.client("slow"), timeoutSeconds=0.05))
        with pytest.raises(ApiError, match=r"context deadline exceeded"):
            await webhooks.validate(request())


async def test_a_webhook_with_another_certificate_is_not_asked(objects, webhooks, authority, tmp_path):
    other = CertificateAuthority(tmp_path / "pki")
    async with serving(authority) as server:
        client = server.client("v") | {"caBundle": base64.b64encode(other.certificate_pem).decode()}
        configure(objects, webhook(clientConfig=client))
        with pytest.raises(ApiError, match="certificate verify failed"):
            await webhooks.validate(request())
        assert server.seen == []


async def test_wrong_client_configurations_say_what_is_wrong(objects, webhooks):
    for client, message in [
        ({"url": "http://127.0.0.1/"}, "must be https"),
        ({"url": "https://127.0.0.1:1/", "caBundle": "bm9uc2Vuc2U="}, "caBundle"),
        ({"service": {"namespace": "ns", "name": "s"}}, 'service "s" not found'),
    ]:
        configure(objects, webhook(clientConfig=client))
        with pytest.raises(ApiError, match=message):
            await webhooks.validate(request())
    objects.put("", "services", {"metadata": {"name": "s", "namespace": "ns"}})
    with pytest.raises(ApiError, match=r'no endpoints available for service "s"'):
        await webhooks.validate(request())


async def test_a_service_is_reached_at_its_endpoints_under_its_own_name(
    objects, webhooks, authority, tmp_path
):
    named = authority.issue_server("hook", ["s.ns.svc"], path=tmp_path / "hook")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(named.certificate, named.key)
    writers = []

    async def connected(reader, writer):
        writers.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(x.split(":")[1])
            for x in head.decode().split("\r\n")
            if x.lower().startswith("content-length")
        )
        asked = json.loads(await reader.readexactly(length))["request"]
        body = answered(uid=asked["uid"], allowed=True, warnings=["from the service"])
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        objects.put("", "services", {"metadata": {"name": "s", "namespace": "ns"}})
        subsets = [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": port}]}]
        objects.put("", "endpoints", {"metadata": {"name": "s", "namespace": "ns"}, "subsets": subsets})
        bundle = base64.b64encode(authority.certificate_pem).decode()
        client = {"service": {"namespace": "ns", "name": "s", "path": "/hook"}, "caBundle": bundle}
        configure(objects, webhook(clientConfig=client))
        assert await webhooks.validate(request()) == ["from the service"]
        for writer in writers:
            writer.transport.abort()


async def test_all_validating_webhooks_are_asked_and_the_first_refusal_in_order_is_told(
    objects, webhooks, authority
):
    second_asked = asyncio.Event()

    async def first(_):
        await second_asked.wait()
        return {"allowed": False, "status": {"message": "first"}}

    def second(_):
        second_asked.set()
        return {"allowed": False, "status": {"message": "second"}}

    async with serving(authority) as server:
        server.answers |= {"first": first, "second": second}
        configure(
            objects,
            webhook("a.test.dev", clientConfig=server.client("first")),
            webhook("b.test.dev", clientConfig=server.client("second")),
        )
        with pytest.raises(ApiError, match="denied the request: first"):
            await webhooks.validate(request())


async def test_configurations_are_never_shown_and_a_removed_one_is_not_asked(objects, webhooks):
    rules = [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}]
    configure(objects, webhook(rules=rules))
    own = request(group=GROUP, resource="validatingwebhookconfigurations")
    assert await webhooks.validate(own) == []
    with pytest.raises(ApiError):
        await webhooks.validate(request())
    objects.remove(GROUP, "validatingwebhookconfigurations", "", "conf")
    assert await webhooks.validate(request()) == []


async def test_a_patch_that_does_not_apply_is_an_error_that_names_the_webhook(objects, authority):
    def broken(obj, operations):
        raise ApiError(422, "no such path")

    webhooks = Webhooks(objects, AllowAll(), json_patch=broken)
    async with serving(authority) as server:
        server.answers["m"] = adds("/nowhere/x", 1)
        configure(objects, webhook(clientConfig=server.client("m")), kind="mutating")
        with pytest.raises(ApiError, match=r'patch of admission webhook "w.test.dev": no such path'):
            await webhooks.mutate(request(), nothing)
    await webhooks.close()
