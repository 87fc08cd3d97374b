"""The HTTP endpoint of an instance, as its status says it: where it is, which Secret has its key, and a digest of that key.

The key is that of `authSecretRef`, whose author was asked about it at admission, or of a Secret that is made here and
owned by the instance. Secrets are not watched: an endpoint's is read again when what was read is older than `_BELIEVE`, and the
instance is looked at again as soon; so a key that was exchanged is in force a minute later at most.

A host name belongs to the agent that had it first. Whoever may write instances in some namespace could otherwise
have the requests of another's clients sent to an agent of theirs, keys and all.
"""

import asyncio
import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sympozium.api import SympoziumInstance
from sympozium.api.base import Object
from sympozium.api.endpoint import (
    HMAC_KEY,
    HOSTNAMES,
    KEPT,
    PREFIX,
    SERVER,
    TOKEN,
    URL,
    digest,
    hostname_problem,
    is_allowed,
    is_served,
    key_problem,
    protocol_of,
    secret_value,
)
from sympozium.api.instance import WebEndpointStatus
from sympozium.api.meta import LABEL_COMPONENT, LABEL_INSTANCE, owner_reference
from sympozium.api.run import TERMINAL
from sympozium.controllers.context import Context
from sympozium.kube import AlreadyExistsError
from sympozium.kube.conditions import condition
from sympozium.kube.resources import CONFIG_MAPS, SECRETS
from sympozium.names import derive, label_value
from sympozium.resources import INSTANCES, RUNS

CONDITION: Final = "EndpointReady"
LOOK_AGAIN: Final = 30.0
"""Seconds after which an instance with an endpoint is looked at again."""
_BELIEVE: Final = 25.0
"""Seconds for which a key that was read is taken for the Secret's."""
_BYTES: Final = 32


class EndpointError(Exception):
    """The endpoint cannot be served; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read at a moment, of which Secret."""

    at: float
    secret: str
    key: str
    installation: bytes
    base: str


