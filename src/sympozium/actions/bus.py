"""How a person reaches the bus: as the reader, whose Secret Kubernetes RBAC gives to whom it likes.

The address of a cluster's bus is a name that only pods know. From elsewhere it is reached through the Kubernetes API.
"""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from nats.errors import Error as NatsError

from sympozium.actions.errors import MissingError, UnavailableError
from sympozium.actions.tunnel import forwarded
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.bus.audit.store import Store
from sympozium.bus.connection import Reconnections, connect
from sympozium.bus.credentials import CredentialsError, User
from sympozium.bus.keyring import READER_INBOX
from sympozium.bus.reader import Reader
from sympozium.kube import Client, ForbiddenError, NotFoundError
from sympozium.kube.resources import CONFIG_MAPS, SECRETS

CONFIG_MAP: Final = "sympozium-bus"
SECRET: Final = "sympozium-bus-reader"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class BusAccess:
    """Where the bus is, who one is there, and by which public keys (base64) its messages and records are believed."""

    url: str
    user: User
    controller_key: str
    record_key: str


@dataclass(frozen=True, slots=True)
class Records:
    """The records of an installation. `key`: the public key (base64) by which they are believed."""

    store: Store
    key: str


async def bus_access(client: Client) -> BusAccess:
    """Raises MissingError, UnavailableError, and ForbiddenError for who may not read the Secret."""
    try:
        config = (await client.get(CONFIG_MAPS, CONFIG_MAP, SYSTEM_NAMESPACE))["data"]
        secret = (await client.get(SECRETS, SECRET, SYSTEM_NAMESPACE))["data"]
        user = User.parse(base64.b64decode(secret["user.creds"]).decode())
        return BusAccess(config["url"], user, config["controllerKey"], config["recordKey"])
    except NotFoundError as exc:
        raise MissingError(
            f"this cluster has no bus that one could read: {exc}; is Sympozium installed?"
        ) from exc
    except ForbiddenError as exc:
        words = f"{exc}; ask for the right to read it, transcripts are behind it"
        raise ForbiddenError(exc.code, exc.reason, words, details=exc.details) from exc
    except (KeyError, ValueError, CredentialsError) as exc:
        raise UnavailableError(f"{CONFIG_MAP} or {SECRET} in {SYSTEM_NAMESPACE} is broken: {exc!r}") from exc


@asynccontextmanager
async def open_reader(client: Client) -> AsyncIterator[Reader]:
    """Transcripts of runs. Raises what `bus_access` raises, and BusError."""
    access = await bus_access(client)
    async with near(client, access.url) as url:
        reader = await Reader.open(url, access.user, access.controller_key)
        try:
            yield reader
        finally:
            await reader.close()


@asynccontextmanager
async def open_records(client: Client) -> AsyncIterator[Records]:
    """Records of runs. Raises what `bus_access` raises, and BusError."""
    access = await bus_access(client)
    reconnections = Reconnections()
    async with near(client, access.url) as url:
        connection = await connect(
            url, access.user, name="reader", inbox=READER_INBOX, reconnections=reconnections, patient=False
        )
        try:
            yield Records(Store(connection, reconnections), access.record_key)
        finally:
            with suppress(NatsError, OSError, TimeoutError):
                await connection.close()


@asynccontextmanager
async def near(client: Client, url: str) -> AsyncIterator[str]:
    """The URL by which this process reaches the bus, as long as the block lasts.

    Raises MissingError, UnavailableError: also out of the block, when a tunnel ends while it is used.
    """
    host = urlsplit(url).hostname or ""
    if not host.endswith(f".{SYSTEM_NAMESPACE}.svc") or await _is_known(host):
        yield url
        return
    async with forwarded(client, host.partition(".")[0]) as tunnel:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as scope:

                async def watch() -> None:
                    await tunnel.process.wait()
                    scope.reschedule(loop.time())

                watching = asyncio.create_task(watch())
                try:
                    yield f"nats://{tunnel.near}"
                finally:
                    watching.cancel()
        except TimeoutError:
            if not scope.expired():
                raise
            raise UnavailableError(
                "the tunnel to the bus ended: is its pod still there? What was asked can be asked again"
            ) from None


async def _is_known(host: str) -> bool:
    try:
        await asyncio.get_running_loop().getaddrinfo(host, None)
    except socket.gaierror:
        return False
    return True
