"""kubernetes_asyncio: typed and custom objects, each patch type, watches that go on, events, dynamic client."""

import asyncio
import sys
from pathlib import Path

import yaml
from kubernetes_asyncio import client, config, dynamic, watch
from kubernetes_asyncio.client.exceptions import ApiException

namespace = sys.argv[1]
GROUP = ("clients.example", "v1", namespace, "widgets")


async def core(api: client.ApiClient) -> None:
    v1 = client.CoreV1Api(api)
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a", labels={"app": "ka"}), data={"k": "1"})
    made = await v1.create_namespaced_config_map(namespace, body)
    try:
        await v1.create_namespaced_config_map(namespace, body)
    except ApiException as error:
        assert error.status == 409
        assert "already exists" in error.body
    else:
        raise AssertionError("made twice")
    stale = made.metadata.resource_version
    patched = await v1.patch_namespaced_config_map("a", namespace, {"data": {"l": "2"}})
    assert patched.data == {"k": "1", "l": "2"}
    made.data = {"k": "9"}
    made.metadata.resource_version = stale
    try:
        await v1.replace_namespaced_config_map("a", namespace, made)
    except ApiException as error:
        assert error.status == 409
    else:
        raise AssertionError("a stale write was taken")
    dry = await v1.patch_namespaced_config_map("a", namespace, {"data": {"m": "3"}}, dry_run="All")
    assert "m" in dry.data
    assert "m" not in (await v1.read_namespaced_config_map("a", namespace)).data

    for number in range(7):
        name = f"p{number}"
        await v1.create_namespaced_config_map(
            namespace, client.V1ConfigMap(metadata={"name": name, "labels": {"app": "page"}})
        )
    names: list[str] = []
    token = None
    while token != "":
        page = await v1.list_namespaced_config_map(
            namespace, label_selector="app=page", limit=3, _continue=token
        )
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert names == [f"p{n}" for n in range(7)], names

    pod = client.V1Pod(
        metadata={"name": "pod"},
        spec=client.V1PodSpec(
            containers=[client.V1Container(name="c", image="i", env=[client.V1EnvVar("A", "1")])]
        ),
    )
    await v1.create_namespaced_pod(namespace, pod)
    strategic = {"metadata": {"labels": {"x": "y"}}, "spec": {"activeDeadlineSeconds": 60}}
    assert (await v1.patch_namespaced_pod("pod", namespace, strategic)).spec.active_deadline_seconds == 60
    await v1.delete_namespaced_pod("pod", namespace, grace_period_seconds=0)
    secret = client.V1Secret(metadata={"name": "s"}, string_data={"a": "b"})
    assert (await v1.create_namespaced_secret(namespace, secret)).data == {"a": "Yg=="}


async def watching(api: client.ApiClient) -> None:
    v1 = client.CoreV1Api(api)
    listed = await v1.list_namespaced_config_map(namespace, label_selector="app=w")

    async def change() -> None:
        for number in range(3):
            body = client.V1ConfigMap(metadata={"name": f"w{number}", "labels": {"app": "w"}})
            await v1.create_namespaced_config_map(namespace, body)
        await v1.delete_namespaced_config_map("w0", namespace)

    changing = asyncio.create_task(change())
    seen = []
    async with watch.Watch() as stream:
        async for event in stream.stream(
            v1.list_namespaced_config_map, namespace, label_selector="app=w",
            resource_version=listed.metadata.resource_version, allow_watch_bookmarks=True,
        ):  # fmt: skip
            if event["type"] != "BOOKMARK":
                seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 4:
                break
    await changing
    assert seen == [("ADDED", "w0"), ("ADDED", "w1"), ("ADDED", "w2"), ("DELETED", "w0")], seen


async def custom(api: client.ApiClient) -> None:
    crds = client.ApiextensionsV1Api(api)
    crd = yaml.safe_load(Path(__file__).with_name("crd.yaml").read_text())
    try:
        await crds.create_custom_resource_definition(crd)
    except ApiException as error:
        assert error.status == 409, error
    async with watch.Watch() as stream:
        async for event in stream.stream(
            crds.list_custom_resource_definition, field_selector="metadata.name=widgets.clients.example"
        ):
            conditions = event["object"].status.conditions or []
            if any(c.type == "Established" and c.status == "True" for c in conditions):
                break
    objects = client.CustomObjectsApi(api)
    widget = {"apiVersion": "clients.example/v1", "kind": "Widget", "metadata": {"name": "ka"}, "spec": {}}
    made = await objects.create_namespaced_custom_object(*GROUP, widget)
    assert made["spec"] == {"size": 1}
    merged = await objects.patch_namespaced_custom_object(
        *GROUP, "ka", {"spec": {"size": 3}}, _content_type="application/merge-patch+json"
    )
    assert merged["metadata"]["generation"] == 2
    await objects.patch_namespaced_custom_object_status(
        *GROUP, "ka", {"status": {"size": 3}}, _content_type="application/merge-patch+json"
    )
    scale = await objects.get_namespaced_custom_object_scale(*GROUP, "ka")
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["replicas"]) == ("Scale", 3, 3)
    applied = await objects.patch_namespaced_custom_object(
        *GROUP, "ka", {**widget, "spec": {"colour": "blue"}}, field_manager="ka", force=True,
        _content_type="application/apply-patch+yaml",
    )  # fmt: skip
    assert applied["spec"] == {"size": 3, "colour": "blue"}
    await objects.delete_namespaced_custom_object(*GROUP, "ka")

    found = await dynamic.DynamicClient(api)
    leases = await found.resources.get(api_version="coordination.k8s.io/v1", kind="Lease")
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}
    await leases.create(
        body={"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **lease}, namespace=namespace
    )
    assert (await leases.get(name="l", namespace=namespace)).spec.holderIdentity == "me"


async def main() -> None:
    await config.load_kube_config()
    async with client.ApiClient() as api:
        await core(api)
        await watching(api)
        await custom(api)
    print("kubernetes_asyncio: all well")


asyncio.run(main())