class Endpoints:
    """For one installation."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read: dict[str, _Read] = {}

    async def status(self, obj: Object, instance: SympoziumInstance) -> tuple[Object | None, Object | None]:
        """`status.webEndpoint` and a condition as they should be; None for an agent that has no endpoint. Raises KubeError."""
        if not is_served(instance.spec):
            self._read.pop(instance.metadata.uid, None)
            return None, None
        wanted = instance.spec.web_endpoint
        secret = (wanted and wanted.auth_secret_ref) or derive(instance.name, "endpoint")
        made = WebEndpointStatus(status="Ready", auth_secret_name=secret)
        try:
            read = await self._look(obj, instance, secret)
        except EndpointError as error:
            made = made.replaced(status="Error", message=str(error))
            return made.to_json(), condition(CONDITION, False, "NoKey", str(error))
        made = made.replaced(
            url=f"{read.base}{PREFIX}/{instance.namespace}/{instance.name}",
            key_digest=digest(read.installation, instance.namespace, instance.name, read.key),
        )
        if not (wanted and wanted.hostname):
            return made.to_json(), condition(CONDITION, True, "Serving", str(made.url))
        if words := self._against(instance, wanted.hostname):
            made = made.replaced(message=words)
            return made.to_json(), condition(CONDITION, True, "HostnameNotServed", words)
        parts = urlsplit(read.base)
        port = f":{parts.port}" if parts.port else ""
        made = made.replaced(url=f"{parts.scheme}://{wanted.hostname}{port}", hostname=wanted.hostname)
        return made.to_json(), condition(CONDITION, True, "Serving", str(made.url))

    async def prune(self, runs: Sequence[Object]) -> None:
        """Delete the oldest ended runs of an agent's endpoint: a client makes as many as its rate lets it."""
        config = self._context.config().endpoints
        kept = config.runs_history_limit if config else KEPT
        for run in surplus(runs, kept):
            meta = run["metadata"]
            await self._context.client.delete(RUNS, meta["name"], meta["namespace"], uid=meta["uid"])

    # -- the key

    async def _look(self, obj: Object, instance: SympoziumInstance, secret: str) -> _Read:
        now = asyncio.get_running_loop().time()
        known = self._read.get(instance.metadata.uid)
        if known is not None and known.secret == secret and now - known.at < _BELIEVE:
            return known
        self._read.pop(instance.metadata.uid, None)
        installation, base = await self._installation()
        read = _Read(now, secret, await self._key(obj, instance, secret), installation, base)
        self._read[instance.metadata.uid] = read
        return read

    async def _installation(self) -> tuple[bytes, str]:
        """The key of digests, and the URL of the API server."""
        client, namespace = self._context.client, self._context.system_namespace
        keys = await client.find(SECRETS, SERVER, namespace)
        where = await client.find(CONFIG_MAPS, SERVER, namespace)
        key = secret_value(keys, HMAC_KEY)
        base = ((where or {}).get("data") or {}).get(URL)
        if not key or not base:
            kind, name = ("ConfigMap", URL) if key else ("Secret", HMAC_KEY)
            raise EndpointError(
                f"{kind} {SERVER} in {namespace} has no {name}: is the API server of Sympozium installed?"
            )
        return key, base.rstrip("/")

    async def _key(self, obj: Object, instance: SympoziumInstance, name: str) -> str:
        wanted = instance.spec.web_endpoint
        found = await self._context.client.find(SECRETS, name, instance.namespace)
        if not (wanted and wanted.auth_secret_ref):
            found = found or await self._make(obj, instance, name)
            owners = found["metadata"].get("ownerReferences") or ()
            if all(owner["uid"] != instance.metadata.uid for owner in owners):
                # Its author could otherwise have the key of a Secret that they may not read tried out.
                raise EndpointError(
                    f"Secret {name} is there and is not this instance's: rename it, or name it in webEndpoint.authSecretRef"
                )
        elif found is None:
            raise EndpointError(f"Secret {name} is not in namespace {instance.namespace}")
        try:
            key = secret_value(found, TOKEN).decode().strip()
        except UnicodeDecodeError:
            raise EndpointError(f"Secret {name}: {TOKEN} is no text") from None
        if problem := key_problem(key):
            raise EndpointError(f"Secret {name}: {TOKEN} {problem}")
        return key

    async def _make(self, obj: Object, instance: SympoziumInstance, name: str) -> Object:
        """A Secret with a key that nobody has chosen."""
        owner = owner_reference({**obj, "apiVersion": INSTANCES.api_version, "kind": INSTANCES.kind})
        token = base64.b64encode(secrets.token_urlsafe(_BYTES).encode()).decode()
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": instance.namespace,
                "labels": {LABEL_INSTANCE: label_value(instance.name), LABEL_COMPONENT: "endpoint"},
                "ownerReferences": [{**owner, "blockOwnerDeletion": False}],
            },
            "type": "Opaque",
            "data": {TOKEN: token},
        }
        try:
            return await self._context.client.create(SECRETS, manifest)
        except AlreadyExistsError:
            return await self._context.client.get(SECRETS, name, instance.namespace)

    # -- the host name

    def _against(self, instance: SympoziumInstance, name: str) -> str:
        """Why an agent is not served under its host name, in words; empty when it is."""
        if problem := hostname_problem(name):
            return f"hostname {problem}"
        config = self._context.config().endpoints
        if not is_allowed(name, config.hostnames if config else HOSTNAMES):
            return f"hostname {name} is none that agents may have: SympoziumConfig default, spec.endpoints.hostnames"
        first = min(
            (o for o in self._context.caches.instances.list() if _wants(o, name)),
            key=_precedence,
            default=None,
        )
        if first is not None and first["metadata"]["uid"] != instance.metadata.uid:
            # Whose it is stays unsaid: it may be in a namespace that this one's people do not see.
            return f"hostname {name} is another agent's already: choose another"
        return ""


def surplus(runs: Sequence[Object], kept: int) -> list[Object]:
    """Ended runs that requests made, without the newest `kept`; people's runs are not counted."""
    found = [
        run
        for run in runs
        if protocol_of(run) is not None
        and (run.get("status") or {}).get("phase") in TERMINAL
        and not run["metadata"].get("deletionTimestamp")
    ]
    found.sort(key=lambda run: (run["metadata"]["creationTimestamp"], run["metadata"]["name"]))
    return found[: max(0, len(found) - kept)]


def _wants(obj: Object, name: str) -> bool:
    endpoint = obj["spec"].get("webEndpoint") or {}
    a2a = obj["spec"].get("a2a") or {}
    served = endpoint.get("enabled") or a2a.get("enabled")
    return bool(served and endpoint.get("hostname") == name)


def _precedence(obj: Object) -> tuple[bool, str, str]:
    """Who has it keeps it, also against an older agent that wants it now."""
    endpoint = obj["spec"]["webEndpoint"]
    held = ((obj.get("status") or {}).get("webEndpoint") or {}).get("hostname")
    return (held != endpoint["hostname"], obj["metadata"]["creationTimestamp"], obj["metadata"]["uid"])
