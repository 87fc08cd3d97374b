"""Pods that try something once and are removed: how they look, and what became of them."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sympozium.api.base import Object
from sympozium.api.images import Images, pulling
from sympozium.api.meta import LABEL_COMPONENT
from sympozium.kube import Client, KubeError, NotFoundError
from sympozium.kube.resources import PODS

log = logging.getLogger(__name__)

PATIENCE: Final = 60.0
"""Seconds until a pod must have said something: images are pulled, nodes are awaited."""
_DEADLINE: Final = int(PATIENCE)
"""The same for the kubelet: nothing goes on when nobody asks any more."""
FIRST_LOOK, LAST_LOOK = 0.05, 1.0
"""Seconds between looks: they grow from one to the other."""


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is None for a pod that had not ended in time; `words` are then its state, else what it said last."""

    code: int | None
    words: str


def pod(
    namespace: str,
    name: str,
    component: str,
    images: Images,
    command: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """One container, of the image `shell`, that Pod Security `restricted` lets in, without a token."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace, "labels": {LABEL_COMPONENT: component, **(labels or {})},
            "annotations": dict(annotations or {}),
        },
        "spec": {
            "restartPolicy": "Never",
            **pulling(images.pull_secrets),
            "activeDeadlineSeconds": _DEADLINE,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "probe",
                    "image": images.shell,
                    "command": list(command),
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }  # fmt: skip


async def run(client: Client, made: Object) -> Ended:
    """Create it, wait until it has ended, remove it. Raises KubeError."""
    name, namespace = made["metadata"]["name"], made["metadata"]["namespace"]
    component = made["metadata"]["labels"][LABEL_COMPONENT]
    try:
        await client.create(PODS, made)
        return await _end(client, name, namespace)
    finally:
        await asyncio.shield(clear(client, namespace, f"{LABEL_COMPONENT}={component}"))


async def _end(client: Client, name: str, namespace: str) -> Ended:
    loop = asyncio.get_running_loop()
    end, delay = loop.time() + PATIENCE, FIRST_LOOK
    while True:
        found = await client.get(PODS, name, namespace)
        code = exit_code(found)
        if code is not None:
            return Ended(code, _last_words(found))
        if loop.time() > end:
            return Ended(None, state(found))
        await asyncio.sleep(delay)
        delay = min(delay * 1.5, LAST_LOOK)


async def clear(client: Client, namespace: str, labels: str) -> None:
    """Remove such pods, also those of a probe that was killed. What cannot be removed is said; the next one tries again."""
    try:
        for found in await client.list(PODS, namespace, labels=labels):
            try:
                await client.delete(PODS, found["metadata"]["name"], namespace, grace=0)
            except NotFoundError:
                continue
    except KubeError as error:
        log.warning("pods of a probe stay for now: %s", error)


def exit_code(found: Object) -> int | None:
    """Of the container; -1 for a pod that failed without one; None while it goes on."""
    for status in (found.get("status") or {}).get("containerStatuses") or ():
        if ended := (status.get("state") or {}).get("terminated"):
            return int(ended["exitCode"])
    return -1 if (found.get("status") or {}).get("phase") == "Failed" else None


def _last_words(found: Object) -> str:
    status = found.get("status") or {}
    for container in status.get("containerStatuses") or ():
        if ended := (container.get("state") or {}).get("terminated"):
            return str(ended.get("message") or ended.get("reason") or "").strip()
    return str(status.get("message") or status.get("reason") or "")


def state(found: Object) -> str:
    """What it waits for, in words."""
    status = found.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if waiting := (container.get("state") or {}).get("waiting"):
            return f"{waiting.get('reason')}: {waiting.get('message', '')}".strip(": ")
    scheduled: Object = next((c for c in status.get("conditions") or () if c["type"] == "PodScheduled"), {})
    return str(scheduled.get("message") or status.get("phase") or "unknown")
