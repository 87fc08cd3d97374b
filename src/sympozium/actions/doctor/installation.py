"""What makes an installation: its kinds, a controller that leads, its configuration, nodes."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final

from sympozium import yamlio
from sympozium.actions.doctor.finding import Finding
from sympozium.api.base import Object
from sympozium.api.config import ConfigSpec
from sympozium.api.images import Images
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.installation import image
from sympozium.kube import Client, ForbiddenError
from sympozium.kube.conditions import find, parse_time
from sympozium.kube.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    LEASES,
    MUTATING_WEBHOOKS,
    NODES,
)
from sympozium.resources import CONFIGS, POLICIES

SANDBOX_LABEL = "node.sympozium.ai/sandbox"
"""Of a node that `sympozium up` runs."""
_CONTROLLERS: Final = (
    f"see how its pods are, and what they say: kubectl logs -n {SYSTEM_NAMESPACE} deployment/sympozium-controller (on one"
    " machine: sympozium status)"
)


async def place(client: Client, _namespace: str) -> Finding:
    return place_of(await client.find(MUTATING_WEBHOOKS, "sympozium"))


def place_of(configuration: Object | None) -> Finding:
    """Whether the installation with this MutatingWebhookConfiguration is where this process looks for it."""
    if configuration is None:
        return Finding(False, "none was found", "sympozium install; on one machine: sympozium up")
    clients = [webhook["clientConfig"] for webhook in configuration["webhooks"]]
    there = {client["service"]["namespace"] for client in clients if "service" in client}
    if elsewhere := sorted(there - {SYSTEM_NAMESPACE}):
        words = f"it is in {', '.join(elsewhere)}, and what follows was looked for in {SYSTEM_NAMESPACE}"
        return Finding(False, words, f"export SYMPOZIUM_NAMESPACE={elsewhere[0]}")
    return Finding(True, f"in {SYSTEM_NAMESPACE}")


async def images(client: Client, config: ConfigSpec) -> Images:
    """Of the runs of this installation."""
    try:
        return images_of(config, await client.find(DEPLOYMENTS, "sympozium-controller", SYSTEM_NAMESPACE))
    except ForbiddenError:
        return Images.of(config)


def images_of(config: ConfigSpec, controller: Object | None) -> Images:
    """As the Deployment of the controllers takes them: its registry and version may be others than this process's."""
    found = Images.of(config)
    if controller is None or (config.images and config.images.shell):
        return found
    env = {
        variable["name"]: variable.get("value")
        for container in controller["spec"]["template"]["spec"]["containers"]
        for variable in container.get("env") or ()
    }
    shell = image("shell", env.get("SYMPOZIUM_IMAGE_REGISTRY"), env.get("SYMPOZIUM_IMAGE_TAG"))
    return replace(found, shell=shell)


async def crds(client: Client, _namespace: str) -> Finding:
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
        cure = "helm upgrade or sympozium upgrade; by hand: sympozium crds | kubectl apply --server-side -f -"
        return Finding(False, "; ".join(words), cure)
    return Finding(True, f"{len(wanted)} kinds, as of this version")


def _schemas(crd: dict[str, Any]) -> str:
    return json.dumps({v["name"]: v["schema"] for v in crd["spec"]["versions"]}, sort_keys=True)


async def leader(client: Client, _namespace: str) -> Finding:
    lease = await client.find(LEASES, "sympozium-controller", SYSTEM_NAMESPACE)
    spec = (lease or {}).get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return Finding(False, "no controller holds the lease", _CONTROLLERS)
    age = (datetime.now(UTC) - parse_time(spec["renewTime"])).total_seconds()
    if age > spec.get("leaseDurationSeconds", 15):
        words = f"{spec['holderIdentity']} has not renewed its lease for {age:.0f} s"
        return Finding(False, words, _CONTROLLERS)
    return Finding(True, f"{spec['holderIdentity']} leads")


async def catalogue(client: Client, _namespace: str) -> Finding:
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


async def stopped(client: Client, _namespace: str) -> Finding:
    """Somebody who wonders why nothing starts looks here too."""
    config = await client.find(CONFIGS, "default", SYSTEM_NAMESPACE)
    if ((config or {}).get("spec") or {}).get("suspend"):
        return Finding(None, "the installation is stopped: none starts", "sympozium resume --all")
    return Finding(True, "they may start")


async def nodes(client: Client, _namespace: str) -> Finding:
    nodes = await client.list(NODES)
    if not nodes:
        return Finding(False, "there is no node", "pods cannot run: on one machine, sympozium up")
    words, well, cures = [], True, []
    for node in nodes:
        meta, ready = node["metadata"], find((node.get("status") or {}).get("conditions"), "Ready") or {}
        level = (meta.get("labels") or {}).get(SANDBOX_LABEL)
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


async def of_one_machine(client: Client) -> bool:
    """Whether this is no cluster but one machine of `sympozium up`."""
    nodes = await client.list(NODES)
    return bool(nodes) and all(SANDBOX_LABEL in (n["metadata"].get("labels") or {}) for n in nodes)
