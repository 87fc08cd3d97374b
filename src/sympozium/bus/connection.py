"""One way to connect: as a user with a JWT, for good, through restarts of the server.

nats-py gives up by default; here it tries again until it is closed, so that a bus that is away for a
minute is a wait and not a failure. Whoever waits for an answer from a server that has died meanwhile would
wait for its time-out: `Reconnections` ends such a wait as soon as the connection is back.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import nats.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from sympozium.bus.credentials import User
from sympozium.bus.errors import BusError, BusRefusedError

log = logging.getLogger(__name__)
T = TypeVar("T")
_RECONNECT_WAIT = 0.25
_CONNECT_TIMEOUT = 3
_LONGEST_WAIT = 2.0
_UNTIL_KNOWN = 5.0
"""Seconds in which a refusal is not believed: one of several servers that was away has not heard of every user yet."""
API_TIMEOUT = 5.0
PULL_TIMEOUT = 5.0
"""Seconds of silence after which a consumer is asked again: the server that owes the answer may be gone, which nobody tells
who is connected to another one."""
FAILURES = (nats.errors.Error, TimeoutError, OSError)
"""What nats-py raises where a server is away, refuses, or does not answer."""


class AnswerLostError(nats.errors.Error):
    """The connection was lost and is back; what was asked before may have been done or not. Ask again."""


def words(error: BaseException) -> str:
    """The text of an error; timeouts have none."""
    return str(error) or type(error).__name__


class Reconnections:
    """Tells those who wait for an answer that the server which owed it is gone."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    async def happened(self) -> None:
        """nats-py's `reconnected_cb`."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Until the next one."""
        await self._next.wait()

    async def answer(self, question: Coroutine[Any, Any, T]) -> T:
        """The result of `question`. Raises AnswerLostError when the connection was lost meanwhile."""
        back = asyncio.ensure_future(self._next.wait())
        asked = asyncio.ensure_future(question)
        try:
            await asyncio.wait({asked, back}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
            raise AnswerLostError("the connection was lost")
        finally:
            back.cancel()
            asked.cancel()
            await asyncio.gather(back, asked, return_exceptions=True)


class _Connection(Nats):
    """nats-py leaves the socket of a failed attempt open until it is collected; this closes it.

    It also waits for answers by `asyncio.wait_for`, which before Python 3.12 prefers an answer to a cancellation that comes in
    the same moment: whoever goes on asking would never end. Here the cancellation counts.
    """

    async def request(self, *args: Any, **options: Any) -> Msg:
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        answer = await super().request(*args, **options)
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
        return answer

    async def _connect_to_server(self, *args: Any) -> None:
        with self._closed_on_failure():
            await super()._connect_to_server(*args)

    async def _process_connect_init(self) -> None:
        with self._closed_on_failure():
            await super()._process_connect_init()

    @contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self._transport is not None:
                self._transport.close()  # type: ignore[no-untyped-call]
            raise


async def connect(
    url: str,
    user: User,
    *,
    name: str,
    inbox: str = "_INBOX",
    reconnections: Reconnections | None = None,
    patient: bool = True,
    changed: Callable[[], None] | None = None,
) -> Nats:
    """A connection that heals itself. With `patient` it waits for a server that is not there yet;
    without, it raises BusError. Raises BusRefusedError in any case, with patience when a while has changed nothing. `url` may be several, with commas between.

    `changed` is called when the connection is lost, is back, and is closed for good.
    """
    said = ""

    async def on_error(error: Exception) -> None:
        # One line for an outage, not one for each attempt.
        nonlocal said
        if words(error) != said:
            said = words(error)
            log.warning("bus: %s", said)

    async def on_reconnected() -> None:
        nonlocal said
        said = ""
        log.info("bus: connected again")
        if reconnections is not None:
            await reconnections.happened()
        await on_changed()

    async def on_changed() -> None:
        if changed is not None:
            changed()

    delay = 0.1
    refused: float | None = None
    while True:
        connection = _Connection()
        try:
            await connection.connect(
                url.split(","),
                user_jwt_cb=user.jwt.encode,
                signature_cb=user.sign,
                name=name,
                inbox_prefix=inbox.encode(),
                error_cb=on_error,
                reconnected_cb=on_reconnected,
                disconnected_cb=on_changed,
                closed_cb=on_changed,
                reconnect_time_wait=_RECONNECT_WAIT,  # type: ignore[arg-type]  # a float does
                # With more patience nats-py would not come back from here: neither from a server that is away
                # nor from one that refuses. Trying again is ours until there is a connection, and its from then on.
                max_reconnect_attempts=1,
                allow_reconnect=False,
                connect_timeout=_CONNECT_TIMEOUT,
                pending_size=8 * 1024 * 1024,
            )
        except (OSError, nats.errors.Error, TimeoutError) as exc:
            if "authorization" in str(exc).lower() or "authentication" in str(exc).lower():
                refused = refused or time.monotonic()
                if not patient or time.monotonic() - refused > _UNTIL_KNOWN:
                    raise BusRefusedError(
                        f"the bus at {url} refuses this user ({name}): {words(exc)}"
                    ) from exc
            elif not patient:
                raise BusError(f"the bus at {url} cannot be reached: {said or words(exc)}") from exc
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - spreads attempts
            delay = min(delay * 2, _LONGEST_WAIT)
        else:
            connection.options |= {"allow_reconnect": patient, "max_reconnect_attempts": -1}
            return connection
