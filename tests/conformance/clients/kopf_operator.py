"""A kopf operator: a ConfigMap for each Widget, its status, and a finalizer until its end is noted."""

import kopf
import kubernetes_asyncio


async def _core() -> kubernetes_asyncio.client.CoreV1Api:
    await kubernetes_asyncio.config.load_kube_config()
    return kubernetes_asyncio.client.CoreV1Api()


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: object) -> None:
    settings.posting.level = 20
    settings.persistence.finalizer = "clients.example/kopf"


@kopf.on.create("clients.example", "v1", "widgets")
async def made(spec: kopf.Spec, name: str, namespace: str, patch: kopf.Patch, **_: object) -> dict[str, int]:
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{name}-child"},
        "data": {"size": str(spec["size"])},
    }
    kopf.adopt(child)
    core = await _core()
    async with core.api_client:
        await core.create_namespaced_config_map(namespace, child)
    patch.status["size"] = spec["size"]
    return {"made": 1}


@kopf.on.field("clients.example", "v1", "widgets", field="spec.size")
async def resized(
    old: int | None, new: int, name: str, namespace: str, patch: kopf.Patch, **_: object
) -> None:
    if old is None:
        return
    core = await _core()
    async with core.api_client:
        await core.patch_namespaced_config_map(f"{name}-child", namespace, {"data": {"size": str(new)}})
    patch.status["size"] = new


@kopf.on.delete("clients.example", "v1", "widgets")
async def ended(name: str, namespace: str, **_: object) -> None:
    core = await _core()
    async with core.api_client:
        await core.create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-ended"}})
