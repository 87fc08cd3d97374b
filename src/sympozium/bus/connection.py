"""One way to connect: as a user with a JWT, for good, through restarts of the server.

nats-py gives up by default; here it tries again until it is closed, so that a bus that is away for a
minute is a wait and not a failure.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import nats.errors
from nats.aio.client import Client as Nats

from sympozium.bus.credentials import User

log = logging.getLogger(__name__)
_RECONNECT_WAIT = 0.25
API_TIMEOUT = 5.0


class BusError(Exception):
    """The bus cannot be reached or refused; trying later is right."""


def words(error: BaseException) -> str:
    """The text of an error; timeouts have none."""
    return str(error) or type(error).__name__


async def connect(
    url: str,
    user: User,
    *,
    name: str,
    inbox: str = "_INBOX",
    reconnected: Callable[[], Awaitable[None]] | None = None,
    patient: bool = True,
) -> Nats:
    """A connection that heals itself. With `patient` it waits for a server that is not there yet;
    without, it raises BusError.
    """

    async def on_error(error: Exception) -> None:
        log.warning("bus: %s", words(error))

    options: dict[str, Any] = {
        "user_jwt_cb": user.jwt.encode,
        "signature_cb": user.sign,
        "name": name,
        "inbox_prefix": inbox.encode(),
        "error_cb": on_error,
        "reconnect_time_wait": _RECONNECT_WAIT,
        "max_reconnect_attempts": -1,
        "allow_reconnect": True,
        "connect_timeout": 2 if patient else 3,
        "pending_size": 8 * 1024 * 1024,
    }
    if reconnected is not None:
        options["reconnected_cb"] = reconnected
    if not patient:
        options["allow_reconnect"] = False
    connection = Nats()
    try:
        await connection.connect(url, **options)
    except (OSError, nats.errors.Error, TimeoutError) as exc:
        # A connection that was refused keeps its socket until it is told to close.
        with contextlib.suppress(OSError, nats.errors.Error):
            await connection.close()
        transport = connection._transport  # noqa: SLF001 - close() forgets it when the handshake failed
        if transport is not None:
            transport.close()  # type: ignore[no-untyped-call]
        raise BusError(f"the bus at {url} cannot be reached: {words(exc)}") from exc
    return connection
