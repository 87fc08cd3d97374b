"""What an installation on a cluster needs before its first run: keys and addresses, made by whoever comes first.

    Secret     sympozium-bus-operator     the keys of the bus, from which all that follows is signed
    Secret     sympozium-bus-controller   the controllers' user
    Secret     sympozium-bus-reader       the user of whoever reads transcripts
    Secret     sympozium-nats-config      configurations of the NATS pods, which wait for it
    Secret     sympozium-egress-key       signs what runs show to the egress component
    Secret     sympozium-server           keys of sessions and of endpoints
    ConfigMap  sympozium-bus              where the bus is, and by which keys its messages are believed
    ConfigMap  sympozium-server           where the API server is

On one machine `up` makes the same. Secrets are created once and then belong to the cluster: of two processes that begin
at once the second takes what the first wrote, and one that was killed between two of them is gone on from. What was
signed by other keys than those that are there (an operator Secret restored without the rest), or with the rights of an
earlier version, is made anew.
"""

import asyncio
import base64
import contextlib
import logging
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from sympozium.api.meta import LABEL_COMPONENT
from sympozium.bus import jwt, server
from sympozium.bus.credentials import CredentialsError, User
from sympozium.bus.keyring import Keyring
from sympozium.controllers.run.wire import CONFIG_MAP, OPERATOR_SECRET, USER_SECRET
from sympozium.egresstoken import FIELD, KEY_BYTES, SECRET as EGRESS_SECRET
from sympozium.kube import Client, KubeError
from sympozium.kube.errors import AlreadyExistsError, ConflictError
from sympozium.kube.resources import CONFIG_MAPS, SECRETS, Object, Resource
from sympozium.kube.secretdata import decoded

log = logging.getLogger(__name__)

READER_SECRET: Final = "sympozium-bus-reader"  # noqa: S105 - a name
NATS_SECRET: Final = "sympozium-nats-config"  # noqa: S105 - a name
SERVER: Final = "sympozium-server"
_RETRY: Final = 2.0
_SERVER_KEYS: Final = ("session.key", "endpoint.key")
_USER: Final = "user.creds"

Data = dict[str, str]


class BootstrapError(Exception):
    """What is there cannot be used, and must not be replaced: the text says what to do."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """`bus_url` is the Service of the NATS pods, `replicas` how many there are, `storage` the bytes that the volume of
    each has. `public_url` is where browsers reach the API server; None where nobody has said.
    """

    bus_url: str
    replicas: int = 1
    storage: int = 1024**3
    public_url: str | None = None


class Bootstrap:
    """`problem` says why not everything is there yet."""

    def __init__(self, client: Client, namespace: str, cluster: Cluster) -> None:
        self._client = client
        self._namespace = namespace
        self._cluster = cluster
        self.problem = ""

    async def run(self, stop: asyncio.Event) -> bool:
        """Make everything, trying again for as long as it takes; False when `stop` was set first."""
        while not stop.is_set():
            try:
                await make(self._client, self._namespace, self._cluster)
            except (KubeError, BootstrapError) as error:
                if str(error) != self.problem:  # one line for an outage
                    self.problem = str(error)
                    log.error("what the installation needs is not there yet: %s", error)  # noqa: TRY400 - no stack helps here
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _RETRY)
            else:
                return True
        return False


async def make(client: Client, namespace: str, cluster: Cluster) -> None:
    """Once. Raises KubeError, and BootstrapError for keys of the bus that cannot be read, and for a bus whose histories
    would be left behind.
    """
    keep = _Keeper(client, namespace)
    _judge_size(await client.find(CONFIG_MAPS, CONFIG_MAP, namespace), cluster.replicas)
    operator = await keep.once(SECRETS, OPERATOR_SECRET, "bus", lambda: Keyring.generate().secret())
    try:
        keyring = Keyring.from_secret(operator)
        users = {USER_SECRET: keyring.controller_user(), READER_SECRET: keyring.reader_user()}
        files = server.configurations(keyring, namespace, cluster.replicas, cluster.storage)
    except (KeyError, ValueError) as error:
        raise BootstrapError(
            f"Secret {OPERATOR_SECRET} in {namespace} does not hold the keys of the bus ({error!r}): restore it, or delete"
            " it, and with it the history of every run"
        ) from error
    for name, user in users.items():
        made = {_USER: user.creds}
        await keep.once(SECRETS, name, "bus", partial(dict, made), good=partial(_is_like, wanted=user))
    await keep.exactly(SECRETS, NATS_SECRET, "bus", files)
    await keep.once(SECRETS, EGRESS_SECRET, "egress", lambda: {FIELD: os.urandom(KEY_BYTES)})
    await keep.once(
        SECRETS, SERVER, "apiserver", lambda: {name: secrets.token_bytes(32) for name in _SERVER_KEYS}
    )
    keys = {"controllerKey": keyring.controller_public, "recordKey": keyring.record_public}
    await keep.exactly(
        CONFIG_MAPS, CONFIG_MAP, "bus", {"url": cluster.bus_url, "replicas": str(cluster.replicas), **keys}
    )
    inside = {"url": f"http://sympozium-apiserver.{namespace}.svc:8080"}
    if cluster.public_url:
        await keep.exactly(CONFIG_MAPS, SERVER, "apiserver", {"url": cluster.public_url.rstrip("/")})
    else:
        await keep.once(CONFIG_MAPS, SERVER, "apiserver", lambda: inside)


def _judge_size(found: Object | None, replicas: int) -> None:
    """A server that is alone and a cluster of servers do not read each other's streams."""
    said = ((found or {}).get("data") or {}).get("replicas") or str(replicas)
    if not re.fullmatch(r"[1-9]\d?", said, re.ASCII):
        raise BootstrapError(
            f"ConfigMap {CONFIG_MAP} says that the bus was made with replicas {said!r}, which is no number: "
            "set it to how many NATS pods there were, or delete the key"
        )
    before = int(said)
    if before != replicas and 1 in (before, replicas):
        raise BootstrapError(
            f"the bus was made with {before} NATS pods and is to have {replicas}: the histories of runs would be left behind."
            f" Set it back to {before}, and they are there; or give them up: delete ConfigMap {CONFIG_MAP} (docs/cluster.md)"
        )


