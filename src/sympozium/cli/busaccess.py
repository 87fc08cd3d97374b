"""How a command reaches the bus: as the reader, whose Secret Kubernetes RBAC gives to whom it likes."""

import base64
from dataclasses import dataclass

from sympozium.bus.credentials import CredentialsError, User
from sympozium.cli.failures import CommandError
from sympozium.cli.session import Session
from sympozium.kube import ForbiddenError, NotFoundError
from sympozium.kube.resources import CONFIG_MAPS, SECRETS

SYSTEM_NAMESPACE = "sympozium-system"
CONFIG_MAP = "sympozium-bus"
SECRET = "sympozium-bus-reader"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class BusAccess:
    """Where the bus is, who one is there, and by which public keys (base64) its messages and records are believed."""

    url: str
    user: User
    controller_key: str
    record_key: str


async def bus_access(session: Session) -> BusAccess:
    """Raises CommandError."""
    try:
        config = (await session.client.get(CONFIG_MAPS, CONFIG_MAP, SYSTEM_NAMESPACE))["data"]
        secret = (await session.client.get(SECRETS, SECRET, SYSTEM_NAMESPACE))["data"]
        user = User.parse(base64.b64decode(secret["user.creds"]).decode())
        return BusAccess(config["url"], user, config["controllerKey"], config["recordKey"])
    except NotFoundError as exc:
        raise CommandError(
            f"this cluster has no bus that one could read: {exc}; is Sympozium installed?"
        ) from exc
    except ForbiddenError as exc:
        raise CommandError(f"{exc}; ask for the right to read it, transcripts are behind it") from exc
    except (KeyError, ValueError, CredentialsError) as exc:
        raise CommandError(f"{CONFIG_MAP} or {SECRET} in {SYSTEM_NAMESPACE} is broken: {exc!r}") from exc
