"""Does anything enforce NetworkPolicies here? Two pods knock at the same door, one of them under a NetworkPolicy that denies all.

    open      reaches it      the door is there
    closed    does not        and the policy is what shut it

The door is the API server, which every pod can find. Both knock again and again for a while: a network may take its
time to let a pod out, or to shut it in.
"""

import asyncio
import hashlib
import json
import logging
import secrets
from dataclasses import dataclass
from typing import Final

from sympozium.actions import probepods
from sympozium.api.base import Object
from sympozium.api.images import Images
from sympozium.api.meta import LABEL_COMPONENT, SYSTEM_NAMESPACE
from sympozium.kube import Client
from sympozium.kube.conditions import condition
from sympozium.kube.resources import NETWORK_POLICIES, PODS

log = logging.getLogger(__name__)

CONDITION: Final = "NetworkPolicyEnforced"
COMPONENT: Final = "network-probe"
_LABEL: Final = "sympozium.ai/network-probe"
_POLICY: Final = "sympozium-network-probe"
_KNOCKING: Final = 10
_REACHED, _NOT_REACHED = 10, 11
_SHUT: Final = 3
"""Refusals in a row after which the closed door is closed: one could be a network that is not ready yet."""

_SCRIPT: Final = f"""
import os, socket, ssl, sys, time
door = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
def knock():
    try:
        with socket.create_connection(door, 2) as s, tls.wrap_socket(s):
            return True
    except OSError:
        return False
shut, end = 0, time.monotonic() + {_KNOCKING}
while True:
    reached = knock()
    shut = 0 if reached else shut + 1
    if sys.argv[1] == "open" and reached:
        sys.exit({_REACHED})
    if sys.argv[1] == "closed" and shut >= {_SHUT}:
        sys.exit({_NOT_REACHED})
    if time.monotonic() > end:
        sys.exit({_REACHED} if reached else {_NOT_REACHED})
    time.sleep(0.05)
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`enforced` is None when the probe could not tell; `message` says what was seen, and what to do."""

    enforced: bool | None
    reason: str
    message: str

    def condition(self) -> Object:
        return condition(CONDITION, self.enforced, self.reason, self.message)


async def probe(client: Client, namespace: str, images: Images) -> Verdict:
    """Try it, with pods in `namespace`; nothing of them is left. Raises KubeError."""
    await probepods.clear(client, namespace, _LABEL)
    await client.apply(NETWORK_POLICIES, _policy(namespace))
    run = secrets.token_hex(4)
    try:
        for mode in ("closed", "open"):
            await client.create(PODS, _pod(namespace, f"{_POLICY}-{mode}-{run}", mode, images))
        return await _outcome(client, namespace, run)
    finally:
        await asyncio.shield(probepods.clear(client, namespace, _LABEL))


async def _outcome(client: Client, namespace: str, run: str) -> Verdict:
    loop = asyncio.get_running_loop()
    end, delay = loop.time() + probepods.PATIENCE, probepods.FIRST_LOOK
    while True:
        found = {
            mode: await client.get(PODS, f"{_POLICY}-{mode}-{run}", namespace) for mode in ("open", "closed")
        }
        said = {mode: probepods.exit_code(pod) for mode, pod in found.items()}
        if None not in said.values():
            return judge(said["open"], said["closed"])
        if loop.time() > end:
            words = "; ".join(f"{mode}: {probepods.state(pod)}" for mode, pod in found.items())
            return Verdict(
                None,
                "ProbeUnfinished",
                f"the pods of the probe did not end within {probepods.PATIENCE:.0f} s ({words})",
            )
        await asyncio.sleep(delay)
        delay = min(delay * 1.5, probepods.LAST_LOOK)


def judge(opened: int | None, closed: int | None) -> Verdict:
    """The verdict from the exit codes of both pods."""
    if opened == _REACHED and closed == _NOT_REACHED:
        words = "a pod under a NetworkPolicy that denies all did not reach the API server, one without did"
        return Verdict(True, "ProbeRefused", words)
    if closed == _REACHED:
        return Verdict(
            False, "ProbeReached",
            "a pod under a NetworkPolicy that denies all reached the API server: install a network plugin that enforces "
            "NetworkPolicies, then `sympozium doctor`",
        )  # fmt: skip
    if opened == _NOT_REACHED:
        words = "a pod under no NetworkPolicy did not reach the API server either, so the probe tells nothing"
        return Verdict(
            None, "ProbeInconclusive", f"{words}: see whether pods of {SYSTEM_NAMESPACE} reach it at all"
        )
    return Verdict(
        None,
        "ProbeFailed",
        f"the pods of the probe ended with {opened} and {closed}: see the image of `shell`",
    )


def _policy(namespace: str) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": _POLICY, "namespace": namespace, "labels": {LABEL_COMPONENT: COMPONENT}},
        "spec": {"podSelector": {"matchLabels": {_LABEL: "closed"}}, "policyTypes": ["Egress"], "egress": []},
    }


def _pod(namespace: str, name: str, mode: str, images: Images) -> Object:
    command = ["python3", "-I", "-S", "-c", _SCRIPT, mode]
    return probepods.pod(namespace, name, COMPONENT, images, command, labels={_LABEL: mode})


def digest_of(nodes: list[Object]) -> str:
    """Of the set of nodes, and of what each says of its network: a short text that differs when they do."""
    facts = sorted(
        [
            n["metadata"]["name"],
            n["metadata"]["uid"],
            (n["metadata"].get("annotations") or {}).get("node.sympozium.ai/sandbox-facts", ""),
        ]
        for n in nodes
    )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
