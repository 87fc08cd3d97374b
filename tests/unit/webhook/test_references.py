"""Look-ups of admission by a real client: from copies once they are read, and else from the API."""

import asyncio
from typing import Any

import pytest
from tests.unit.kube.scripted import Answer, Asked, Stream, serving, status

from sympozium.api.config import SympoziumConfig
from sympozium.api.instance import SympoziumInstance
from sympozium.api.policy import SympoziumPolicy
from sympozium.kube.errors import KubeError
from sympozium.webhook import references as module
from sympozium.webhook.references import References

API = "sympozium.ai/v1alpha1"
ROOT = "/apis/sympozium.ai/v1alpha1"
KINDS = {
    "sympoziuminstances": "SympoziumInstance",
    "sympoziumpolicies": "SympoziumPolicy",
    "skillpacks": "SkillPack",
    "sympoziumconfigs": "SympoziumConfig",
}


def obj(kind: str, name: str, *, namespace: str = "ns", **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "uid": f"u-{name}", "resourceVersion": "1"}
    return {"apiVersion": API, "kind": kind, "metadata": meta, "spec": spec}


def instance(name: str) -> dict[str, Any]:
    return obj("SympoziumInstance", name, agents={"default": {"model": "m"}})


class World:
    """Collections that are followed, and objects that only a request finds."""

    def __init__(self, *copied: dict[str, Any], alone: tuple[dict[str, Any], ...] = ()) -> None:
        self.copied = copied
        self.alone = {f"{o['metadata']['namespace']}/{o['metadata']['name']}": o for o in alone}
        self.gets: list[str] = []
        self.follows: list[str] = []
        self.over = asyncio.Event()

    def __call__(self, asked: Asked) -> Answer:
        *_, last = asked.path.split("/")
        if last not in KINDS:
            self.gets.append(asked.path)
            _, _, namespace, _, name = asked.path.removeprefix(ROOT).split("/")
            found = self.alone.get(f"{namespace}/{name}")
            return (200, found) if found else status(404, "NotFound")
        self.follows.append(asked.path)

        async def stream(out: Stream) -> None:
            for one in self.copied:
                if one["kind"] == KINDS[last]:
                    await out.event("ADDED", one)
            end = {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}
            await out.event("BOOKMARK", {"apiVersion": API, "kind": KINDS[last], "metadata": end})
            await self.over.wait()

        return stream


async def synced(references: References) -> None:
    async with asyncio.timeout(60):
        for informer in references._informers.values():
            await informer.wait_synced()
    assert references.unready() == []


async def test_before_the_copies_are_read_it_is_unready_and_the_api_is_asked() -> None:
    world = World(alone=(obj("SympoziumPolicy", "p", namespace="other", enforcement="Audit"),))
    async with serving(world) as api, api.client() as client:
        references = References(client)
        assert references.unready() == [f"{kind} not read yet" for kind in KINDS.values()]
        found = await references.get(SympoziumPolicy, iter([("ns", "p"), ("other", "p")]))
        assert found is not None
        assert (found.namespace, found.name, found.spec.enforcement) == ("other", "p", "Audit")
        assert await references.get(SympoziumPolicy, [("ns", "q")]) is None
        assert references.config().to_json() == module.ConfigSpec().to_json()
    assert world.gets == [
        f"{ROOT}/namespaces/{where}" for where in
        ("ns/sympoziumpolicies/p", "other/sympoziumpolicies/p", "ns/sympoziumpolicies/q")
    ]  # fmt: skip


async def test_runs_are_asked_for_as_they_are_now() -> None:
    run = obj("AgentRun", "r", instanceRef="i", task="t")
    world = World(alone=(run,))
    async with serving(world) as api, api.client() as client:
        references = References(client)
        for _ in range(2):
            found = await references.run("ns", "r")
            assert found is not None
            assert found.spec.task == "t"
        assert await references.run("ns", "s") is None
    assert world.gets == [f"{ROOT}/namespaces/ns/agentruns/{name}" for name in ("r", "r", "s")]


async def test_an_api_that_cannot_be_asked_is_no_absence() -> None:
    async with serving(lambda _: status(403, "Forbidden")) as api, api.client() as client:
        with pytest.raises(KubeError):
            await References(client).get(SympoziumPolicy, [("ns", "p")])


async def test_what_is_in_the_copies_costs_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MODELS", 2)
    world = World(
        instance("i"), instance("j"), instance("k"),
        obj("SympoziumConfig", "default", namespace="sympozium-system", baseURL="http://m"),
        alone=(instance("late"),),
    )  # fmt: skip
    async with serving(world) as api, api.client() as client:
        references = References(client)
        following = asyncio.create_task(references.follow())
        await synced(references)
        held = references.cached(SympoziumInstance, ("ns", "i"))
        assert held is not None
        assert held.name == "i"
        assert await references.instance("ns", "i") is held
        # One of the copy comes before one that must be asked for.
        assert await references.get(SympoziumInstance, [("ns", "late"), ("ns", "i")]) is held
        assert world.gets == []
        assert references.cached(SympoziumInstance, ("other", "i")) is None
        assert references.cached(SympoziumPolicy, ("ns", "i")) is None
        # The oldest of more than two goes, and is parsed anew.
        second = references.cached(SympoziumInstance, ("ns", "j"))
        assert references.cached(SympoziumInstance, ("ns", "i")) is held
        assert references.cached(SympoziumInstance, ("ns", "k")) is not None
        assert references.cached(SympoziumInstance, ("ns", "j")) is second
        assert references.cached(SympoziumInstance, ("ns", "i")) is not held
        late = await references.instance("ns", "late")
        assert late is not None
        assert world.gets == [f"{ROOT}/namespaces/ns/sympoziuminstances/late"]
        assert isinstance(
            references.cached(SympoziumConfig, ("sympozium-system", "default")), SympoziumConfig
        )
        assert references.config().base_url == "http://m"
        world.over.set()
        following.cancel()
        await asyncio.wait([following])
    assert sorted(world.follows) == sorted(
        [f"{ROOT}/namespaces/sympozium-system/sympoziumconfigs",
         *(f"{ROOT}/{plural}" for plural in ("skillpacks", "sympoziuminstances", "sympoziumpolicies"))]
    )  # fmt: skip
