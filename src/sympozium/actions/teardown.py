"""What must happen before an installation is taken away: afterwards nobody would.

    1. runs that go on are cancelled, and the controllers, which are still there, end them
    2. the controllers stop
    3. what runs still hold that gives rights is deleted: Jobs, accounts, roles and bindings
    4. the finalizers of all runs are taken away, so that they can be deleted
    5. with `purge`: every object of our kinds, the keys, the volumes of the bus

The first step is bounded, and the others do not need it: an installation whose controllers are dead can be taken away too.
Each step may be done again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sympozium import resources
from sympozium.actions import stop
from sympozium.api.meta import LABEL_RUN
from sympozium.api.registry import KINDS
from sympozium.api.run import FINALIZER
from sympozium.kube import Client, KubeError, NotFoundError, Resource
from sympozium.kube.conditions import is_true
from sympozium.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    JOBS,
    LEASES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    VALIDATING_WEBHOOKS,
    Object,
    key_of,
)
from sympozium.resources import RUNS

KEYS: Final = (
    "sympozium-bus-operator", "sympozium-bus-controller", "sympozium-bus-reader", "sympozium-nats-config",
    "sympozium-egress-key", "sympozium-server", "sympozium-webhook-tls", "sympozium-webhook-ca", "sympozium-webhook-cert",
)  # fmt: skip
"""Secrets that the processes of an installation, or cert-manager, make for it."""
CERTIFICATES: Final = Resource("cert-manager.io", "v1", "certificates", "Certificate")
ISSUED: Final = ("sympozium-webhook", "sympozium-webhook-ca")
"""What the chart has cert-manager issue. Its Secrets outlive them, and while they are there it makes their Secrets again."""
CONFIGURATION: Final = "sympozium"
"""Of the webhook; there is one installation in a cluster, and it says where that is."""
_FILES: Final = ("sympozium-bus", "sympozium-server")
_CONTROLLER: Final = "sympozium-controller"
_PARTS: Final = "app.kubernetes.io/part-of=sympozium"
_GRANTS: Final = (
    JOBS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
)
_EVERY_RUN: Final = "!sympozium.ai/label-that-no-run-has"
"""A selector of everything: by name and for the installation other things happen (`actions.stop`)."""
_CLAIMS: Final = "app.kubernetes.io/name=sympozium,app.kubernetes.io/component=nats"
_AGAIN: Final = 0.5
_STOP_SECONDS: Final = 90.0

Told = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """What was done, in words for people; `left` is what could not be."""

    cancelled: int = 0
    let_go: list[str] = field(default_factory=list)
    """`namespace/name` of runs that had not ended, or whose objects nobody had taken away, when the time was over."""
    released: int = 0
    """Runs whose finalizer was taken away."""
    purged: int = 0
    left: list[str] = field(default_factory=list)


async def teardown(client: Client, namespace: str, *, seconds: float, purge: bool, told: Told) -> Outcome:
    """Leave nothing that would need a controller; `told` hears of each step. Raises KubeError.

    `namespace` is the system namespace; `seconds` is how long runs have to end by themselves. Where the installation is in
    another one, nothing is touched: all runs of the cluster are that one's.
    """
    outcome = Outcome()
    if other := await elsewhere(client, namespace):
        told(
            f"nothing is taken away: the runs of this cluster belong to the installation in {other}, not {namespace}"
        )
        return outcome
    if not await _is_served(client):
        told("there are no AgentRuns here: their CustomResourceDefinition is not served")
        return outcome
    await _cancel(client, outcome, seconds, told)
    await _scale_down(client, namespace, [(DEPLOYMENTS, _CONTROLLER)], outcome, told)
    await _revoke(client, outcome, told)
    await _release(client, outcome, told)
    if purge:
        await _purge(client, namespace, outcome, told)
    return outcome


async def elsewhere(client: Client, namespace: str) -> str:
    """The namespace of the installation that judges this cluster's objects; empty where that is `namespace`, or none."""
    found = await client.find(VALIDATING_WEBHOOKS, CONFIGURATION) or {}
    services = [hook["clientConfig"].get("service") or {} for hook in found.get("webhooks") or ()]
    named = {service["namespace"] for service in services if service}
    return "" if not named or namespace in named else ", ".join(sorted(named))


async def _is_served(client: Client) -> bool:
    try:
        await client.request("GET", RUNS.path(), query={"limit": "1"})
    except NotFoundError:
        return False
    return True


async def _cancel(client: Client, outcome: Outcome, seconds: float, told: Told) -> None:
    """End what goes on, and wait until the controllers have taken away what it had."""
    which = stop.Which(None, selector=_EVERY_RUN)
    ended = await stop.stop(client, which, kill=True, seconds=seconds)
    outcome.cancelled = len(ended.runs)
    told(f"{outcome.cancelled} runs were told to end")
    left = await _until_none(lambda: _holding(client), seconds)
    if left:
        outcome.let_go = ["/".join(key_of(run)) for run in left]
        told(f"not ended in {seconds:g} s, so let go: {', '.join(outcome.let_go)}")


