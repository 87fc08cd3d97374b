"""A key that is exchanged is in force within a minute, and is not read for every event."""

import asyncio
import base64
from types import SimpleNamespace
from typing import Any

import looptime  # noqa: F401 - the plugin for virtual time
import pytest

from sympozium.api.endpoint import APISERVER, digest
from sympozium.controllers.endpoint import LOOK_AGAIN, Endpoints, surplus
from unit.controllers.make import instance


class Api:
    """Secrets and ConfigMaps by name, and how often one was read."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.reads = 0
        self.put("sympozium-server", {"endpoint.key": "installation", "url": "http://s"})
        self.objects["sympozium-server"]["data"]["url"] = "http://s"

    def put(self, name: str, values: dict[str, str]) -> None:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.objects[name] = {"metadata": {"name": name}, "data": data}

    async def find(self, resource: Any, name: str, namespace: str) -> dict[str, Any] | None:
        self.reads += name == "mine"
        return self.objects.get(name)


@pytest.mark.looptime
async def test_an_exchanged_key_is_noticed_within_a_minute() -> None:
    api = Api()
    endpoints = Endpoints(SimpleNamespace(client=api, system_namespace="sympozium-system"))  # type: ignore[arg-type]
    agent = instance(webEndpoint={"enabled": True, "authSecretRef": "mine"})

    async def published() -> str:
        status, _ = await endpoints.status({}, agent)
        assert status is not None
        return str(status["keyDigest"])

    def of(key: str) -> str:
        return digest(b"installation", "team", "sre", key)

    first, second = "the-first-of-the-keys", "the-second-of-the-keys"
    api.put("mine", {"token": first})
    assert [await published() for _ in range(100)] == [of(first)] * 100
    assert api.reads == 1
    api.put("mine", {"token": second})
    seen = []
    for _ in range(int(60 // LOOK_AGAIN)):
        await asyncio.sleep(LOOK_AGAIN)
        seen.append(await published())
    assert seen[-1] == of(second)


def run(
    name: str, at: int, phase: str = "Succeeded", kind: str = "API", user: str = APISERVER, **meta: Any
) -> dict[str, Any]:
    metadata = {
        "name": name,
        "creationTimestamp": f"2026-11-27T12:00:{at:02}Z",
        "labels": {"sympozium.ai/endpoint": "chat"},
    }
    return {
        "metadata": {**metadata, **meta},
        "spec": {"trigger": {"kind": kind, "user": user}},
        "status": {"phase": phase},
    }


def test_the_oldest_runs_of_requests_are_surplus() -> None:
    runs = [
        run("new", 9), run("old", 1), run("older", 0, "Failed"), run("goes-on", 0, "Running"), run("a-persons", 0, kind="Manual"),
        run("a-programs", 0, labels={}), run("labelled-so", 0, user="system:serviceaccount:ci:bot"), run("going", 0, deletionTimestamp="now"), run("middle", 5, "Cancelled"),
    ]  # fmt: skip
    assert [found["metadata"]["name"] for found in surplus(runs, 2)] == ["older", "old"]
    assert surplus(runs, 4) == []
