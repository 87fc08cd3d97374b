"""What an installation needs, looked at one by one, with the cure for what is not well.

Each check is a function that returns a Finding; one that fails to look is a finding too, and the others go on.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

from sympozium import yamlio
from sympozium.actions import endpoints, setup
from sympozium.actions.bus import near
from sympozium.actions.endpoints import EndpointError
from sympozium.actions.errors import ActionError
from sympozium.actions.networkprobe import digest_of, probe
from sympozium.api.config import SympoziumConfig
from sympozium.api.images import Images
from sympozium.api.meta import API_VERSION, SYSTEM_NAMESPACE
from sympozium.kube import Client, KubeError
from sympozium.kube.conditions import find, merged, parse_time, rfc3339
from sympozium.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    LEASES,
    MUTATING_WEBHOOKS,
    NODES,
    VALIDATING_WEBHOOKS,
)
from sympozium.resources import CONFIGS, POLICIES

_TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`well` is None for what cannot be told from here; `cure` says what to do."""

    well: bool | None
    what: str
    cure: str = ""


Check = tuple[str, Callable[[Client, str], Awaitable[Finding]]]


async def _api(client: Client, _namespace: str) -> Finding:
    version = await client.request("GET", "/version")
    return Finding(True, f"{client.access.server}, version {version['gitVersion']}")


async def _crds(client: Client, _namespace: str) -> Finding:
    directory = resources.files("sympozium.api") / "crds"
    wanted = [
        yamlio.load_all(file.read_text(), file.name)[0]
        for file in directory.iterdir()
        if file.name.endswith(".yaml")
    ]
    there = {c["metadata"]["name"]: c for c in await client.list(CUSTOM_RESOURCE_DEFINITIONS)}
    missing = [c["metadata"]["name"] for c in wanted if c["metadata"]["name"] not in there]
    old = [
        c["metadata"]["name"]
        for c in wanted
        if c["metadata"]["name"] in there and _schemas(c) != _schemas(there[c["metadata"]["name"]])
    ]
    if missing or old:
        words = [f"missing: {', '.join(missing)}"] * bool(missing) + [
            f"of another version: {', '.join(old)}"
        ] * bool(old)
        return Finding(False, "; ".join(words), "sympozium crds | kubectl apply --server-side -f -")
    return Finding(True, f"{len(wanted)} kinds, as of this version")


def _schemas(crd: dict[str, Any]) -> str:
    return json.dumps({v["name"]: v["schema"] for v in crd["spec"]["versions"]}, sort_keys=True)


async def _webhook(client: Client, namespace: str) -> Finding:
    for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
        found = await client.find(resource, "sympozium")
        if found is None:
            words = f"{resource.kind} sympozium is not there: what people write is admitted by nobody"
            return Finding(False, words, "install it again (on one machine: sympozium down, sympozium up)")
        if any(not w["clientConfig"].get("caBundle") for w in found["webhooks"]):
            words = f"{resource.kind} sympozium has no caBundle: the API server cannot trust the webhook"
            return Finding(False, words, "see the log of the webhook, which writes it")
    body = {
        "apiVersion": API_VERSION, "kind": "SympoziumPolicy", "spec": {},
        "metadata": {"generateName": "doctor-", "namespace": namespace},
    }  # fmt: skip
    try:
        await client.request("POST", POLICIES.path(namespace), body=body, query={"dryRun": "All"})
    except KubeError as error:
        if "failed calling webhook" not in str(error):
            raise
        return Finding(
            False, str(error), "is the webhook running? Nothing of ours can be written until it is"
        )
    return Finding(True, "both configurations have their CA, and a dry run was admitted")


async def _leader(client: Client, _namespace: str) -> Finding:
    lease = await client.find(LEASES, "sympozium-controller", SYSTEM_NAMESPACE)
    spec = (lease or {}).get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return Finding(False, "no controller holds the lease", "is `sympozium serve controller` running?")
    age = (datetime.now(UTC) - parse_time(spec["renewTime"])).total_seconds()
    if age > spec.get("leaseDurationSeconds", 15):
        words = f"{spec['holderIdentity']} has not renewed its lease for {age:.0f} s"
        return Finding(False, words, "is `sympozium serve controller` running? See its log")
    return Finding(True, f"{spec['holderIdentity']} leads")


async def _bus(client: Client, _namespace: str) -> Finding:
    found = await client.find(CONFIG_MAPS, "sympozium-bus", SYSTEM_NAMESPACE)
    if found is None:
        words = f"ConfigMap sympozium-bus is not in {SYSTEM_NAMESPACE}"
        return Finding(False, words, "install the bus: without it no run can report")
    address = found["data"]["url"]
    try:
        async with near(client, address) as url:
            return await _greeting(url, "" if url == address else ", through the Kubernetes API")
    except ActionError as error:
        return Finding(
            None, f"{address} is not to be reached from here: {error}", "runs reach it from their pods"
        )


async def _greeting(url: str, how: str) -> Finding:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 4222
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_connection(host, port)
            greeting = await reader.readline()
            writer.close()
    except (OSError, TimeoutError) as error:
        # A name of one word, or of two, is one of a cluster.
        inside = host.endswith((".svc", ".cluster.local")) or (
            host.count(".") <= 1 and not host[:1].isdigit()
        )
        words = f"{host}:{port} does not answer: {str(error) or 'no greeting within 5 s'}"
        cure = "a name of the cluster: not to be reached from here" if inside else "is nats-server running?"
        return Finding(None if inside else False, words, cure)
    if not greeting.startswith(b"INFO "):
        return Finding(
            False, f"what answers at {host}:{port} is no NATS server", "see url of ConfigMap sympozium-bus"
        )
    return Finding(True, f"nats-server {json.loads(greeting[5:])['version']} at {host}:{port}{how}")