def _is_like(data: Mapping[str, str], wanted: User) -> bool:
    """Whether it holds a user of the same account with the same rights, as one of an earlier version may not be."""
    try:
        held, made = (jwt.payload(user.jwt) for user in (User.parse(data[_USER]), wanted))
        return bool(all(held[claim] == made[claim] for claim in ("iss", "nats")))
    except (CredentialsError, KeyError, ValueError, IndexError, TypeError):
        return False


class _Keeper:
    """Objects of one namespace."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def once(
        self,
        resource: Resource,
        name: str,
        component: str,
        values: Callable[[], Mapping[str, str | bytes]],
        *,
        good: Callable[[Data], bool] = lambda _data: True,
    ) -> Data:
        """What is there and `good`, else what `values` makes, which another process may have been quicker with."""
        found = await self._client.find(resource, name, self._namespace)
        if found is not None and good(_decoded(resource, found)):
            return _decoded(resource, found)
        made = self._object(resource, name, component, values())
        try:
            if found is None:
                found = await self._client.create(resource, made)
                log.info("made %s %s", resource.kind, name)
            else:
                # Only the object that was looked at: somebody else may have put it right meanwhile.
                version = {"resourceVersion": found["metadata"]["resourceVersion"]}
                body = {"metadata": version, "data": made["data"]}
                found = await self._client.patch(resource, name, self._namespace, body)
                log.warning(
                    "made %s %s anew: it was not of the keys in %s, or had other rights",
                    resource.kind,
                    name,
                    OPERATOR_SECRET,
                )
        except ConflictError as error:
            if not isinstance(error, AlreadyExistsError):
                raise
            found = await self._client.get(resource, name, self._namespace)
            log.info("another process made %s %s first", resource.kind, name)
        return _decoded(resource, found)

    async def exactly(self, resource: Resource, name: str, component: str, values: Mapping[str, str]) -> None:
        """These values, and no others of ours: they follow from the keys and from how this process was started."""
        wanted = dict(values)
        held = await self.once(resource, name, component, lambda: wanted)
        if {key: held.get(key) for key in wanted} != wanted:
            data = self._object(resource, name, component, wanted)["data"]
            await self._client.patch(resource, name, self._namespace, {"data": data})
            log.info("%s %s now says what this process was started with", resource.kind, name)

    def _object(
        self, resource: Resource, name: str, component: str, values: Mapping[str, str | bytes]
    ) -> Object:
        data = {key: _encoded(resource, value) for key, value in values.items()}
        metadata = {"name": name, "namespace": self._namespace, "labels": {LABEL_COMPONENT: component}}
        return {
            "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "data": data,
        }  # fmt: skip


def _encoded(resource: Resource, value: str | bytes) -> str:
    if resource is CONFIG_MAPS:
        assert isinstance(value, str)
        return value
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


def _decoded(resource: Resource, found: Object) -> Data:
    """Bytes of Secrets as latin-1: of some keys only that they are there matters."""
    if resource is CONFIG_MAPS:
        return dict(found.get("data") or {})
    return {key: value.decode("latin-1") for key, value in decoded(found).items()}
