"""The Secrets of a run: credentials of the bus for its two containers that use it, and a token for each skill.

A skill's token is bound to its Secret: when the Secret goes, at the end of the run at the latest, the token is
worthless at once, whoever copied it.
"""

import base64
from collections.abc import Mapping
from typing import Final

from sympozium import durations
from sympozium.api.base import Object
from sympozium.api.run import AgentRun
from sympozium.controllers.run.compose import KILL_AFTER
from sympozium.controllers.run.plan import ApiServer, names
from sympozium.controllers.run.port import Bus, Ref
from sympozium.kube import Client
from sympozium.kube.resources import SECRETS

_SHORTEST_TOKEN: Final = 600
_START_SLACK: Final = 1800
"""Seconds between planning and the start of the pod that a token survives: images are pulled, nodes are awaited."""


async def write_bus_secrets(client: Client, bus: Bus, run: AgentRun, owner: Object) -> None:
    """`<run>-bus-agent` and `<run>-bus-tools`. Raises BusError."""
    credentials = await bus.issue(Ref(run.namespace, run.name, run.metadata.uid))
    for part, files in (("bus-agent", credentials.agent), ("bus-tools", credentials.tools)):
        await client.apply(SECRETS, _secret(run, names.owned(run.name, part), owner, files))


async def write_skill_token(
    client: Client, run: AgentRun, owner: Object, account: str, server: ApiServer
) -> None:
    """Secret `account` with a token of ServiceAccount `account`, as a pod finds one in its usual place."""
    assert run.spec.timeout, "the run was filled before it was planned"
    # First the Secret, since the token is bound to its uid; then the token into it.
    secret = await client.apply(SECRETS, _secret(run, account, owner, {}))
    attempts = run.spec.retries + 1
    seconds = int((durations.parse(run.spec.timeout) + KILL_AFTER) * attempts) + _START_SLACK
    token, _ = await client.token(
        run.namespace, account, seconds=max(seconds, _SHORTEST_TOKEN),
        bound_to={**secret, "apiVersion": SECRETS.api_version, "kind": SECRETS.kind},
    )  # fmt: skip
    files = {"token": token.encode(), "ca.crt": server.ca, "namespace": run.namespace.encode()}
    await client.apply(SECRETS, _secret(run, account, owner, files))


def _secret(run: AgentRun, name: str, owner: Object, files: Mapping[str, bytes]) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": run.namespace,
            "labels": names.labels(run),
            "ownerReferences": [owner],
        },
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in files.items()},
    }
