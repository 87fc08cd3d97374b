"""The certificate to serve with: our own, kept in a Secret and in the webhook configurations, or one that others keep.

    Own        our CA. Replicas share its Secret; the configurations get the CA
    Mounted    files that cert-manager keeps, as its ca-injector does the configurations

Replicas share the Secret. Whoever finds it missing or old writes it with a compare-and-swap, and whoever loses
that race takes what the winner wrote; the configurations get the bundle of whatever the Secret holds. So any number
of replicas ends at the same certificate, whatever the order.
"""

import logging
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from sympozium.api.base import Object
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube.client import Client
from sympozium.kube.errors import ConflictError, KubeError
from sympozium.kube.resources import MUTATING_WEBHOOKS, SECRETS, VALIDATING_WEBHOOKS
from sympozium.kube.secretdata import decoded
from sympozium.webhook.certificates import CERTIFICATE, KEY, Material, renewed

log = logging.getLogger(__name__)

SECRET: Final = "sympozium-webhook-tls"  # noqa: S105 - a name
CONFIGURATION: Final = "sympozium"
_RACES: Final = 5


Load = Callable[[bytes, bytes], None]
"""Serve with this certificate chain and this key (PEM) from now on. Raises `ssl.SSLError` for what is neither."""


class TrustError(Exception):
    """There is no certificate: it could not be agreed on with the other replicas, or its files are not good."""


class Source(Protocol):
    """Where the certificate is from."""

    async def look(self, load: Load) -> list[str]:
        """Load what is new; says what is missing before the API server trusts it. Raises TrustError and KubeError."""
        ...


class Own:
    """Our own CA, and a certificate for `hosts`."""

    def __init__(self, client: Client, hosts: Sequence[str]) -> None:
        self._client = client
        self._hosts = hosts
        self.serving: Material | None = None

    async def look(self, load: Load) -> list[str]:
        held = await material(self._client, self._hosts, serving=self.serving)
        if self.serving is None:
            self._serve(held, load)
        # The API server hears of a new CA before it meets a certificate of it.
        missing = await inject(self._client, held.ca_bundle)
        self._serve(held, load)
        return missing

    def _serve(self, held: Material, load: Load) -> None:
        if held != self.serving:
            load(held.certificate, held.key)
            self.serving = held


class Mounted:
    """`tls.crt` and `tls.key` of a directory: a Secret of cert-manager, mounted. Who trusts it is not ours to keep."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._serving: tuple[bytes, bytes] | None = None

    async def look(self, load: Load) -> list[str]:
        try:
            found = ((self._directory / CERTIFICATE).read_bytes(), (self._directory / KEY).read_bytes())
            if found != self._serving:
                load(*found)
                log.info("serving with the certificate in %s", self._directory)
        except (
            OSError
        ) as error:  # ssl.SSLError is one: while both are being replaced, one may be of the other
            raise TrustError(f"{self._directory}: {error}") from error
        self._serving = found
        return []


async def material(client: Client, hosts: Sequence[str], *, serving: Material | None = None) -> Material:
    """The certificate to serve with: what the Secret holds, renewed where that is due.

    `serving` is what this process serves with now; its CA stays trusted when the Secret is gone.

    Raises TrustError after a few lost races, and what the API raises.
    """
    for _ in range(_RACES):
        secret = await client.find(SECRETS, SECRET, SYSTEM_NAMESPACE)
        held = _decoded(secret) if secret else None
        fresh = renewed(held, hosts, now=datetime.now(UTC), serving=serving)
        if fresh is None:
            assert held is not None, "nothing is renewed into nothing"
            return held
        try:
            await _write(client, secret, fresh)
        except ConflictError:
            log.info("another replica has written %s first: taking its certificate", SECRET)
            continue
        log.info("wrote a new certificate into Secret %s", SECRET)
        return fresh
    raise TrustError(f"Secret {SECRET} kept changing: another replica may serve under other names")


async def inject(client: Client, ca_bundle: bytes) -> list[str]:
    """Write the bundle into both webhook configurations where it is another; says what is still missing."""
    bundle = b64encode(ca_bundle).decode()
    missing = []
    for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
        found = await client.find(resource, CONFIGURATION)
        if found is None:
            missing.append(f"{resource.kind} {CONFIGURATION} is not there")
            continue
        operations = _operations(found, bundle)
        if operations:
            try:
                await client.patch(resource, CONFIGURATION, None, operations, kind="json")
            except KubeError as exc:
                missing.append(f"{resource.kind} {CONFIGURATION}: {exc}")
                continue
            log.info("wrote the CA into %s %s", resource.kind, CONFIGURATION)
    return missing


def _operations(configuration: Object, bundle: str) -> list[Object]:
    """A JSON patch that does nothing when somebody else changed the configuration meanwhile."""
    operations: list[Object] = []
    for index, webhook in enumerate(configuration.get("webhooks") or ()):
        path = f"/webhooks/{index}"
        if webhook["clientConfig"].get("caBundle") != bundle:
            operations += [
                {"op": "test", "path": f"{path}/name", "value": webhook["name"]},
                {"op": "add", "path": f"{path}/clientConfig/caBundle", "value": bundle},
            ]
    return operations


def _decoded(secret: Object) -> Material | None:
    return Material.from_data(decoded(secret))


async def _write(client: Client, secret: Object | None, fresh: Material) -> None:
    data = {key: b64encode(value).decode() for key, value in fresh.to_data().items()}
    if secret is None:
        body: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {
                "name": SECRET,
                "namespace": SYSTEM_NAMESPACE,
                "labels": {"sympozium.ai/component": "webhook"},
            },
            "data": data,
        }
        await client.create(SECRETS, body)
        return
    await client.update(SECRETS, {**secret, "data": data})
