"""Composition of the node process."""

import asyncio
import contextlib
import logging
import signal
from dataclasses import dataclass
from pathlib import Path

from sympozium.kube import Client, KubeError
from sympozium.kube.events import Recorder
from sympozium.node import capacity, register, server
from sympozium.node.env import NodeFacts
from sympozium.node.host import Host
from sympozium.node.images import Catalogue
from sympozium.node.kubelet import Kubelet
from sympozium.node.machine import Machine, Settings
from sympozium.node.register import Registration
from sympozium.telemetry import health

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The log endpoint: where, and with which certificates."""

    port: int
    certificate: Path
    key: Path
    client_ca: Path


async def run(
    settings: Settings,
    host: Host,
    images: Catalogue,
    client: Client,
    endpoint: Endpoint,
    health_port: int | None,
) -> None:
    """Run the node until SIGTERM or SIGINT. Raises OSError when a port or certificate cannot be used."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    offered = capacity.allocatable(settings.data_dir, settings.max_pods)
    host.groups.bound(capacity.memory_of(offered), capacity.pid_limit())
    facts = NodeFacts(settings.name, register.HOST_IP, offered)
    recorder = Recorder(client, "kubelet")
    machine = Machine(settings, host, images, client, recorder, facts)
    registration = Registration(client, settings, host, images)
    kubelet = Kubelet(client, machine, registration.short_of)
    logs = server.NodeServer(
        kubelet.locate_log,
        kubelet,
        lambda user, groups, verb: _may(client, settings.name, user, groups, verb),
    )
    port = await logs.start(endpoint.port, server.tls(endpoint.certificate, endpoint.key, endpoint.client_ca))
    registration.port = port

    def unready() -> list[str]:
        missing = [] if registration.registered.is_set() else ["the Node is not registered yet"]
        return missing if kubelet.synced else [*missing, "the pods of this node are not known yet"]

    _log.info(
        "node %s: sandbox %s (%s), log endpoint on port %d",
        settings.name,
        host.level,
        "; ".join(host.facts),
        port,
    )
    async with health.serve(health_port, unready), asyncio.TaskGroup() as group:
        helpers = [group.create_task(registration.run()), group.create_task(recorder.run())]
        try:
            await kubelet.run(stop)
        finally:
            await logs.close()
            for task in helpers:
                task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3):
            await _retire(registration)
    host.groups.close()


async def _retire(registration: Registration) -> None:
    try:
        await registration.retire()
    except KubeError as exc:
        _log.info("the API server does not hear that this node stops: %s", exc)


async def _may(client: Client, node: str, user: str, groups: list[str], verb: str) -> bool:
    """Ask the API server whether somebody may reach into this node."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": groups,
            "resourceAttributes": {"verb": verb, "resource": "nodes", "subresource": "proxy", "name": node},
        },
    }
    try:
        answer = await client.request(
            "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=review
        )
    except KubeError as exc:
        _log.warning("access of %s to the log endpoint could not be reviewed, so it is denied: %s", user, exc)
        return False
    return bool(answer["status"].get("allowed"))