async def _catalogue(client: Client, _namespace: str) -> Finding:
    config = await client.find(CONFIGS, "default", SYSTEM_NAMESPACE)
    if config is None:
        words = f"SympoziumConfig default is not in {SYSTEM_NAMESPACE}: the defaults of the schema hold"
        return Finding(None, words, "apply one to choose model, provider and policies")
    ready = find((config.get("status") or {}).get("conditions"), "Ready") or {}
    if ready.get("status") != "True":
        words = str(ready.get("message") or "SympoziumConfig default has no status yet")
        return Finding(False, words, "apply the policies that it names in the system namespace")
    policies = await client.list(POLICIES, SYSTEM_NAMESPACE)
    return Finding(True, f"SympoziumConfig default is in use; {len(policies)} policies in {SYSTEM_NAMESPACE}")


async def _stopped(client: Client, _namespace: str) -> Finding:
    """Somebody who wonders why nothing starts looks here too."""
    config = await client.find(CONFIGS, "default", SYSTEM_NAMESPACE)
    if ((config or {}).get("spec") or {}).get("suspend"):
        return Finding(None, "the installation is stopped: none starts", "sympozium resume --all")
    return Finding(True, "they may start")


async def _nodes(client: Client, _namespace: str) -> Finding:
    nodes = await client.list(NODES)
    if not nodes:
        return Finding(False, "there is no node", "pods cannot run: on one machine, sympozium up")
    words, well, cures = [], True, []
    for node in nodes:
        meta, ready = node["metadata"], find((node.get("status") or {}).get("conditions"), "Ready") or {}
        level = (meta.get("labels") or {}).get("node.sympozium.ai/sandbox")
        facts = (meta.get("annotations") or {}).get("node.sympozium.ai/sandbox-facts", "")
        if ready.get("status") != "True":
            well = False
            cures.append(f"{meta['name']}: {ready.get('message', 'not ready')}")
        if level in ("none", "medium"):
            well = well and level != "none"
            cures.append(f"{meta['name']}: {facts}")
        runtime = ((node.get("status") or {}).get("nodeInfo") or {}).get("containerRuntimeVersion", "")
        words.append(f"{meta['name']} ({f'sandbox {level}' if level else runtime})")
    if len(words) > 5:
        words = [*words[:5], f"and {len(words) - 5} more"]
    return Finding(well, ", ".join(words), "; ".join(cures))


async def _model(client: Client, namespace: str) -> Finding:
    now = await setup.configured(client, namespace)
    if not now.base_url:
        if not now.readable:
            return Finding(None, "you may not read where the model is, nor its key", "ask who administers it")
        return Finding(
            None,
            "the installation names no endpoint; each agent brings its own",
            "set one with sympozium init",
        )
    try:
        models = await endpoints.models_of(now.base_url, now.key)
    except EndpointError as error:
        return Finding(False, error.problem, error.cure)
    if now.model and models and now.model not in models:
        words = f"{now.base_url} answers, and does not list {now.model}"
        return Finding(None, words, "some endpoints do not list all they have: sympozium init tries it")
    return Finding(True, f"{now.base_url} answers")


async def last_probe(client: Client, _namespace: str) -> Finding:
    """Whether network policies hold, as it was found when it was last tried."""
    config = await client.find(CONFIGS, "default", SYSTEM_NAMESPACE)
    status = (config or {}).get("status") or {}
    condition = find(status.get("conditions"), "NetworkPolicyEnforced")
    checked = (status.get("networkProbe") or {}).get("checkedAt")
    if condition is None or not checked:
        return Finding(None, "not tried yet", "try it with sympozium doctor")
    well = {"True": True, "False": False}.get(condition["status"])
    words = f"{condition['reason']}: {condition['message']} (tried {checked})"
    return Finding(well, words, "" if well else "try it again with sympozium doctor")


async def _network(client: Client, _namespace: str) -> Finding:
    obj = await client.find(CONFIGS, "default", SYSTEM_NAMESPACE)
    config = SympoziumConfig.model_validate(obj or {"metadata": {"name": "default"}})
    nodes = digest_of(await client.list(NODES))
    verdict = await probe(client, SYSTEM_NAMESPACE, Images.of(config.spec).shell)
    if obj is not None:
        now, status = datetime.now(UTC), obj.get("status") or {}
        conditions = merged(
            status.get("conditions") or [], [verdict.condition()], now=now,
            generation=int(obj["metadata"].get("generation") or 0),
        )  # fmt: skip
        checked = {"checkedAt": rfc3339(now), "nodes": nodes}
        await client.patch_status(CONFIGS, obj, {"conditions": conditions, "networkProbe": checked})
    cure = (
        "runs whose policy closes the network are refused until then, or with networkPolicy.whenUnenforced: Allow run "
        "in the open"
    )
    return Finding(verdict.enforced, f"{verdict.reason}: {verdict.message}", cure)


CHECKS: Final[tuple[Check, ...]] = (
    ("API server", _api),
    ("custom resources", _crds),
    ("webhook", _webhook),
    ("controller", _leader),
    ("bus", _bus),
    ("catalogue", _catalogue),
    ("runs", _stopped),
    ("nodes", _nodes),
    ("model", _model),
    ("network policies", _network),
)
"""Each looks at one thing, with the client and for the namespace of whoever asks. The last one starts two pods, and may take a
minute."""


async def examine(
    client: Client, namespace: str, checks: Sequence[Check] = CHECKS
) -> AsyncIterator[tuple[str, Finding]]:
    """The name and the finding of each check, as they come."""
    for name, check in checks:
        try:
            yield name, await check(client, namespace)
        except KubeError as error:
            yield (
                name,
                Finding(False, str(error), "see that you may read it, and that the API server answers"),
            )
