"""The Secrets of a run: credentials of the bus for its two containers that use it, and a token for each skill.

A skill's token is bound to its Secret: when the Secret goes, at the end of the run at the latest, the token is
worthless at once, whoever copied it.
"""

import base64
import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from sympozium import durations
from sympozium.api.base import Object
from sympozium.api.run import AgentRun
from sympozium.controllers.run import own
from sympozium.controllers.run.compose import KILL_AFTER
from sympozium.controllers.run.plan import ApiServer, Inputs, names, network
from sympozium.controllers.run.port import Bus, Ref
from sympozium.egresstoken import FIELD, KEY_BYTES, SECRET, Claims, sign
from sympozium.kube import AlreadyExistsError, Client
from sympozium.kube.resources import SECRETS

_SHORTEST_TOKEN: Final = 600
_START_SLACK: Final = 1800
"""Seconds between planning and the start of the pod that a token survives: images are pulled, nodes are awaited."""


async def write_bus_secrets(client: Client, bus: Bus, run: AgentRun, owner: Object) -> None:
    """`<run>-bus-agent` and `<run>-bus-tools`. Raises BusError."""
    credentials = await bus.issue(Ref(run.namespace, run.name, run.metadata.uid))
    for part, files in (("bus-agent", credentials.agent), ("bus-tools", credentials.tools)):
        await own.apply(client, SECRETS, _secret(run, names.owned(run.name, part), owner, files), run)


async def write_skill_token(
    client: Client, run: AgentRun, owner: Object, account: str, server: ApiServer
) -> None:
    """Secret `account` with a token of ServiceAccount `account`, as a pod finds one in its usual place."""
    assert run.spec.timeout, "the run was filled before it was planned"
    # First the Secret, since the token is bound to its uid; then the token into it.
    secret = await own.apply(client, SECRETS, _secret(run, account, owner, {}), run)
    attempts = run.spec.retries + 1
    seconds = int((durations.parse(run.spec.timeout) + KILL_AFTER) * attempts) + _START_SLACK
    token, _ = await client.token(
        run.namespace, account, seconds=max(seconds, _SHORTEST_TOKEN),
        bound_to={**secret, "apiVersion": SECRETS.api_version, "kind": SECRETS.kind},
    )  # fmt: skip
    files = {"token": token.encode(), "ca.crt": server.ca, "namespace": run.namespace.encode()}
    await client.apply(SECRETS, _secret(run, account, owner, files))


async def write_egress_secret(client: Client, inputs: Inputs, system_namespace: str) -> None:
    """`<run>-egress`: the environment that leads HTTP clients through the egress component."""
    assert inputs.config.egress is not None
    run = inputs.run
    model = network.destination(inputs.model_endpoint)
    claims = Claims(
        run.namespace, run.name, run.metadata.uid, (model.host, model.port or 0), str(inputs.trace) if inputs.traced else "",
    )  # fmt: skip
    token = sign(claims, await _egress_key(client, system_namespace))
    parts = urlsplit(inputs.config.egress.url)
    url = f"http://{run.name}:{token}@{parts.netloc.rpartition('@')[2]}"
    # The API speaks to a skill's own token; the model may have the same host, on another port.
    api = inputs.api_server
    direct = api.host if api.host != model.host else f"{api.host}:{api.port}"
    values = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": direct}
    # curl reads http_proxy in lower case alone, others one or the other.
    files = {name: value.encode() for key, value in values.items() for name in (key, key.lower())}
    owner = inputs.owner
    await own.apply(client, SECRETS, _secret(run, names.owned(run.name, "egress"), owner, files), run)


async def _egress_key(client: Client, namespace: str) -> bytes:
    """The key of the installation, made by whoever needs it first."""
    found = await client.find(SECRETS, SECRET, namespace)
    if found is None:
        key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
        body = {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": namespace},
            "type": "Opaque", "data": {FIELD: key},
        }  # fmt: skip
        try:
            found = await client.create(SECRETS, body)
        except AlreadyExistsError:
            found = await client.get(SECRETS, SECRET, namespace)
    return base64.b64decode(found["data"][FIELD])


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
