"""A key that is exchanged is in force within a minute, and is not read for every event."""

import asyncio
import base64
from types import SimpleNamespace
from typing import Any

import looptime  # noqa: F401 - the plugin for virtual time
import pytest

from sympozium.api.endpoint import digest
from sympozium.controllers.endpoint import LOOK_AGAIN, Endpoints
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