async def _holding(client: Client) -> list[Object]:
    """Runs that go on, or still have identities."""
    return [
        run
        for run in await client.list(RUNS)
        if FINALIZER in (run["metadata"].get("finalizers") or ())
        and not is_true((run.get("status") or {}).get("conditions"), "CleanedUp")
    ]


async def _until_none(look: Callable[[], Awaitable[list[Object]]], seconds: float) -> list[Object]:
    """Look until there is nothing or the time is over; what was seen last."""
    end = time.monotonic() + seconds
    found = await look()
    while found and time.monotonic() < end:
        await asyncio.sleep(_AGAIN)
        found = await look()
    return found


async def _scale_down(
    client: Client, namespace: str, parts: Sequence[tuple[Resource, str]], outcome: Outcome, told: Told
) -> None:
    """To no pods, and wait until there are none."""
    waits = set()
    for resource, name in parts:
        try:
            await client.patch(resource, name, namespace, {"spec": {"replicas": 0}})
        except NotFoundError:
            continue
        waits.add(name.removeprefix("sympozium-"))
    if not waits:
        return
    if await _until_none(lambda: _pods(client, namespace, waits), _STOP_SECONDS):
        outcome.left.append(f"pods of {', '.join(sorted(waits))} in {namespace}, which do not end")
        return
    told(f"stopped: {', '.join(sorted(waits))}")


async def _pods(client: Client, namespace: str, components: set[str]) -> list[Object]:
    words = ",".join(sorted(components))
    labels = f"{_PARTS},app.kubernetes.io/component in ({words})"
    return await client.list(PODS, namespace, labels=labels)


async def _revoke(client: Client, outcome: Outcome, told: Told) -> None:
    """Objects of runs that give rights or go on running. The rest goes with the runs, which own it."""
    count = 0
    for resource in _GRANTS:
        for obj in await client.list(resource, labels=LABEL_RUN):
            namespace, name = key_of(obj)
            try:
                count += await client.delete(resource, name, namespace or None)
            except KubeError as error:
                outcome.left.append(f"{resource.kind} {name}: {error}")
    if count:
        told(f"{count} objects of runs were deleted: Jobs, accounts, roles, bindings")


async def _release(client: Client, outcome: Outcome, told: Told) -> None:
    for run in await client.list(RUNS):
        meta = run["metadata"]
        if FINALIZER not in (meta.get("finalizers") or ()):
            continue
        kept = [f for f in meta["finalizers"] if f != FINALIZER]
        try:
            await client.patch(RUNS, meta["name"], meta["namespace"], {"metadata": {"finalizers": kept}})
        except NotFoundError:
            continue
        outcome.released += 1
    told(f"{outcome.released} runs no longer wait for a controller")


async def _purge(client: Client, namespace: str, outcome: Outcome, told: Told) -> None:
    """Everything that helm does not know of. Deleting asks no webhook, so all parts may be stopped first."""
    parts = [
        (resource, obj["metadata"]["name"])
        for resource in (DEPLOYMENTS, STATEFUL_SETS)
        for obj in await client.list(resource, namespace, labels=_PARTS)
    ]
    await _scale_down(client, namespace, parts, outcome, told)
    for resource in resources.OF_PLURAL.values():
        for obj in await client.list(resource):
            outcome.purged += await client.delete(resource, obj["metadata"]["name"], key_of(obj)[0])
    for claim in await client.list(PERSISTENT_VOLUME_CLAIMS, namespace, labels=_CLAIMS):
        outcome.purged += await client.delete(PERSISTENT_VOLUME_CLAIMS, claim["metadata"]["name"], namespace)
    outcome.purged += await _forget_keys(client, namespace)
    told(f"{outcome.purged} objects were deleted: our kinds, keys, volumes of the bus")


async def _forget_keys(client: Client, namespace: str) -> int:
    count = 0
    what = ((CERTIFICATES, ISSUED), (SECRETS, KEYS), (CONFIG_MAPS, _FILES), (LEASES, (_CONTROLLER,)))
    for resource, names in what:
        for name in names:
            count += await client.delete(resource, name, namespace)
    return count


async def forget(client: Client, namespace: str) -> int:
    """When the processes are gone: the kinds, and what one of them wrote at its end. Returns how many. Raises KubeError.

    The kinds stay where an installation in another namespace needs them.
    """
    count = await _forget_keys(client, namespace)
    if await elsewhere(client, namespace):
        return count
    for kind in KINDS:
        count += await client.delete(CUSTOM_RESOURCE_DEFINITIONS, f"{kind.plural}.{kind.group}")
    return count
