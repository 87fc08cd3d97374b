"""What is made of the words of node probes: by the API server, which asks each, and by people, through the Kubernetes API.

The probe is the real one; the Kubernetes API says where its pods are, and is a small server that answers like one.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest

from sympozium.actions import nodemodels
from sympozium.actions.doctor import CHECKS, examine, nodes
from sympozium.actions.endpoints import NO_KEY
from sympozium.actions.nodelisting import Listing, Server
from sympozium.actions.nodemodels import PORT, Report
from sympozium.kube import ForbiddenError
from sympozium.nodeprobe.probe import Probe
from sympozium.telemetry import health
from unit.kube.scripted import Answer, Api, Asked, serving, status
from unit.nodeprobe.test_probe import Handle, listening, models, saying

PODS = "/api/v1/namespaces/sympozium-system/pods"
DAEMON_SET = "/apis/apps/v1/namespaces/sympozium-system/daemonsets/sympozium-node-probe"
MINE = f"127.{100 + os.getpid() // 250 % 100}.{1 + os.getpid() % 250}"
"""Loopback addresses of this process alone, since probes have one port wherever they are."""


def pod(number: int, address: str, *, host: str = "", **status: Any) -> dict[str, Any]:
    """Of the probe of node `n<number>`."""
    return {
        "metadata": {"name": f"probe-{number}"}, "spec": {"nodeName": f"n{number}"},
        "status": {"podIP": address, "hostIP": host or address, **status},
    }  # fmt: skip


def listing(*urls: str, **server: Any) -> dict[str, Any]:
    servers = [{"baseURL": url, "provider": "ollama", "models": ["m"], **server} for url in urls]
    return {"node": "n1", "address": "x", "checkedAt": "2026-01-01T00:00:00Z", "servers": servers}


@asynccontextmanager
async def cluster(pods: list[dict[str, Any]], **proxied: Answer) -> AsyncIterator[Api]:
    """A Kubernetes API that has these pods in a DaemonSet, and passes on to `probe_<n>` as `proxied` says."""

    def answer(asked: Asked) -> Answer:
        if asked.path == PODS:
            assert "app.kubernetes.io/component=node-probe" in asked.query["labelSelector"]
            return 200, {"metadata": {"resourceVersion": "1"}, "items": [*pods]}
        if asked.path == DAEMON_SET:
            return 200, {"metadata": {"name": "x"}, "status": {"desiredNumberScheduled": len(pods)}}
        name = asked.path.removeprefix(f"{PODS}/").removesuffix(f":{PORT}/proxy/models").replace("-", "_")
        return proxied.get(name, status(404, "NotFound", f"nothing at {asked.path}"))

    async with serving(answer) as api:
        yield api


@asynccontextmanager
async def probing(node: str, address: str, *handles: Handle) -> AsyncIterator[Probe]:
    """A real probe that has looked at servers on its address, and serves what it found."""
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(listening(handle, address)) for handle in handles]
        probe = Probe(node, address, ports)
        await probe.look()
        documents = {"/models": probe.document}
        await stack.enter_async_context(health.serve(PORT, probe.unready, host=address, documents=documents))
        yield probe


# -- as the API server asks


async def test_a_pod_gets_what_each_probe_found() -> None:
    ollama, vllm = saying("200 OK", models("qwen3:8b")), saying("401 No", b'{"error": "Unauthorized"}')
    one, two = f"{MINE}.1", f"{MINE}.2"
    async with probing("n1", one, vllm, ollama) as first, probing("n2", two) as second:
        starting = pod(3, "", containerStatuses=[{"state": {"waiting": {"reason": "ErrImagePull"}}}])
        leaving = pod(4, f"{MINE}.4")
        leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        silent = pod(5, f"{MINE}.5")
        async with (
            cluster([silent, leaving, starting, pod(2, two), pod(1, one)]) as api,
            api.client() as client,
        ):
            reports = await nodemodels.directly(client)
    assert [r.node for r in reports] == ["n1", "n2", "n3", "n5"]
    assert [r.listing for r in reports[:2]] == [first.listing, second.listing]
    assert reports[2].problem == "its probe does not run: ErrImagePull"
    assert "nothing answers" in reports[3].problem
    works, locked = nodemodels.found(reports)
    assert (works.source, works.node, works.models, works.key) == ("node", "n1", ("qwen3:8b",), NO_KEY)
    assert (locked.models, locked.key, locked.problem) == ((), "", "it wants a key")
    assert {works.base_url, locked.base_url} == {s.base_url for s in first.listing.servers}


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        (saying("200 OK", b"[1]"), "says what no probe says"),
        (saying("200 OK", b'{"node": "n1"}'), "says what no probe says: address"),
        (saying("200 OK", json.dumps(listing(*["http://{address}:1/v1"] * 11)).encode()), "servers: List should have"),
        (saying("302 Found", b"", "Location: http://169.254.169.254/"), "answers 302"),
        (saying("200 OK", b"<html>"), "its probe "),
        (saying("500 No", b"{}"), "its probe does not answer"),
        (saying("200 OK", b" " * (2 << 20)), "more than 1048576 bytes"),
    ],
    ids=["list", "part", "many", "redirect", "page", "500", "long"],
)  # fmt: skip
async def test_a_pod_that_is_no_probe_is_told_from_one(handle: Handle, words: str) -> None:
    address = f"{MINE}.1"
    async with listening(handle, address, PORT), cluster([pod(1, address)]) as api, api.client() as client:
        [report] = await nodemodels.directly(client)
    assert report.listing is None
    assert words in report.problem
    assert nodemodels.found([report]) == []


async def test_one_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodemodels, "_SECONDS", 0.2)
    over = asyncio.Event()

    async def hangs(_: bytes, __: asyncio.StreamWriter) -> None:
        await over.wait()

    address = f"{MINE}.1"
    async with listening(hangs, address, PORT), cluster([pod(1, address)]) as api, api.client() as client:
        [report] = await nodemodels.directly(client)
        over.set()
    assert "its probe" in report.problem


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.2:11434/v1", "https://10.0.0.1:11434/v1", "http://10.0.0.1@evil.example:80/v1",
        "http://evil.example\\@10.0.0.1:80/v1", "http://user@10.0.0.1:80/v1", "http://10.0.0.1.evil.example:80/v1",
        "http://10.0.0.1:99999/v1", "http://[/v1", "",
    ],
)  # fmt: skip
async def test_a_probe_is_believed_about_its_own_node_alone(url: str) -> None:
    """Whoever chooses such an endpoint would send there what agents know."""
    words = listing("http://10.0.0.1:11434/v1", url)
    async with (
        cluster([pod(1, "10.1.0.9", host="10.0.0.1")], probe_1=(200, words)) as api,
        api.client() as client,
    ):
        [report] = await nodemodels.through_api(client)
    assert report.listing is None
    assert "is not on the node: it is not believed" in report.problem


@pytest.mark.parametrize(
    ("host", "url"), [("10.0.0.1", "http://10.0.0.1:1/v1"), ("fd00::1", "http://[fd00::1]:1/v1")]
)
def test_both_families_of_addresses(host: str, url: str) -> None:
    heard = Listing.model_validate(listing(url))
    assert heard.elsewhere(host) is None
    assert heard.elsewhere("") == url


# -- as people ask, through the Kubernetes API


async def _doctor(api: Api) -> Any:
    check = [one for one in CHECKS if one[0] == "model servers on nodes"]
    async with api.client() as client:
        return [finding async for _, finding in examine(client, "default", check)]


async def test_the_doctor_says_what_each_node_has() -> None:
    address = f"{MINE}.1"
    async with probing("n1", address, saying("200 OK", models("a", "b", "c", "d", "e"))) as probe:
        async with httpx2.AsyncClient(trust_env=False) as http:
            said = (await http.get(f"http://{address}:{PORT}/models")).json()
        url = probe.listing.servers[0].base_url
        pods = [pod(1, "10.1.0.1", host=address), pod(2, "10.1.0.2")]
        nothing = listing() | {"others": [{"baseURL": "x", "problem": "x redirects (302)"}]}
        async with cluster(pods, probe_1=(200, said), probe_2=(200, nothing)) as api:
            [finding] = await _doctor(api)
    assert finding.well is True
    assert f"n1: {url} (a, b, c, and 2 more); n2: x redirects (302)" in finding.what
    assert "allowedEgress" in finding.what


async def test_the_doctor_names_a_probe_that_does_not_answer() -> None:
    refused = status(503, "ServiceUnavailable", "error trying to reach service: dial tcp: i/o timeout")
    async with cluster(
        [pod(1, "10.1.0.1"), pod(2, "10.1.0.2")], probe_1=refused, probe_2=(200, listing())
    ) as api:
        [finding] = await _doctor(api)
    assert finding.well is False
    assert "n1: its probe does not answer" in finding.what
    assert "i/o timeout" in finding.what
    assert "n2: none" in finding.what
    assert "metricsFrom" in finding.cure


@pytest.mark.parametrize(
    ("answer", "well", "words"),
    [
        (status(501, "NotImplemented", "pods/proxy is not served"), None, "not asked: this Kubernetes API"),
        (status(403, "Forbidden", "bob may not get pods/proxy"), None, "bob may not get pods/proxy"),
        (status(401, "Unauthorized", "who?"), False, "who?"),
        ((200, b"<html>"), False, "its probe does not answer"),
        ((429, {"_headers": "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"}), False, "does not answer"),
    ],
    ids=["501", "403", "401", "page", "date"],
)
async def test_what_comes_in_the_place_of_an_answer(answer: Answer, well: bool | None, words: str) -> None:
    async with cluster([pod(1, "10.1.0.1"), pod(2, "10.1.0.2")], probe_1=answer, probe_2=answer) as api:
        [finding] = await _doctor(api)
    assert finding.well is well
    assert words in finding.what
    assert finding.cure


async def test_without_probes_there_is_nothing_to_say() -> None:
    async with serving(lambda _: status(404, "NotFound")) as api:
        assert await _doctor(api) == []


async def test_who_may_not_list_pods_is_told_so() -> None:
    async with (
        serving(lambda _: status(403, "Forbidden", "may not list pods")) as api,
        api.client() as client,
    ):
        for ask in (nodemodels.directly, nodemodels.through_api):
            with pytest.raises(ForbiddenError, match="may not list pods"):
                await ask(client)


def test_nodes_without_a_probe_are_counted() -> None:
    server = Server.of("http://10.0.0.1:1/v1", "ollama", [])
    here = Report("n1", Listing(node="n1", address="10.0.0.1", servers=[server]))
    assert nodes.finding_of([here], 3).well is False
    assert "2 of 3 nodes have no probe" in nodes.finding_of([here], 3).what
    assert "lists no model" in nodes.finding_of([here], 1).what
    assert "n1: not looked yet" in nodes.finding_of([Report("n1", Listing(node="n1", address="x"))], 1).what
    assert (nodes.finding_of([], 0).well, nodes.finding_of([], 0).what) == (None, "no node has a probe")


async def test_a_large_cluster_is_asked_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodemodels, "MOST", 1)
    async with cluster([pod(1, "10.1.0.1"), pod(2, "10.1.0.2")], probe_1=(200, listing())) as api:
        [finding] = await _doctor(api)
    assert finding.well is None
    assert "n2: not asked: 1 others were" in finding.what
