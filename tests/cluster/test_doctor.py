"""What `sympozium doctor` says of a cluster: each thing is broken once, and named with a cure.

There is no node and no webhook here, so that what a node or a webhook would say is said by the test.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from cluster.localkube_fixture import LocalKube, kube, ns
from cluster.test_webhook import install
from sympozium.actions import doctor, probepods
from sympozium.actions.doctor import admission as webhook, bus, cluster, model, security
from sympozium.api import crds
from sympozium.catalog.install import admission, identities
from sympozium.kube import Client
from sympozium.kube.resources import DEPLOYMENTS, PERSISTENT_VOLUME_CLAIMS, STATEFUL_SETS, STORAGE_CLASSES
from sympozium.testing.resources import NAMESPACE, POD
from sympozium.testing.waiting import until
from sympozium.webhook import certificates

__all__ = ["kube", "ns"]
SYSTEM = "sympozium-system"


@pytest.fixture(scope="module")
def installed(kube: LocalKube) -> LocalKube:
    install(kube, [yaml.safe_load(text) for text in crds.documents().values()])
    install(kube, identities())
    return kube


@pytest.fixture
async def client(installed: LocalKube) -> AsyncIterator[Client]:
    async with Client.connect(installed.kubeconfig) as made:
        yield made


def _encoded(**data: bytes) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


# -- the cluster below


async def test_a_cluster_that_is_too_old(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await cluster.versions(client, "default")).well is True
    monkeypatch.setattr(cluster, "OLDEST", (99, 0))
    found = await cluster.versions(client, "default")
    assert (found.well, found.cure) == (False, "upgrade the cluster to 99.0 or newer")


@pytest.mark.parametrize(("ahead", "words"), [(0, "agrees"), (-90, "ahead of"), (90, "behind")])
async def test_clocks_that_are_apart(
    client: Client, monkeypatch: pytest.MonkeyPatch, ahead: int, words: str
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=ahead)

    monkeypatch.setattr(cluster, "datetime", Clock)
    found = await cluster.clock(client, "default")
    assert words in found.what
    assert found.well is (ahead == 0)


async def test_no_default_storage_class(installed: LocalKube, client: Client) -> None:
    found = await cluster.storage(client, "default")
    assert (found.well, "the default StorageClass is " in found.what) == (True, True)
    name = found.what.rpartition(" ")[2]
    annotation = "storageclass.kubernetes.io/is-default-class"
    for value in ("false", "true"):
        installed.patch(STORAGE_CLASSES, name, {"metadata": {"annotations": {annotation: value}}})
        found = await cluster.storage(client, "default")
        assert found.well is (True if value == "true" else None)
        assert name in found.what
    assert found.cure == ""


def _workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    containers = [{"name": "c", "image": "registry.example/c:v1"}]
    return {
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": SYSTEM},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}, **spec,
        },
    }  # fmt: skip


def _report(kube: LocalKube, pod: str, state: dict[str, Any], *, ready: bool = False) -> None:
    """What a kubelet says of a pod."""
    container = {"name": "c", "image": "i", "imageID": "", "ready": ready, "restartCount": 0, "state": state}
    status = {
        "phase": "Running" if ready else "Pending",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": [container],
    }
    kube.patch(POD, pod, {"status": status}, SYSTEM, subresource="status")


async def test_a_deployment_whose_image_cannot_be_pulled(installed: LocalKube, client: Client) -> None:
    found = await cluster.workloads(client, "default")
    assert found.well is None
    assert "SYMPOZIUM_NAMESPACE" in found.cure
    installed.apply(_workload("Deployment", "sympozium-webhook", replicas=2))
    until(lambda: len(installed.items(POD, SYSTEM)) == 2, "the Deployment has its pods")
    for pod in installed.items(POD, SYSTEM):
        waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
        _report(installed, pod["metadata"]["name"], {"waiting": waiting})
    found = await cluster.workloads(client, "default")
    assert found.well is False
    assert "Deployment sympozium-webhook has 0 of 2 pods ready" in found.what
    assert "ImagePullBackOff: Back-off pulling image" in found.what
    assert "image.registry" in found.cure
    for pod in installed.items(POD, SYSTEM):
        _report(installed, pod["metadata"]["name"], {"running": {}}, ready=True)
    installed.wait(DEPLOYMENTS, "sympozium-webhook", lambda d: d["status"].get("readyReplicas") == 2, SYSTEM)
    assert (await cluster.workloads(client, "default")).well is True
    installed.delete(DEPLOYMENTS, "sympozium-webhook", SYSTEM)


# -- the bus


@pytest.fixture
def servers(installed: LocalKube) -> Iterator[LocalKube]:
    yield installed
    if installed.find(STATEFUL_SETS, "sympozium-nats", SYSTEM):
        installed.delete(STATEFUL_SETS, "sympozium-nats", SYSTEM)
        installed.wait_gone(STATEFUL_SETS, "sympozium-nats", SYSTEM)


async def test_a_bus_without_a_volume(servers: LocalKube, client: Client) -> None:
    assert (await bus.durable(client, "default")).well is None
    servers.apply(_workload("StatefulSet", "sympozium-nats", serviceName="n"))
    found = await bus.durable(client, "default")
    assert found.well is False
    assert "no volume of its own" in found.what


async def test_a_bus_whose_volume_is_not_there_then_unsafe_then_well(
    servers: LocalKube, client: Client
) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }  # fmt: skip
    servers.apply(_workload("StatefulSet", "sympozium-nats", serviceName="n", volumeClaimTemplates=[claim]))
    servers.wait_any(POD, lambda p: p["metadata"]["name"] == "sympozium-nats-0", SYSTEM)
    found = await bus.durable(client, "default")
    assert found.well is False
    assert "PersistentVolumeClaim data-sympozium-nats-0 is Pending" in found.what
    assert "nats.persistence.storageClass" in found.cure

    servers.apply({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                 "hostPath": {"path": "/disk"}},
    })  # fmt: skip
    servers.wait(
        PERSISTENT_VOLUME_CLAIMS, "data-sympozium-nats-0", lambda c: c["status"].get("phase") == "Bound",
        SYSTEM,
    )  # fmt: skip
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sympozium-nats-config", "namespace": SYSTEM}
    }  # fmt: skip
    servers.apply({**secret, "data": _encoded(**{"nats-1.conf": b"jetstream: { sync_interval: 2m }"})})
    found = await bus.durable(client, "default")
    assert (found.well, "nats-1.conf" in found.what) == (False, True)

    servers.apply({**secret, "data": _encoded(**{"nats-1.conf": b"jetstream: { sync_interval: always }"})})
    found = await bus.durable(client, "default")
    assert (found.well, found.what) == (False, "0 of 1 servers are ready")

    _report(servers, "sympozium-nats-0", {"running": {}}, ready=True)
    servers.wait(STATEFUL_SETS, "sympozium-nats", lambda s: s["status"].get("readyReplicas") == 1, SYSTEM)
    found = await bus.durable(client, "default")
    assert (found.well, found.what) == (
        True,
        "1 of 1 servers, each on a volume of its own, each write synced",
    )


# -- what is let in


async def test_pod_security_that_keeps_a_skill_out(installed: LocalKube, client: Client, ns: str) -> None:
    installed.apply({
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "SkillPack", "metadata": {"name": "llmfit", "namespace": ns},
        "spec": {"skills": [{"name": "s", "content": "c"}],
                 "sidecar": {"image": "i", "hostAccess": {"enabled": True, "hostPID": True}}},
    })  # fmt: skip
    installed.apply({
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumInstance", "metadata": {"name": "i", "namespace": ns},
        "spec": {"agents": {"default": {"model": "m"}}, "skills": [{"skillPackRef": "llmfit"}]},
    })  # fmt: skip
    level = "pod-security.kubernetes.io/enforce"
    installed.patch(NAMESPACE, ns, {"metadata": {"labels": {level: "baseline"}}})
    found = await security.levels(client, "default")
    assert found.well is False
    assert (
        f"skill pack llmfit wants hostPID, and namespace {ns} enforces Pod Security level baseline"
        in found.what
    )
    assert f"kubectl label namespace {ns} {level}=privileged --overwrite" in found.cure
    installed.patch(NAMESPACE, ns, {"metadata": {"labels": {level: "privileged"}}})
    found = await security.levels(client, "default")
    assert (found.well, f"{ns} (privileged)" in found.what) == (True, True)


@pytest.fixture
async def stranger(installed: LocalKube) -> AsyncIterator[Client]:
    """Alice, who has no rights at all."""
    config = yaml.safe_load(installed.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": "alicetoken"}
    path = installed.directory / "alice"
    path.write_text(yaml.safe_dump(config))
    async with Client.connect(path) as made:
        yield made


async def test_what_whoever_asks_may_do(client: Client, stranger: Client) -> None:
    found = await security.permissions(client, "default")
    assert (found.well, "not:" in found.what) == (True, False)
    found = await security.permissions(stranger, "default")
    assert (found.well, "you may do nothing; not: run agents" in found.what) == (None, True)


async def test_who_may_not_look_hears_so_and_of_no_failure(stranger: Client) -> None:
    chosen = [check for check in doctor.CHECKS if check[0] in ("storage", "workloads", "pod security")]
    found = [finding async for _, finding in doctor.examine(stranger, "default", chosen)]
    assert [finding.well for finding in found] == [None, None, None]
    assert all("cannot list" in finding.what for finding in found)


# -- the webhook


@pytest.fixture
def configured(installed: LocalKube) -> Iterator[list[dict[str, Any]]]:
    """The configurations of a webhook at an address where nobody listens, to be changed and applied."""
    objects = admission(webhook_url="https://127.0.0.1:9")
    yield objects
    for obj in objects:
        if obj["kind"].endswith("WebhookConfiguration"):
            kind = "mutating" if obj["kind"].startswith("Mutating") else "validating"
            installed.request(
                "DELETE", f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations/sympozium"
            )


def _material(now: datetime) -> certificates.Material:
    made = certificates.renewed(None, ["localhost"], now=now)
    assert made is not None
    return made


def _trust(objects: list[dict[str, Any]], bundle: bytes, policy: str = "Fail") -> list[dict[str, Any]]:
    for obj in objects:
        for entry in obj.get("webhooks") or ():
            entry["clientConfig"]["caBundle"] = base64.b64encode(bundle).decode()
            entry["failurePolicy"] = policy
    return objects


async def test_a_webhook_that_nobody_asks(installed: LocalKube, client: Client) -> None:
    found = await webhook.webhook(client, "default")
    assert found.well is False
    assert "MutatingWebhookConfiguration sympozium is not there" in found.what


async def test_a_webhook_that_fails_open_or_is_not_trusted(
    installed: LocalKube, client: Client, configured: list[dict[str, Any]]
) -> None:
    now = datetime.now(UTC)
    good, other = _material(now), _material(now)
    install(installed, _trust(configured, good.ca_bundle, "Ignore"))
    found = await webhook.webhook(client, "default")
    assert (found.well, "fails open (mutate.sympozium.ai" in found.what) == (False, True)

    install(installed, _trust(configured, good.ca_bundle))
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sympozium-webhook-tls", "namespace": SYSTEM}
    }  # fmt: skip
    installed.apply({**secret, "data": _encoded(**other.to_data())})
    found = await webhook.webhook(client, "default")
    assert (found.well, "of a CA that its configurations do not have" in found.what) == (False, True)
    assert "rollout restart" in found.cure

    old = _material(now - timedelta(days=400))
    install(installed, _trust(configured, old.ca_bundle))
    installed.apply({**secret, "data": _encoded(**old.to_data())})
    found = await webhook.webhook(client, "default")
    assert (found.well, "the certificate of the webhook is good from" in found.what) == (False, True)

    ancient = _material(now - timedelta(days=5000))
    install(installed, _trust(configured, ancient.ca_bundle))
    found = await webhook.webhook(client, "default")
    assert (found.well, "the CA in MutatingWebhookConfiguration sympozium ended" in found.what) == (
        False,
        True,
    )

    install(installed, _trust(configured, good.ca_bundle))
    installed.apply({**secret, "data": _encoded(**good.to_data())})
    found = await webhook.webhook(client, "default")
    assert (found.well, "failed calling webhook" in found.what) == (False, True)
    assert "is the webhook running?" in found.cure


# -- the model


@pytest.mark.parametrize(
    ("code", "message", "well"),
    [(0, "", True), (1, "[Errno -2] Name or service not known", False)],
    ids=["answers", "unknown"],
)
async def test_the_model_is_asked_by_a_pod(
    installed: LocalKube, client: Client, ns: str, code: int, message: str, well: bool
) -> None:
    config = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumConfig"}
    spec = {"baseURL": "http://litellm.litellm.svc:4000/v1", "model": "m"}
    installed.apply({**config, "metadata": {"name": "default", "namespace": SYSTEM}, "spec": spec})
    asking = asyncio.create_task(model.from_pod(client, ns))
    made = await asyncio.to_thread(
        installed.wait_any,
        POD,
        lambda p: p["metadata"]["name"].startswith("sympozium-model-probe"),
        ns,
        timeout=60,
    )
    assert made["spec"]["containers"][0]["command"][-1] == "http://litellm.litellm.svc:4000/v1/models"
    ended = {"exitCode": code, "reason": "Error", "message": message, "finishedAt": "2026-01-01T00:00:00Z"}
    container = {
        "name": "probe", "image": "i", "imageID": "", "ready": False, "restartCount": 0,
        "state": {"terminated": ended},
    }  # fmt: skip
    status = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [container]}
    name = made["metadata"]["name"]
    await asyncio.to_thread(installed.patch, POD, name, {"status": status}, ns, subresource="status")
    found = await asking
    assert found.well is well
    assert message in found.what
    assert not installed.items(POD, ns)


async def test_a_pod_that_never_starts_is_told_with_what_it_waits_for(
    client: Client, ns: str, installed: LocalKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probepods, "PATIENCE", 0.0)
    config = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumConfig"}
    spec = {"baseURL": "http://litellm.litellm.svc:4000/v1", "model": "m"}
    installed.apply({**config, "metadata": {"name": "default", "namespace": SYSTEM}, "spec": spec})
    found = await model.from_pod(client, ns)
    assert found.well is None
    assert "did not end" in found.what
