"""The model servers on a cluster's nodes, as its node probes found them: each probe is asked, for a bounded time.

The API server asks them where their pods are. A person, who is outside of the cluster, asks through the Kubernetes API
(`pods/proxy`), which is who lets them or not. A probe is believed about its own node alone: what it says of
another address is not taken, since a model endpoint gets what agents know.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError

from sympozium.actions import endpoints, probepods
from sympozium.actions.endpoints import NO_KEY, EndpointError, Found
from sympozium.actions.nodelisting import Listing
from sympozium.api.base import Object
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.hosts import in_url
from sympozium.kube import ApiError, Client, ForbiddenError, KubeError
from sympozium.kube.resources import PODS, selector

COMPONENT: Final = {"app.kubernetes.io/name": "sympozium", "app.kubernetes.io/component": "node-probe"}
DAEMON_SET: Final = "sympozium-node-probe"
MOST: Final = 100
"""Probes that are asked; a cluster with more nodes chooses some by nodeProbe.nodeSelector."""
PORT: Final = 8081
_AT_ONCE: Final = 10
_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a node; without `listing` its `problem` says why not. Not `asked`: nothing is known of the probe."""

    node: str
    listing: Listing | None
    problem: str = ""
    asked: bool = True


Ask = Callable[[str, Object], Awaitable[Any]]
"""The JSON of the probe whose pod this is, at its address. Raises EndpointError, KubeError, TimeoutError."""


async def directly(client: Client) -> list[Report]:
    """As a pod of the cluster. Raises KubeError where pods may not be listed."""
    return await _reports(client, _direct)


async def through_api(client: Client) -> list[Report]:
    """As a person. Raises KubeError: ForbiddenError where they may not list these pods, or not reach them."""

    async def ask(_: str, pod: Object) -> Any:
        path = PODS.path(SYSTEM_NAMESPACE, f"{pod['metadata']['name']}:{PORT}", "proxy")
        return await client.request("GET", f"{path}/models")

    return await _reports(client, ask)


async def _direct(address: str, _: Object) -> Any:
    return await endpoints.document(f"http://{in_url(address)}:{PORT}", "/models", seconds=_SECONDS)


async def _reports(client: Client, ask: Ask) -> list[Report]:
    pods = await client.list(PODS, SYSTEM_NAMESPACE, labels=selector(COMPONENT))
    living = sorted(
        (p for p in pods if "deletionTimestamp" not in p["metadata"]),
        key=lambda p: (_node(p), p["metadata"]["name"]),
    )
    places = asyncio.Semaphore(_AT_ONCE)

    async def report(pod: Object) -> Report:
        async with places:
            return await _report(pod, ask)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(report(pod)) for pod in living[:MOST]]
    except ExceptionGroup as errors:
        # No `except*`: some Pythons (3.11.2) put what is raised in its block into a group again.
        forbidden, others = errors.split(ForbiddenError)
        if forbidden is None or others is not None:
            raise
        raise forbidden.exceptions[0] from None
    asked = [task.result() for task in tasks]
    return [*asked, *(Report(_node(p), None, f"not asked: {MOST} others were", False) for p in living[MOST:])]


async def _report(pod: Object, ask: Ask) -> Report:
    node, status = _node(pod), pod.get("status") or {}
    address = str(status.get("podIP") or "")
    if not address:
        return Report(node, None, f"its probe does not run: {probepods.state(pod)}")
    try:
        async with asyncio.timeout(_SECONDS):
            listing = Listing.model_validate(await ask(address, pod))
    except ForbiddenError:
        raise
    except ApiError as exc:
        if exc.code == HTTPStatus.NOT_IMPLEMENTED:
            return Report(
                node, None, f"not asked: this Kubernetes API passes nothing on to pods: {exc}", False
            )
        return Report(node, None, f"its probe does not answer: {exc}")
    except (EndpointError, KubeError) as exc:
        return Report(node, None, f"its probe does not answer: {exc}")
    except TimeoutError:
        return Report(node, None, f"its probe does not answer within {_SECONDS:.0f} s")
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        return Report(node, None, f"its probe says what no probe says: {where}: {first['msg']}")
    stray = listing.elsewhere(str(status.get("hostIP") or ""))
    if stray is not None:
        return Report(node, None, f"its probe names {stray!r}, which is not on the node: it is not believed")
    return Report(node, listing)


def _node(pod: Object) -> str:
    return str(pod["spec"].get("nodeName") or "no node yet")


def untold(reports: Sequence[Report]) -> list[str]:
    """The nodes of which nothing is known, each with why."""
    return [f"{report.node}: {report.problem}" for report in reports if report.problem]


def found(reports: Sequence[Report]) -> list[Found]:
    """The endpoints to choose from, those first that list models."""
    offered = [
        Found(
            "node", server.base_url, server.provider, tuple(server.models), "" if server.wants_key else NO_KEY,
            "it wants a key" if server.wants_key else "", report.node,
        )
        for report in reports
        if report.listing
        for server in report.listing.servers
    ]  # fmt: skip
    return sorted(offered, key=lambda one: bool(one.problem))
